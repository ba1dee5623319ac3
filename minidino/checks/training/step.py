"""Exercise 7.3, the whole step: tells apart wrong views or modes, lines in the wrong order, a
schedule read at another step, what is clipped, frozen or averaged wrongly, and a wrong report.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from minidino.checks.core import (
    Wrong,
    call,
    check,
    close,
    expect,
    expect_close,
    expect_tensor,
    flat,
)
from minidino.checks.training.common import SMALL, STEPS_PER_EPOCH, some_images
from minidino.checks.training.step_witness import Truth, Witness

NO_BACKWARD = (
    "The optimizer found no gradients. loss.backward() comes first, then clipping, then the "
    "optimizer's step."
)
STEP_FIRST = (
    "The optimizer steps before loss.backward(): it moves with no gradients, or with those of the "
    "step before. Backward first."
)
CLEARED = (
    "The gradients were cleared before the optimizer could use them. zero_grad comes before "
    "backward, never between backward and the step."
)


@check("7.3", "the whole step")
def check_7_3(train_step):
    # First in the middle of a run, where each wrong index gives another value; then its start.
    for steps in ((5, 6), (0, 1, 2, 3)):
        run = Witness(steps[0])
        for t in steps:
            examine_step(train_step, run, t)


def examine_step(train_step: Callable, run: Witness, t: int) -> None:
    run.start()
    images, generator = some_images(), torch.Generator().manual_seed(t)
    try:
        got = call(train_step, run, images, generator)
    except (RuntimeError, ValueError) as error:
        # A mistake with a name says more than the error that it led to.
        if run.asked:
            judge_forward(run, t, images, generator)
        if "at least one" in str(error) or "non-empty" in str(error):  # of no gradients
            raise Wrong(CLEARED if "backward" in run.events else NO_BACKWARD) from None
        raise
    judge_forward(run, t, images, generator)
    truth = Truth(run, t)
    judge_gradients(run, t, truth)
    judge_teacher(run, t)
    expect(
        run.now != t,
        "The step is not counted: run.now is as it was, so every step reads the schedules' first "
        "value, and a warm-up never ends. End with run.now += 1.",
    )
    expect(run.now == t + 1, f"run.now went from {t} to {run.now}. A step counts once.")
    judge_report(got, run, truth)


def same_views(inputs: list[Tensor], views: Iterable[Tensor]) -> bool:
    """The same images in the same order, however they were cut into batches."""
    views = [v for v in views if len(v)]
    sizes = [v.shape[-1] for v in views]
    got = {s: [x for x in inputs if x.shape[-1] == s] for s in sizes}
    if sum(map(len, got.values())) != len(inputs) or not all(got.values()):
        return False
    joined = [torch.cat(got[s]) for s in sizes]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(joined, views, strict=True))


def judge_forward(run: Witness, t: int, images: Tensor, generator: torch.Generator) -> None:
    """Who saw what, and what the loss was given."""
    n = len(run.drawn)
    expect(n > 0, "No views were cut. views = run.crops(images, generator) starts the step.")
    expect(
        n == 1,
        f"You cut views {n} times in one step, so student and teacher are shown different crops, "
        "as with two loaders shuffled apart. Call run.crops once: view 0 is view 0 for both.",
    )
    (given, chance), views = run.draws[0], run.drawn[0]
    expect(given.shape == images.shape and torch.equal(given, images), "Give run.crops the images.")
    expect(
        chance is generator,
        "You cut the views without the generator. With it the step's crops follow from its number, "
        "and a resumed run cuts the same: run.crops(images, generator).",
    )
    student, teacher = run.inputs["student"], run.inputs["teacher"]
    for who, seen in run.inputs.items():
        expect(bool(seen), f"The {who} was never asked. Call run.{who}(...) in each step.")
    expect(
        not same_views(teacher, views),
        "You fed the teacher all crops. It sees only the global ones, views[0]: a target made of "
        "a small crop knows too little to teach from.",
    )
    expect(
        not same_views(teacher, views[1:]),
        "You fed the teacher the local crops. It sees the global ones, views[0].",
    )
    expect(
        same_views(teacher, views[:1]),
        "The teacher should see the two global views of each image once: run.teacher(views[0]).",
    )
    expect(
        not same_views(student, views[1:]),
        "You fed the student only the local crops. It sees all views; each global one is compared "
        "with the teacher's *other* global one.",
    )
    expect(
        not same_views(student, views[:1]),
        "You fed the student only the global crops. It sees all views: run.student(*views).",
    )
    expect(
        same_views(student, views), "The student should see all views once: run.student(*views)."
    )
    expect(
        not any(run.modes["teacher"]),
        "The teacher was in train mode when you asked it. It stays in eval mode: no drop path, no "
        "dropout in a target.",
    )
    expect(all(run.modes["student"]), "The student was in eval mode; it trains in train mode.")
    n = len(run.asked)
    expect(n > 0, "You never called run.criterion(student_logits, teacher_logits, teacher_temp).")
    expect(
        n == 1, f"You called run.criterion {n} times; each call moves the center. Once per step."
    )
    student_logits, teacher_logits, temp = run.asked[0]
    rows, k = SMALL.batch_size, SMALL.out_dim
    expect(
        (len(student_logits), len(teacher_logits)) != (2 * rows, (2 + SMALL.n_local) * rows),
        "You swapped the loss's arguments. The student's logits come first, then the teacher's.",
    )
    shapes = ((2 + SMALL.n_local) * rows, k), (2 * rows, k)
    expect_tensor(student_logits, shapes[0], "(views * B, K)", what="student_logits")
    expect_tensor(teacher_logits, shapes[1], "(2 * B, K)", what="teacher_logits")
    expect(
        not teacher_logits.requires_grad,
        "The teacher receives gradients: its logits were computed with a graph. Run the teacher "
        "under torch.no_grad().",
    )
    expect(
        student_logits.requires_grad,
        "The student's logits have no graph, so it cannot learn. Only the teacher runs under "
        "torch.no_grad().",
    )
    constants = {
        "You gave the loss the student's temperature. The two are swapped: the criterion knows the "
        "student's already, it asks for the teacher's of this step.": SMALL.student_temp,
        "The teacher temperature is config.teacher_temp, where its warm-up ends. Until then the "
        "schedule says otherwise: run.schedules.teacher_temp[run.now].": SMALL.teacher_temp,
    }
    expect_schedule(temp, run.schedules.teacher_temp, t, "teacher temperature", constants)


def expect_schedule(
    got: float, values: list[float], t: int, name: str, others: dict[str, float]
) -> None:
    """``got`` is the value of step t, or what it is instead is named."""
    mistakes = {
        f"The {name} at step {t} is the one of the epoch's number. A schedule has one value per "
        "*iteration*: index it with run.now, not with the epoch.": values[t // STEPS_PER_EPOCH],
        f"The {name} at step {t} is still the one of step 0. Look it up in every step.": values[0],
        f"The {name} at step {t} is the one of the epoch's first step. A schedule has one value "
        "per *iteration*: index it with run.now.": values[t // STEPS_PER_EPOCH * STEPS_PER_EPOCH],
        f"The {name} at step {t} is the one of the step before. Set it before the optimizer steps, "
        "not after.": values[t - 1],
        f"The {name} at step {t} is the one of the next step. Steps count from 0; add 1 to run.now "
        "at the very end.": values[t + 1],
    }
    expect_close(got, values[t], mistakes | others, what=f"The {name}", tolerance=1e-6)


def shortened(gradients: Iterable[Tensor], max_norm: float) -> Tensor:
    """Each scaled down to ``max_norm`` on its own, in one line."""
    return flat(g * min(1.0, max_norm / g.norm().item()) for g in gradients)


def judge_gradients(run: Witness, t: int, truth: Truth) -> None:
    """What the optimizer found when it stepped."""
    steps = run.events.count("optimizer")
    expect(steps > 0, "run.optimizer.step() was never called; the student does not move.")
    expect(steps == 1, f"run.optimizer.step() was called {steps} times in one step.")
    early = run.events[: run.events.index("optimizer")]
    body = [n for n in truth.gradients if "last_layer" not in n]
    got = [run.found[n] for n in body]
    if "backward" not in early:
        raise Wrong(STEP_FIRST if "backward" in run.events else NO_BACKWARD)
    expect(not all(g is None or not g.any() for g in got), CLEARED)
    expect(
        all(g is not None for g in got),
        "Some parameters below the last layer have no gradient when the optimizer steps. Only "
        "those of run.student.head.last_layer are dropped.",
    )
    true, limit = [truth.gradients[n] for n in body], SMALL.clip_grad
    old = [run.left_over[n] for n in body]
    sums = [g if o is None else g + o for g, o in zip(true, old, strict=True)]
    total = flat(truth.gradients.values()).norm().item()
    accumulated = (
        "The gradients of the step before are still there: zero_grad is forgotten, and they "
        "accumulate. run.optimizer.zero_grad() before loss.backward()."
    )
    together = (
        "You clipped by the global norm, all gradients together. Here it is per tensor: "
        "clip_gradients(run.parameters, run.config.clip_grad)."
    )
    expect_close(
        flat(got),
        shortened(true, limit),
        {
            accumulated: shortened(sums, limit),
            "The gradients are not clipped when the optimizer steps. clip_gradients stands between "
            "loss.backward() and run.optimizer.step().": flat(true),
            f"{accumulated} ": flat(sums),
            "The gradients are clipped to length 1. The limit is run.config.clip_grad.": shortened(
                true, 1.0
            ),
            together: flat(true) * min(1.0, limit / total),
            f"{together} ": flat(true) * min(1.0, limit / flat(true).norm().item()),
        },
        what=f"The gradients that the optimizer found at step {t}",
        tolerance=1e-3,
    )
    judge_settings(run, t)
    judge_last_layer(run, t, truth)


def judge_settings(run: Witness, t: int) -> None:
    (lr, decay), (plain_lr, plain_decay) = run.settings
    made_with = {
        "The learning rate is never set: it is the one that AdamW was made with, or you set it "
        "only after the step. Write it into both of run.optimizer.param_groups, before.": 1e-3
    }
    expect_schedule(lr, run.schedules.lr, t, "learning rate", made_with)
    expect(
        plain_lr == lr,
        "Only the first group has this step's learning rate. Biases and norms learn as well: set "
        "it in both groups.",
    )
    made_with = {
        "The weight decay is never set: it is the one that AdamW was made with, or you set it "
        "only after the step. Write it into the first of run.optimizer.param_groups.": 1e-2
    }
    expect(
        plain_decay == 0,
        "You set the weight decay in the no-decay group too, and biases and norms decay again. "
        "Its schedule is for the first group alone.",
    )
    expect_schedule(decay, run.schedules.weight_decay, t, "weight decay", made_with)


def judge_last_layer(run: Witness, t: int, truth: Truth) -> None:
    layer, name = run.student.head.last_layer, "head.last_layer.weight_v"
    found = run.found[name]
    if t < STEPS_PER_EPOCH:
        still = torch.equal(layer.weight_v, run.last_before)
        expect(
            still or found is None or found.any(),
            "You set the last layer's gradients to zero; AdamW still applies weight decay to it. "
            "Set them to None and the optimizer passes it by.",
        )
        expect(
            still,
            f"The last layer moved at step {t}, in the first epoch. Drop its gradients "
            "(p.grad = None) before the optimizer steps, while run.now is below "
            "config.freeze_last_layer_epochs * run.steps_per_epoch.",
        )
        return
    expect(
        layer.weight_v.requires_grad,
        "You froze the last layer by requires_grad False, and for ever: it never learns, also "
        "after the first epoch. Drop its gradients in the steps of that epoch instead.",
    )
    expect(
        found is not None and found.any(),
        f"The last layer stands still at step {t}, which is past the first epoch. Its gradients "
        "are dropped only while run.now < freeze_last_layer_epochs * steps_per_epoch.",
    )
    want = shortened([truth.gradients[name]], SMALL.clip_grad)
    expect_close(found.flatten(), want, what="The last layer's gradient", tolerance=1e-3)


def judge_teacher(run: Witness, t: int) -> None:
    """The teacher after the step, and that nothing else moved it."""
    schedule, old, new = run.schedules.teacher_momentum, run.teacher_before, run.stepped
    expect(
        all(p.grad is None for p in run.teacher.parameters()),
        "The teacher received gradients. Only the student learns by them.",
    )
    expect(
        close(flat(run.student.parameters()), new, 1e-6),
        "The student moved after the optimizer's step: student and teacher may be reversed in the "
        "average. update_teacher(run.teacher, run.student, momentum) writes into the teacher.",
    )

    def average(momentum: float, student: Tensor = new) -> Tensor:
        return momentum * old + (1 - momentum) * student

    expect_close(
        flat(run.teacher.parameters()),
        average(schedule[t]),
        {
            "The teacher averaged the student of *before* this step: EMA before the optimizer "
            "step. Call update_teacher after it, so that the teacher follows the updated "
            "student.": average(schedule[t], run.before),
            "The teacher did not move. update_teacher(run.teacher, run.student, momentum) ends "
            "each step.": old,
            "Old and new are swapped in the teacher's average: the momentum is the share of the "
            "teacher that is kept.": average(1 - schedule[t]),
            "The teacher is a copy of the student. It should move a little: update_teacher with "
            "this step's momentum.": new,
            f"The momentum at step {t} is the one of the epoch's number. A schedule has one value "
            "per *iteration*: index it with run.now, not with the epoch.": average(
                schedule[t // STEPS_PER_EPOCH]
            ),
            f"The momentum at step {t} is still the one of step 0. Look it up in every "
            "step.": average(schedule[0]),
            f"The momentum at step {t} is the one of the next step. Steps count from 0; add 1 to "
            "run.now at the very end.": average(schedule[t + 1]),
            "The momentum is config.teacher_momentum, a constant. It rises to 1: "
            "run.schedules.teacher_momentum[run.now].": average(SMALL.teacher_momentum),
        },
        what=f"The teacher after step {t}",
    )


def judge_report(got: object, run: Witness, truth: Truth) -> None:
    """What the step returns."""
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "Return two scalars: the loss, and the entropy of the teacher's targets.",
    )
    for value in got:
        expect(
            not (isinstance(value, Tensor) and value.requires_grad),
            "What you return still holds the graph of the whole step: kept in a list for a plot it "
            "fills the memory. Return loss.detach().",
        )

    def h(q: Tensor) -> Tensor:
        return -(q * q.log()).sum(-1)

    loss, entropy = got
    q = truth.target(truth.old_center)
    expect_close(
        loss,
        truth.loss,
        {"You returned the two in the other order. First the loss, then the entropy.": h(q).mean()},
        what="The loss that you return",
        tolerance=1e-3,
    )
    expect_close(
        entropy,
        h(q).mean(),
        {
            "The entropy is of targets with the center of *after* this step: the criterion had "
            "moved it. Ask for run.criterion.targets before you call the criterion.": h(
                truth.target(truth.center)
            ).mean(),
            "The entropy is of the student's distributions. H is the targets' own: the part of the "
            "loss that the student cannot lower.": h(truth.log_p.exp()).mean(),
            "You returned KL. The second number is H, the entropy; KL is the loss less H.": (
                truth.loss - h(q).mean()
            ),
            "The entropy is the sum over all rows. Return their mean.": h(q).sum(),
            "You returned one entropy per row. Return their mean.": h(q),
            "The center is missing from the targets: run.criterion.targets subtracts it.": h(
                truth.target(0.0)
            ).mean(),
            "The entropy is of the student's scores, made into targets. Give run.criterion.targets "
            "the teacher's logits.": h(truth.target(truth.old_center, truth.student_logits)).mean(),
            "The entropy is of the softmax of the teacher's raw scores. The targets are centred "
            "and sharpened: run.criterion.targets(teacher_logits, temp).": h(
                truth.teacher_logits.softmax(-1)
            ).mean(),
        },
        what="The entropy that you return",
        tolerance=1e-3,
    )
    expect_close(
        run.criterion.center,
        truth.center,
        {
            "The center did not move: the criterion was in eval mode.": truth.old_center,
        },
        what="The center after the step",
        tolerance=1e-3,
    )
