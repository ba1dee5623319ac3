"""Exercise 5.5, one step in its order: tells apart wrong views or modes, lines in the wrong order,
a schedule read at another step, and what is clipped, dropped or averaged wrongly.
"""

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from minidino.checks.core import (
    Wrong,
    check,
    close,
    expect,
    expect_close,
    expect_tensor,
    flat,
)
from minidino.checks.teacher.step_witness import BATCH, N_GLOBAL, N_VIEWS, Witness, true_gradients

STEP_FIRST = (
    "The optimizer steps before loss.backward(): it moves with no gradients, or with those of the "
    "step before. Backward first."
)
NO_BACKWARD = (
    "There are no gradients. Call loss.backward() before clipping and before the optimizer steps."
)
CLEARED = (
    "The gradients were cleared before the optimizer could use them. zero_grad comes before "
    "backward, or after the step; never between the two."
)
MAX_NORM, STEPS_PER_EPOCH = 3.0, 3


def clipped(gradients: Iterable[Tensor]) -> list[Tensor]:
    """Each scaled down to MAX_NORM on its own."""
    return [g * min(1.0, MAX_NORM / g.norm().item()) for g in gradients]


def same_rows(inputs: list[Tensor], views: list[Tensor]) -> bool:
    got, want = torch.cat(inputs), torch.cat(views)
    return got.shape == want.shape and torch.equal(got, want)


@check("5.5", "one step, in its order")
def check_5_5(train_step):
    # First in the middle of a run, where each wrong index gives another value; then its start.
    for steps in ((4, 5), (0, 1, 2, 3)):
        witness = Witness()
        batches = witness.batches()
        for t in steps:
            examine_step(train_step, witness, batches, t)


def examine_step(train_step, witness: Witness, batches: Iterator[list[Tensor]], t: int) -> None:
    reference = copy.deepcopy((witness.student.state_dict(), witness.teacher.state_dict()))
    witness.start()
    given = (witness.student, witness.teacher, witness.loss_fn, witness.optimizer)
    try:
        loss = train_step(t, batches, *given, witness.schedules, STEPS_PER_EPOCH)
    except RuntimeError as error:
        # A mistake with a name says more than the error that it led to.
        if witness.asked:
            judge_forward(witness, t)
        if "at least one" in str(error) or "non-empty" in str(error):  # of no gradients
            raise Wrong(CLEARED if "backward" in witness.events else NO_BACKWARD) from None
        raise
    judge_forward(witness, t)
    raw, want_loss = true_gradients(reference, witness, t)
    judge_gradients(witness, t, raw)
    judge_teacher(witness, t)
    expect(loss is not None, "Your function returns None. Return the loss of the step, detached.")
    if isinstance(loss, Tensor):
        expect(
            not loss.requires_grad,
            "The loss you return still holds the graph of the whole step: kept in a list for "
            "a plot it fills the memory. Return loss.detach().",
        )
    expect_close(loss, want_loss, what=f"The loss of step {t}", tolerance=1e-3)


def judge_forward(witness: Witness, t: int) -> None:
    """Who saw what, and what the loss was given."""
    n = len(witness.drawn)
    expect(n > 0, "You took no batch. views = next(batches) gives the views of one batch.")
    expect(
        n == 1,
        f"You drew {n} batches in one step, so student and teacher are shown different images, as "
        "with two loaders shuffled apart. Call next(batches) once: both see views of the same.",
    )
    views, inputs = witness.drawn[0], witness.inputs
    for who in ("teacher", "student"):
        expect(bool(inputs[who]), f"The {who} was never asked. Call {who}(...) in each step.")
    expect(
        not same_rows(inputs["teacher"], views),
        "You fed the teacher all crops. It sees only the global ones, views[:2]: a target made of "
        "a small crop knows too little to teach from.",
    )
    expect(
        not same_rows(inputs["teacher"], views[N_GLOBAL:]),
        "You fed the teacher the local crops. The first two views are the global ones, and only "
        "those are for the teacher: views[:2].",
    )
    expect(
        same_rows(inputs["teacher"], views[:N_GLOBAL]),
        "The teacher should see the two global views in order, each once: "
        "teacher(torch.cat(views[:2])).",
    )
    expect(
        not same_rows(inputs["student"], views[N_GLOBAL:]),
        "You fed the student only the local crops. It sees all views; each global one is compared "
        "with the teacher's *other* global one.",
    )
    expect(
        same_rows(inputs["student"], views),
        "The student should see all views in order, each once: student(torch.cat(views)).",
    )
    expect(
        not any(witness.modes["teacher"]),
        "The teacher was in train mode when you asked it. It stays in eval mode: no drop path, no "
        "dropout in a target.",
    )
    expect(all(witness.modes["student"]), "The student was in eval mode; it trains in train mode.")
    expect(bool(witness.asked), "You never called loss_fn(student_logits, teacher_logits, temp).")
    student_logits, teacher_logits, temp = witness.asked[0]
    expect(
        (len(student_logits), len(teacher_logits)) != (N_GLOBAL * BATCH, N_VIEWS * BATCH),
        "You swapped the loss's arguments. The student's logits come first, then the teacher's.",
    )
    expect_tensor(student_logits, (N_VIEWS * BATCH, 5), "(views * B, K)", what="student_logits")
    expect_tensor(teacher_logits, (N_GLOBAL * BATCH, 5), "(2 * B, K)", what="teacher_logits")
    expect(
        not teacher_logits.requires_grad,
        "The teacher receives gradients: its logits were computed with a graph. Run the teacher "
        "under torch.no_grad(), or detach what it says.",
    )
    expect(
        student_logits.requires_grad,
        "The student's logits have no graph, so it cannot learn. Only the teacher runs under "
        "torch.no_grad().",
    )
    expect_schedule(temp, witness.schedules.teacher_temp, t, "teacher temperature", None)


def expect_schedule(
    got: float, values: list[float], t: int, name: str, made_with: float | None
) -> None:
    """``got`` is the value of step t, or what it is instead is named."""
    mistakes = {
        f"The {name} at step {t} is the one of the epoch's number. A schedule has one value per "
        "*iteration*: index it with t, not with t // steps_per_epoch.": values[
            t // STEPS_PER_EPOCH
        ],
        f"The {name} at step {t} is still the one of step 0: the schedule is ignored. Look it up "
        "in every step.": values[0],
        f"The {name} at step {t} is the one of the step before. Set it before the optimizer steps, "
        "not after.": values[t - 1],
        f"The {name} at step {t} is the one of the next step. Steps count from 0.": values[t + 1],
    }
    if made_with is not None:
        mistakes[
            f"The {name} is the one that the optimizer was made with: the schedule is ignored. Set "
            "it in each group of optimizer.param_groups, before the step."
        ] = made_with
    expect_close(got, values[t], mistakes, what=f"The {name} at step {t}", tolerance=1e-6)


def judge_gradients(witness: Witness, t: int, raw: dict[str, Tensor]) -> None:
    """What the optimizer found when it stepped."""
    steps = witness.events.count("optimizer")
    expect(steps > 0, "optimizer.step() was never called; the student does not move.")
    expect(steps == 1, f"optimizer.step() was called {steps} times in one step.")
    early = witness.events[: witness.events.index("optimizer")]
    body = [n for n in raw if not n.startswith("last_layer")]
    got = [witness.gradients[n] for n in body]
    if "backward" not in early and all(g is None for g in got):
        expect("backward" not in witness.events, STEP_FIRST)
        raise Wrong(NO_BACKWARD)
    gone, last = [g is None or not g.any() for g in got], witness.gradients["last_layer.weight_v"]
    expect(
        not all(gone) or last is None or not last.any(),
        "The layers below the last one have no gradients when the optimizer steps, and the last "
        "layer has. It is the other way round: student.last_layer's are dropped.",
    )
    expect(not all(gone), CLEARED)
    expect(
        all(g is not None for g in got),
        "Some parameters below the last layer have no gradient when the optimizer steps. Only "
        "student.last_layer's are dropped.",
    )
    true = [raw[n] for n in body]
    sums = [g if (old := witness.left_over[n]) is None else g + old for n, g in raw.items()]
    sums = [g for n, g in zip(raw, sums, strict=True) if n in body]
    length = flat(raw.values()).norm()
    clear = (
        "The gradients of the step before are still there: zero_grad is forgotten, and they "
        "accumulate. optimizer.zero_grad() before loss.backward()."
    )
    unclipped = (
        "The gradients are not clipped when the optimizer steps. clip_gradients(parameters, 3.0) "
        "stands between loss.backward() and optimizer.step()."
    )
    together = (
        "You clipped all gradients together, by their common norm. DINO clips each parameter's "
        "gradient on its own; clip_gradients does."
    )
    expect_close(
        flat(got),
        flat(clipped(true)),
        {
            clear: flat(clipped(sums)),
            unclipped: flat(true),
            f"{clear} ": flat(sums),
            together: flat(true) * min(1.0, MAX_NORM / length.item()),
            f"{together} ": flat(true) * min(1.0, MAX_NORM / flat(true).norm().item()),
        },
        what=f"The gradients that the optimizer found at step {t}",
        tolerance=1e-3,
    )
    for lr, weight_decay in witness.settings:
        expect_schedule(lr, witness.schedules.lr, t, "learning rate", 0.7)
        expect_schedule(weight_decay, witness.schedules.weight_decay, t, "weight decay", 0.7)

    if t < STEPS_PER_EPOCH:
        still = torch.equal(witness.student.last_layer.weight_v, witness.last_before)
        expect(
            still or last is None or last.any(),
            "You set the last layer's gradients to zero; AdamW still applies weight decay to it. "
            "Set them to None and the optimizer passes it by.",
        )
        expect(
            still,
            f"The last layer moved at step {t}, in the first epoch. Drop its gradients "
            "(p.grad = None) after backward and before the optimizer steps, while "
            "t < steps_per_epoch.",
        )
        return
    expect(
        last is not None and last.any(),
        f"The last layer stands still at step {t}, which is past the first epoch. Its gradients "
        "are dropped only while t < steps_per_epoch.",
    )
    want = clipped([raw["last_layer.weight_v"]])[0]
    whole = raw["last_layer.weight_v"] * min(1.0, MAX_NORM / length.item())
    expect_close(last, want, {together: whole}, what="The last layer's gradient", tolerance=1e-3)


def judge_teacher(witness: Witness, t: int) -> None:
    """The teacher after the step, and that nothing else moved it."""
    schedule = witness.schedules.teacher_momentum
    expect(
        all(p.grad is None for p in witness.teacher.parameters()),
        "The teacher received gradients. Only the student learns by them.",
    )
    old, new, before = witness.teacher_before, witness.stepped, witness.before
    got = flat(witness.teacher.parameters())
    expect(
        close(flat(witness.student.parameters()), new, 1e-6),
        "The student moved after the optimizer's step: student and teacher may be reversed in the "
        "average. update_teacher(teacher, student, momentum) writes into the teacher.",
    )

    def average(momentum: float, student: Tensor) -> Tensor:
        return momentum * old + (1 - momentum) * student

    m = schedule[t]
    expect_close(
        got,
        average(m, new),
        {
            "The teacher averaged the student of *before* this step: EMA before the optimizer "
            "step. Call update_teacher last, so that it follows the updated student.": average(
                m, before
            ),
            "The teacher did not move. update_teacher(teacher, student, momentum) ends each "
            "step.": old,
            "Old and new are swapped in the teacher's average: the momentum is the share of the "
            "teacher that is kept.": average(1 - m, new),
            "The teacher is a copy of the student. It should move a little: update_teacher with "
            "this step's momentum.": new,
            "The momentum at step "
            f"{t} is the one of the epoch's number. A schedule has one value per *iteration*: "
            "index it with t, not with t // steps_per_epoch.": average(
                schedule[t // STEPS_PER_EPOCH], new
            ),
            f"The momentum at step {t} is still the one of step 0: a constant, the schedule is "
            "ignored. It rises from step to step.": average(schedule[0], new),
            f"The momentum at step {t} is the one of the next step. Steps count from 0.": average(
                schedule[t + 1], new
            ),
        }
        | {
            "The momentum is a constant; the schedule is ignored. Use "
            f"schedules.teacher_momentum[t], not {constant}.": average(constant, new)
            for constant in (0.996, 0.99, 0.9)
        },
        what=f"The teacher after step {t}",
        tolerance=1e-4,
    )
