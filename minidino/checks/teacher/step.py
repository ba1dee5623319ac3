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
from minidino.checks.teacher.step_witness import (
    BATCH,
    MADE_WITH,
    N_GLOBAL,
    N_VIEWS,
    WHOLE,
    Witness,
    true_gradients,
)

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
NONE_TO_CLIP = (
    "None of the parameters that you clip has a gradient, and the student's have: you gave the "
    "teacher's, or a generator that is used up. clip_gradients(list(student.parameters()), 3.0)."
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
    for steps in ((5, 7), (0, 1, 2, 3)):
        witness = Witness()
        batches = witness.batches()
        for t in steps:
            examine_step(train_step, witness, batches, t)


def examine_step(train_step, witness: Witness, batches: Iterator[list[Tensor]], t: int) -> None:
    reference = copy.deepcopy((witness.student.state_dict(), witness.teacher.state_dict()))
    witness.start()
    trained = {n: p.requires_grad for n, p in witness.student.named_parameters()}
    given = (witness.student, witness.teacher, witness.loss_fn, witness.optimizer)
    try:
        loss = train_step(t, batches, *given, witness.schedules, STEPS_PER_EPOCH)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        # A mistake with a name says more than the error that it led to.
        judge_inputs(witness)
        if witness.asked:
            judge_forward(witness, t)
        if "'float' and 'list'" in str(error):
            raise Wrong(WHOLE.format("momenta")) from None
        if "'generator' object is not subscriptable" in str(error) and not witness.drawn:
            raise Wrong(
                "`batches` is no list, and gives one after the other: next(batches)."
            ) from None
        if "'Schedules' object is not subscriptable" in str(error):
            raise Wrong("`schedules` holds lists under names: schedules.lr[t].") from None
        if "at least one" in str(error) or "non-empty" in str(error):  # of no gradients
            there = any(p.grad is not None for p in witness.student.parameters())
            cleared = CLEARED if any("backward" in e for e in witness.events) else NO_BACKWARD
            raise Wrong(NONE_TO_CLIP if there else cleared) from None
        raise
    judge_forward(witness, t)
    raw, want_loss = true_gradients(reference, witness, t)
    judge_gradients(witness, t, raw)
    judge_teacher(witness, t)
    expect(
        trained == {n: p.requires_grad for n, p in witness.student.named_parameters()},
        "Your step changes requires_grad of the student's parameters: one that is fixed for good "
        "would be trained from then on. To let the last layer stand still, drop its gradients: "
        "p.grad = None.",
    )
    expect(loss is not None, "Your function returns None. Return the loss of the step, detached.")
    expect(
        isinstance(loss, Tensor),
        f"The loss you return is a {type(loss).__name__}. Return the tensor, loss.detach(): "
        ".item() waits for the GPU in every step.",
    )
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
    for who in ("teacher", "student"):
        expect(
            bool(witness.inputs[who]), f"The {who} was never asked. Call {who}(...) in each step."
        )
    judge_inputs(witness)
    expect(bool(witness.asked), "You never called loss_fn(student_logits, teacher_logits, temp).")
    student_logits, teacher_logits, temp = witness.asked[0]
    expect(
        (len(student_logits), len(teacher_logits)) != (N_GLOBAL * BATCH, N_VIEWS * BATCH),
        "You swapped the loss's arguments. The student's logits come first, then the teacher's.",
    )
    expect_tensor(student_logits, (N_VIEWS * BATCH, 5), "(views * B, K)", what="student_logits")
    expect_tensor(teacher_logits, (N_GLOBAL * BATCH, 5), "(2 * B, K)", what="teacher_logits")
    for who, logits in (("student", student_logits), ("teacher", teacher_logits)):
        expect_logits(who, logits.detach(), torch.cat(witness.outputs[who]))
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
    expect_read(temp, witness, "teacher_temp", t, 1e-6)


def judge_inputs(witness: Witness) -> None:
    """What student and teacher were shown, as far as they were asked."""
    if not witness.drawn:
        return
    views, inputs = witness.drawn[0], witness.inputs
    for who in [who for who in ("teacher", "student") if inputs[who]]:
        mine = views[:N_GLOBAL] if who == "teacher" else views
        for x in inputs[who]:
            expect(
                x.ndim == 2,
                f"The {who} was given a tensor of shape {tuple(x.shape)}. torch.stack makes a new "
                "dimension; torch.cat(views) puts the views below each other, (views * B, D).",
            )
            expect(
                x.shape[1] == views[0].shape[1],
                f"The {who} was given a tensor of shape {tuple(x.shape)}: torch.cat(views, dim=1) "
                "puts the views side by side. They belong below each other: torch.cat(views).",
            )
        for these in (mine, views, views[:N_GLOBAL]):
            expect(
                not same_rows(inputs[who], [torch.stack(these, dim=1).flatten(0, 1)]),
                f"The {who}'s rows are image-major: all views of image 0, then of image 1. The "
                "loss expects all images of view 0 first: torch.cat(views).",
            )
    if inputs["teacher"]:
        expect(
            not same_rows(inputs["teacher"], views),
            "You fed the teacher all crops. It sees only the global ones, views[:2]: a target made "
            "of a small crop knows too little to teach from.",
        )
        expect(
            not same_rows(inputs["teacher"], views[N_GLOBAL:]),
            "You fed the teacher the local crops. The first two views are the global ones, and "
            "only those are for the teacher: views[:2].",
        )
        expect(
            same_rows(inputs["teacher"], views[:N_GLOBAL]),
            "The teacher should see the two global views in order, each once: "
            "teacher(torch.cat(views[:2])).",
        )
        expect(
            all(torch.equal(x, witness.teacher_before) for x in witness.teacher_when_asked),
            "The teacher moved before it was asked: its average comes first in your step. It "
            "comes last, so that it follows the updated student.",
        )
    if inputs["student"]:
        expect(
            not same_rows(inputs["student"], views[N_GLOBAL:]),
            "You fed the student only the local crops. It sees all views; each global one is "
            "compared with the teacher's *other* global one.",
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


def expect_logits(who: str, got: Tensor, said: Tensor) -> None:
    """The loss is given what the network said, as it said it."""
    if close(got, said, 1e-5):
        return
    by_view = said.view(-1, BATCH, said.shape[1])
    wrong = {
        "in image-major order, all views of image 0 first. Its rows are all images of view 0, then "
        "of view 1": by_view.transpose(0, 1).reshape(said.shape),
        "after a softmax. The loss makes its own, and takes raw logits": said.softmax(-1),
        "after a log_softmax. The loss makes its own, and takes raw logits": said.log_softmax(-1),
        "divided by the student's temperature, 0.1. The loss divides": said / 0.1,
        "with unit length. It takes raw logits": torch.nn.functional.normalize(said, dim=-1),
        "less their mean. Centering is the loss's": said - said.mean(0),
    }
    for message, value in wrong.items():
        expect(not close(got, value, 1e-5), f"The loss was given the {who}'s logits {message}.")
    raise Wrong(
        f"The loss was not given what the {who} said of these views, (views * B, K), raw and in "
        "order."
    )


def expect_read(got: float, witness: Witness, schedule: str, t: int, tolerance: float) -> None:
    """``got`` is this schedule's value of step t, or what it is instead is named."""

    def is_(value: float) -> bool:
        return abs(got - value) < tolerance

    values, name = getattr(witness.schedules, schedule), schedule.replace("teacher_", "")
    name = {"lr": "learning rate", "temp": "teacher temperature"}.get(name, name.replace("_", " "))
    if is_(values[t]):
        return
    at = {
        t // STEPS_PER_EPOCH: "the one of the epoch's number. A schedule has one value per "
        "*iteration*: index it with t, not with t // steps_per_epoch.",
        0: "still the one of step 0: the schedule is ignored. Look it up in every step.",
        t - 1: "the one of the step before. Index it with t.",
        t + 1: "the one of the next step. Steps count from 0.",
        t % STEPS_PER_EPOCH: "the one of the step within its epoch, t % steps_per_epoch. t counts "
        "over the whole run: index with t.",
        len(values) - 1: "the schedule's last one, [-1]. Index it with t.",
        t * STEPS_PER_EPOCH: "the one of t * steps_per_epoch. t counts steps: index with t.",
    }
    for index, message in at.items():
        if 0 <= index < len(values):
            expect(not is_(values[index]), f"The {name} at step {t} is {message}")
    expect(
        not is_(MADE_WITH),
        f"The {name} is the one that the optimizer was made with: the schedule is ignored. Set it "
        "in each group of optimizer.param_groups, before the step.",
    )
    for other in ("lr", "weight_decay", "teacher_momentum", "teacher_temp"):
        for index, value in enumerate(getattr(witness.schedules, other)):
            expect(
                not is_(value),
                f"The {name} at step {t} is schedules.{other}[{index}]; it should be "
                f"schedules.{schedule}[{t}].",
            )
    expect(
        not is_(1 - values[t]),
        f"The {name} at step {t} is 1 - schedules.{schedule}[t].",
    )
    for constant in (0.996, 0.99, 0.9, 0.999, 0.04, 0.07, 0.1, 0.5, 0.4, 1.0, 0.001, 0.0):
        expect(
            not is_(constant),
            f"The {name} is a constant; the schedule is ignored. Use schedules.{schedule}[t], not "
            f"{constant}.",
        )
    raise Wrong(
        f"The {name} at step {t} is {got:.4g}; schedules.{schedule}[{t}] is {values[t]:.4g}."
    )


def judge_gradients(witness: Witness, t: int, raw: dict[str, Tensor]) -> None:
    """What the optimizer found when it stepped."""
    steps = witness.events.count("optimizer")
    expect(
        steps > 0 or torch.equal(flat(witness.student.parameters()), witness.before),
        "The student moved, and the optimizer that you were given did not step. One that is made "
        "anew in each step has no memory of the steps before.",
    )
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
    expect(
        not all(gone) or "backward of nothing" not in early,
        "backward() ran, and every gradient is 0: what it starts from does not change with the "
        "student's scores. Is the loss clamped?",
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
            "You clipped each *number* of the gradients (clip by value). The length of each "
            "parameter's gradient is clipped, which keeps its direction; clip_gradients does.": (
                flat(true).clamp(-MAX_NORM, MAX_NORM)
            ),
            "You gave every gradient the length 3. Only longer ones are shortened; clip_gradients "
            "does.": flat(g * MAX_NORM / g.norm() for g in true),
            **{
                f"You clipped to the length {n:g}. It is MAX_NORM, 3.": flat(
                    g * min(1.0, n / g.norm().item()) for g in true
                )
                for n in (0.1, 0.3, 0.5, 1.0, 2.0, 5.0)
            },
            **{
                f"The gradients are {n:g} x too {'large' if n > 1 else 'small'}, before they are "
                "clipped: the loss was multiplied or divided, or backward ran twice.": flat(
                    clipped([n * g for g in true])
                )
                for n in (0.1, 1 / BATCH, 0.2, 0.5, 2.0, 3.0)
            },
        },
        what=f"What the optimizer found as gradients at step {t}",
        tolerance=1e-3,
    )
    first, *others = witness.settings
    this_step = (witness.schedules.lr[t], witness.schedules.weight_decay[t])
    expect(
        first != this_step or all(other == first for other in others),
        "You set learning rate and weight decay in the first of the optimizer's groups alone. "
        "There may be more: for group in optimizer.param_groups.",
    )
    after = [(g["lr"], g["weight_decay"]) for g in witness.optimizer.param_groups]
    for i, name in enumerate(("learning rate", "weight decay")):
        late = all(now[i] == this_step[i] for now in after) and first[i] != this_step[i]
        expect(
            not late,
            f"You set the {name} after optimizer.step(), so each step has that of the one before. "
            "Set it before the optimizer steps.",
        )
    for lr, weight_decay in witness.settings:
        expect_read(lr, witness, "lr", t, 1e-6)
        expect_read(weight_decay, witness, "weight_decay", t, 1e-6)

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
    if close(got, average(m, new)):
        return
    twice = average(m * m, new)
    known = {
        "The teacher averaged the student of *before* this step: EMA before the optimizer step. "
        "Call update_teacher last, so that it follows the updated student.": average(m, before),
        "The teacher did not move. update_teacher(teacher, student, momentum) ends each step.": old,
        "Old and new are swapped in the teacher's average: the momentum is the share of the "
        "teacher that is kept.": average(1 - m, new),
        "The teacher is a copy of the student. It should move a little: update_teacher with this "
        "step's momentum.": new,
        "The teacher was averaged twice in this step. Is update_teacher inside a loop?": twice,
        "The teacher was averaged three times in this step. Is update_teacher inside a loop?": (
            average(m**3, new)
        ),
        "The teacher was averaged twice, before the optimizer's step and after it. It follows the "
        "updated student, once.": average(m, new) + m * (average(m, before) - old),
    }
    for message, value in known.items():
        expect(not close(got, value), message)
    for student in (new, before):
        way = old - student
        read = ((got - student) @ way / (way @ way)).item()  # the momentum, if it is an average
        if close(got, average(read, student)):
            expect_read(read, witness, "teacher_momentum", t, 1e-4)
    expect_close(got, average(m, new), what=f"The teacher after step {t}")
