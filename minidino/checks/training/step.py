"""Exercise 7.3, the whole step: tells apart wrong views or modes, lines in the wrong order, a
schedule read at another step, what is clipped, frozen or averaged wrongly, and a wrong report.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from minidino.checks.compare import compare
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
from minidino.checks.mistakes import ENTROPY
from minidino.checks.training.common import SMALL, STEPS_PER_EPOCH, some_images
from minidino.checks.training.step_witness import Truth, Witness, chance_state

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
    # First in the middle of a run, where each wrong index gives another value; then its start, with
    # a leap over the epochs in which the last layer stands still; then the second of these.
    for steps in ((8, 9), (0, 2, 6), (4, 5)):
        run = Witness(steps[0])
        judge_reports([examine_step(train_step, run, t) for t in steps])


def examine_step(train_step: Callable, run: Witness, t: int) -> tuple[tuple, Tensor, Truth]:
    """What the step returned, the center after it, and what both should be."""
    run.now = t
    run.start()
    images, generator = some_images(), torch.Generator().manual_seed(t)
    torch.rand(3, generator=generator)
    global_chance, chance = chance_state(), generator.get_state()
    try:
        got = call(train_step, run, images, generator)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        # A mistake with a name says more than the error that it led to.
        if "'tuple' object has no attribute 'shape'" in str(error) and not run.inputs["student"]:
            raise Wrong(
                "A network got all the views as one tuple. It takes them one after the other: "
                "run.student(*views), and the teacher run.teacher(views[0])."
            ) from None
        if "expected uint8 images" in str(error):
            raise Wrong(
                "run.crops takes the uint8 images as they come; it makes normalised floats of the "
                "views itself."
            ) from None
        if run.asked:
            judge_forward(run, t, images, generator, chance)
        if "at least one" in str(error) or "non-empty" in str(error):  # of no gradients
            if any(p.grad is not None for p in run.student.parameters()):
                raise Wrong(
                    "clip_gradients was given parameters none of which has a gradient. The "
                    "student's trained ones are run.parameters; the teacher has no gradients."
                ) from None
            raise Wrong(CLEARED if "backward" in run.events else NO_BACKWARD) from None
        raise
    undisturbed = global_chance == chance_state()
    judge_forward(run, t, images, generator, chance)
    truth = Truth(run, t)
    judge_gradients(run, t, truth)
    judge_teacher(run, t)
    expect(
        run.now != t,
        "The step is not counted: run.now is as it was, so every step reads the schedules' first "
        "value, and a warm-up never ends. End with run.now += 1.",
    )
    expect(run.now == t + 1, f"run.now went from {t} to {run.now}. A step counts once.")
    judge_kind(got)
    expect(
        not any(m.training for m in run.teacher.modules()),
        "The teacher is left in train mode. It stays in eval mode, after the step as well.",
    )
    expect(
        undisturbed,
        "Your step seeds the global random state or draws from it. Nothing in it needs chance but "
        "the crops, and these have the generator.",
    )
    return tuple(got), run.criterion.center.clone(), truth


def same_views(inputs: list[Tensor], views: Iterable[Tensor]) -> bool:
    """The same images in the same order, however they were cut into batches."""
    views = [v for v in views if len(v)]
    sizes = [v.shape[-1] for v in views]
    got = {s: [x for x in inputs if x.shape[-1] == s] for s in sizes}
    if sum(map(len, got.values())) != len(inputs) or not all(got.values()):
        return False
    joined = [torch.cat(got[s]) for s in sizes]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(joined, views, strict=True))


def judge_forward(
    run: Witness, t: int, images: Tensor, generator: torch.Generator, fresh: Tensor
) -> None:
    """Who saw what, and what the loss was given."""
    n = len(run.drawn)
    expect(n > 0, "No views were cut. views = run.crops(images, generator) starts the step.")
    expect(
        n == 1,
        f"You cut views {n} times in one step, so student and teacher are shown different crops, "
        "as with two loaders shuffled apart. Call run.crops once: view 0 is view 0 for both.",
    )
    (given, chance, state), views = run.draws[0], run.drawn[0]
    expect(given.shape == images.shape and torch.equal(given, images), "Give run.crops the images.")
    expect(
        chance is generator,
        "You cut the views without the generator. With it the step's crops follow from its number, "
        "and a resumed run cuts the same: run.crops(images, generator).",
    )
    expect(
        torch.equal(state, fresh),
        "You seed the generator anew, or draw from it before. It comes as it is to be used: "
        "run.crops(images, generator).",
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
        not run.moved["teacher"],
        "The teacher moved before it was asked for its logits. update_teacher ends the step, after "
        "the optimizer: this step's target comes from the teacher that the step before left.",
    )
    expect(not run.moved["student"], "The student moved before it was asked for its logits.")
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
    mistakes = other_steps(values, t, name)
    expect_close(got, values[t], mistakes | others, what=f"The {name}", tolerance=1e-6)


def other_steps(values: list[float], t: int, name: str) -> dict[str, float]:
    """What a schedule looked up at another step would give."""
    at, per = (
        f"The {name} at step {t} is",
        "A schedule has one value per *iteration*: index it with",
    )
    return {
        f"{at} the one of the epoch's number. {per} run.now, not with the epoch.": (
            values[t // STEPS_PER_EPOCH]
        ),
        f"{at} still the one of step 0. Look it up in every step.": values[0],
        f"{at} the one of the epoch's first step. {per} run.now.": (
            values[t // STEPS_PER_EPOCH * STEPS_PER_EPOCH]
        ),
        f"{at} the one of the step's number within its epoch. {per} run.now.": (
            values[t % STEPS_PER_EPOCH]
        ),
        f"{at} the one of the step before. Set it before the optimizer steps, not after.": (
            values[t - 1]
        ),
        f"{at} the one of the next step. Steps count from 0; add 1 to run.now at the very end.": (
            values[t + 1]
        ),
        f"{at} the last of its schedule. Look it up with run.now.": values[-1],
    }


def shortened(gradients: Iterable[Tensor], max_norm: float) -> Tensor:
    """Each scaled down to ``max_norm`` on its own, in one line."""
    return flat(g * min(1.0, max_norm / g.norm().item()) for g in gradients)


def judge_logits(run: Witness, truth: Truth) -> None:
    """What the criterion was given, row by row."""
    given, logits, _ = run.asked[0]
    true, n = truth.student_logits, 2 * SMALL.batch_size
    expect(
        not close(given, torch.cat([true[n:], true[:n]]), 1e-3),
        "The student's logits are in another order than the criterion expects: those of the "
        "global views come first, run.student(*views).",
    )
    expect(
        close(given, true, 1e-3),
        "The criterion was not given the student's logits of all views as they come, image by "
        "image, the views one after the other: run.student(*views).",
    )
    expect(
        close(logits, truth.teacher_logits, 1e-3),
        "The criterion was not given the teacher's raw logits, run.teacher(views[0]), as they "
        "come: not centred, not divided, not made into targets.",
    )


def judge_gradients(run: Witness, t: int, truth: Truth) -> None:
    """What the optimizer found when it stepped."""
    judge_logits(run, truth)
    steps = run.events.count("optimizer")
    expect(steps > 0, "run.optimizer.step() was never called; the student does not move.")
    expect(steps == 1, f"run.optimizer.step() was called {steps} times in one step.")
    early = run.events[: run.events.index("optimizer")]
    body = [n for n in truth.gradients if "last_layer" not in n]
    got = [run.found[n] for n in body]
    true, limit = [truth.gradients[n] for n in body], SMALL.clip_grad
    if "backward" not in early and all(g is None for g in got):
        raise Wrong(STEP_FIRST if "backward" in run.events else NO_BACKWARD)
    right = all(g is not None for g in got) and close(
        flat(got), shortened(true, limit), 1e-3
    )  # by hand, it may be
    if "backward" not in early and not right:
        left = [run.left_over[n] for n in body]
        stale = all(
            o is not None and g is not None and torch.equal(g, o)
            for g, o in zip(got, left, strict=True)
        )
        if stale or "backward" in run.events:
            raise Wrong(STEP_FIRST if "backward" in run.events else NO_BACKWARD)
    expect(not all(g is None or not g.any() for g in got), CLEARED)
    expect(
        all(g is not None for g in got),
        "Some parameters below the last layer have no gradient when the optimizer steps. Only "
        "those of run.student.head.last_layer are dropped.",
    )
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
    some_of(body, got, true, sums, limit, accumulated)
    expect_close(
        flat(got),
        shortened(true, limit),
        {
            accumulated: shortened(sums, limit),
            "The gradients are not clipped when the optimizer steps. clip_gradients stands between "
            "loss.backward() and run.optimizer.step().": flat(true),
            f"{accumulated} ": flat(sums),
            **{
                f"The gradients are clipped to length {c}. The limit is run.config.clip_grad, here "
                f"{limit}.": shortened(true, c)
                for c in (1.0, 3.0)
            },
            together: flat(true) * min(1.0, limit / total),
            f"{together} ": flat(true) * min(1.0, limit / flat(true).norm().item()),
        },
        what=f"At step {t} the row of gradients that the optimizer found",
        tolerance=1e-3,
    )
    judge_settings(run, t)
    judge_last_layer(run, t, truth)


def some_of(
    body: list[str], got: list, true: list, sums: list, limit: float, accumulated: str
) -> None:
    """Gradients some of which are right, and the others all wrong in one way."""

    def like(wrong: list[Tensor], max_norm: float) -> list[bool]:
        return [close(flat([g]), shortened([w], max_norm), 1e-3)
                for g, w in zip(got, wrong, strict=True)]  # fmt: skip

    right = like(true, limit)
    names = ", ".join([n for n, r in zip(body, right, strict=True) if not r][:3])
    if all(right) or sum(right) < 2:
        return
    for words, wrong, max_norm in (
        # First: in a run's first step the sums are the gradients themselves.
        (f"Some gradients are not clipped: {names}. All of run.parameters are.", true, math.inf),
        (f"{accumulated} (Of {names}.)", sums, limit),
        (f"{accumulated} (Of {names}.)", sums, math.inf),
    ):
        same = like(wrong, max_norm)
        expect(
            not all(r or s for r, s in zip(right, same, strict=True)) or all(same),
            words,
        )


def judge_settings(run: Witness, t: int) -> None:
    (lr, decay), (plain_lr, plain_decay) = run.settings
    rate, pull = run.schedules.lr[t], run.schedules.weight_decay[t]
    expect(
        not (lr == 1e-3 and abs(plain_lr - rate) < 1e-9),
        "Only the second group has this step's learning rate. What decays learns as well: set it "
        "in both groups.",
    )
    expect(
        not (decay == 1e-2 and abs(plain_decay - pull) < 1e-9),
        "This step's weight decay is in the second group, and biases and norms decay. It goes into "
        "the first alone.",
    )
    expect(
        not (abs(lr - pull) < 1e-9 and abs(decay - rate) < 1e-9),
        "Learning rate and weight decay are exchanged.",
    )
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
    if t < SMALL.freeze_last_layer_epochs * STEPS_PER_EPOCH:
        still = torch.equal(layer.weight_v, run.last_before)
        expect(
            still or found is None or found.any(),
            "You set the last layer's gradients to zero; AdamW still applies weight decay to it. "
            "Set them to None and the optimizer passes it by.",
        )
        told = (
            "Drop its gradients (p.grad = None) before the optimizer steps, while run.now is below "
            "config.freeze_last_layer_epochs * run.steps_per_epoch, here "
            f"{SMALL.freeze_last_layer_epochs} * {STEPS_PER_EPOCH}."
        )
        expect(
            still or t < STEPS_PER_EPOCH,
            f"The last layer moved at step {t}. It stood still in the first epoch, and should for "
            f"{SMALL.freeze_last_layer_epochs}: is one epoch written in? {told}",
        )
        expect(
            still or t != SMALL.freeze_last_layer_epochs,
            f"The last layer moved at step {t}, in the first epoch: is run.now, which counts "
            f"steps, compared with a number of epochs? {told}",
        )
        expect(still, f"The last layer moved at step {t}, in the first epoch. {told}")
        return
    expect(
        layer.weight_v.requires_grad,
        "You froze the last layer by requires_grad False, and for ever: it never learns, also "
        "after the first epochs. Drop its gradients in the steps of these epochs instead.",
    )
    expect(
        found is not None and found.any(),
        f"The last layer stands still at step {t}, which is past the first epochs. Its gradients "
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

    # A part that stands still is named if all the rest is right.
    still, right = [], True
    for (name, p), was, due in zip(
        run.teacher.named_parameters(), run.split(old), run.split(average(schedule[t])), strict=True
    ):
        now = p.detach().double().flatten()
        if close(now, due):
            continue
        still.append(name)
        right = right and torch.equal(now, was)
    expect(
        not (still and right) or torch.equal(flat(run.teacher.parameters()), old),
        f"A part of the teacher did not move: {', '.join(still[:3])}. "
        "update_teacher(run.teacher, run.student, momentum) goes over all of it.",
    )
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
            **{
                words: average(m)
                for words, m in other_steps(schedule, t, "teacher's momentum").items()
            },
            **{
                f"The momentum is {m}, a constant. It rises to 1: "
                "run.schedules.teacher_momentum[run.now].": average(m)
                for m in (0.9, 0.99, 0.995, 0.996, 0.999, 0.9995)
            },
            "The momentum is config.teacher_momentum, a constant. It rises to 1: "
            "run.schedules.teacher_momentum[run.now].": average(SMALL.teacher_momentum),
        },
        what=f"The teacher after step {t}",
    )


def judge_kind(got: object) -> None:
    """Two scalar tensors without a graph."""
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "Return two scalars: the loss, and the entropy of the teacher's targets.",
    )
    for value in got:
        expect(
            not isinstance(value, float | int),
            "Return tensors and not numbers: .item() in every step makes the host wait for the "
            "device. Return loss.detach().",
        )
        expect(
            not (isinstance(value, Tensor) and value.requires_grad),
            "What you return still holds the graph of the whole step: kept in a list for a plot it "
            "fills the memory. Return loss.detach().",
        )


def _h(q: Tensor) -> Tensor:
    return torch.special.entr(q).sum(-1)


def _entropy(of: Callable[[Truth], Tensor]) -> Callable[[Truth], tuple]:
    return lambda x: (x.loss, of(x))


def _loss(of: Callable[[Truth], float]) -> Callable[[Truth], tuple]:
    return lambda x: (of(x), _h(x.q).mean())


PAIRS = 2 * (2 + SMALL.n_local) - 2
REPORTS = {
    "You returned the two in the other order. First the loss, then the entropy.": lambda x: (
        _h(x.q).mean(),
        x.loss,
    ),
    "The loss that you return is KL, or the loss less the entropy. Return the loss itself.": _loss(
        lambda x: x.loss - _h(x.q).mean()
    ),
    "The loss that you return has the entropy added. The loss is H + KL already.": _loss(
        lambda x: x.loss + _h(x.q).mean()
    ),
    "The loss that you return is multiplied by the number of images. It is a mean.": _loss(
        lambda x: x.loss * SMALL.batch_size
    ),
    "The loss that you return is multiplied by the number of pairs. It is a mean.": _loss(
        lambda x: x.loss * PAIRS
    ),
    "The loss that you return is multiplied by the number of views. It is a mean.": _loss(
        lambda x: x.loss * (2 + SMALL.n_local)
    ),
    "The loss that you return is divided by the number of images. It is a mean already.": _loss(
        lambda x: x.loss / SMALL.batch_size
    ),
    "The loss that you return is divided by ln K. It is asked for in nats.": _loss(
        lambda x: x.loss / math.log(SMALL.out_dim)
    ),
    "The entropy is of targets with the center of *after* this step: the criterion had moved it. "
    "Ask for run.criterion.targets before you call the criterion.": _entropy(
        lambda x: _h(x.target(x.center)).mean()
    ),
    "The entropy is of the student's distributions. H is the targets' own: the part of the loss "
    "that the student cannot lower.": _entropy(lambda x: _h(x.log_p.exp()).mean()),
    "The entropy is of the student's distributions of the global views. H is the targets' own.": (
        _entropy(lambda x: _h(x.log_p[:2].exp()).mean())
    ),
    "You returned KL. The second number is H, the entropy; KL is the loss less H.": _entropy(
        lambda x: x.loss - _h(x.q).mean()
    ),
    "You returned the loss twice. The second number is the entropy of the targets.": _entropy(
        lambda x: x.loss
    ),
    "The entropy is the sum over all rows. Return their mean.": _entropy(lambda x: _h(x.q).sum()),
    "You returned one entropy per row. Return their mean.": _entropy(lambda x: _h(x.q)),
    "The entropy is of the first row alone. Return the mean over the rows.": _entropy(
        lambda x: _h(x.q)[0]
    ),
    "The entropy is of the first global view alone. Return the mean over all rows.": _entropy(
        lambda x: _h(x.q)[: SMALL.batch_size].mean()
    ),
    "The entropy is of the second global view alone. Return the mean over all rows.": _entropy(
        lambda x: _h(x.q)[SMALL.batch_size :].mean()
    ),
    "The entropy is the median over the rows. Return their mean.": _entropy(
        lambda x: _h(x.q).median()
    ),
    "The entropy is the largest of the rows'. Return their mean.": _entropy(
        lambda x: _h(x.q).max()
    ),
    "This is the entropy of the mean target (usage, 6.1). Return the mean of the targets' "
    "entropies.": _entropy(lambda x: _h(x.q.mean(0))),
    "The center is missing from the targets: run.criterion.targets subtracts it.": _entropy(
        lambda x: _h(x.target(0.0)).mean()
    ),
    "The entropy is of the student's scores, made into targets. Give run.criterion.targets the "
    "teacher's logits.": _entropy(lambda x: _h(x.target(x.old_center, x.student_logits)).mean()),
    "The entropy is of the softmax of the teacher's raw scores. The targets are centred and "
    "sharpened: run.criterion.targets(teacher_logits, temp).": _entropy(
        lambda x: _h(x.teacher_logits.softmax(-1)).mean()
    ),
    "The entropy is of targets at the student's temperature. Give run.criterion.targets this "
    "step's teacher temperature.": _entropy(
        lambda x: _h(x.target(x.old_center, temp=SMALL.student_temp)).mean()
    ),
    "The entropy is of targets at the temperature of the config. Give run.criterion.targets this "
    "step's.": _entropy(lambda x: _h(x.target(x.old_center, temp=SMALL.teacher_temp)).mean()),
    "The entropy is of targets without a temperature. Give run.criterion.targets this step's.": (
        _entropy(lambda x: _h(x.target(x.old_center, temp=1.0)).mean())
    ),
    "The entropy is of targets to which a second softmax was applied. run.criterion.targets gives "
    "probabilities.": _entropy(lambda x: _h(x.q.softmax(-1)).mean()),
    "You took the entropy of the teacher's and the student's distributions together. H is the "
    "targets' own.": _entropy(
        lambda x: torch.cat([_h(x.q), _h(x.log_p.exp()).flatten()]).mean()
    ),
    "The second number is the cross-entropy of the targets with themselves at the wrong place: the "
    "mean of -log q, not weighted by q.": _entropy(lambda x: -x.q.log().mean()),
} | {
    message: _entropy(lambda x, h=h: h(x.q).mean())
    for message, h in ENTROPY.items()
    if not message.startswith(("You returned", "The entropy is summed", "The sum over"))
}  # fmt: skip
CENTERS = {
    "The center did not move: the criterion was in eval mode.": lambda x: x.old_center,
    "The center moved twice in a step. The criterion moves it when it is called, and nobody else "
    "need: leave it alone.": lambda x: 0.9 * x.center + 0.1 * x.mean,
    "The center is not the criterion's: you moved it from this step's mean alone.": lambda x: (
        x.mean
    ),
}


def judge_reports(steps: list[tuple[tuple, Tensor, Truth]]) -> None:
    """What the steps returned, and the center after them."""
    cases = [(i,) for i in range(len(steps))]
    truths = [truth for *_, truth in steps]

    def of(rule: Callable[[Truth], Any]) -> Callable[[int], Any]:
        return lambda i: rule(truths[i])

    compare(
        lambda i: steps[i][0],
        cases,
        of(_entropy(lambda x: _h(x.q).mean())),
        {message: of(rule) for message, rule in REPORTS.items()},
        what="The pair (loss, entropy) that you return",
        tolerance=1e-3,
    )
    compare(
        lambda i: steps[i][1],
        cases,
        of(lambda x: x.center),
        {message: of(rule) for message, rule in CENTERS.items()},
        what="The center after the step",
        tolerance=1e-3,
    )
