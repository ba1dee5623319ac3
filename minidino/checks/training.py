"""Checks of notebook 07: parameter groups, clipping, the whole step, resuming, batch order."""

import copy
import inspect
import io
import random
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from minidino.checks.core import Wrong, call, check, close, expect, expect_close, expect_tensor
from minidino.config import recipe
from minidino.trainer import Network, Schedules, Trainer

CPU = torch.device("cpu")
SMALL = recipe(
    "things",
    image_size=16,
    eval_size=16,
    patch_size=4,
    global_size=12,
    local_size=8,
    n_local=2,
    embed_dim=8,
    depth=1,
    num_heads=2,
    drop_path_rate=0.0,
    out_dim=5,
    hidden_dim=8,
    bottleneck_dim=4,
    batch_size=3,
    epochs=3,
    warmup_epochs=1,
    freeze_last_layer_epochs=1,
)
STEPS_PER_EPOCH = 3


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All their numbers, one after the other, as they are now."""
    return torch.cat([t.detach().double().flatten() for t in tensors])


def some_images() -> Tensor:
    size = (SMALL.batch_size, 3, SMALL.image_size, SMALL.image_size)
    return torch.randint(256, size, dtype=torch.uint8)


# ---------------------------------------------------------------- 7.1

DECAY = 0.5


def decay_of(answer: Callable, model: nn.Module) -> dict[str, float]:
    """Which decay AdamW gives each parameter; a parameter that it does not hold is missing."""
    asked = {n: p.requires_grad for n, p in model.named_parameters()}
    groups = call(answer, model)
    expect(
        isinstance(groups, list | tuple) and all(isinstance(g, dict) for g in groups),
        "Return a list of dicts, one for each group: an optimizer takes "
        '[{"params": [...]}, {"params": [...], "weight_decay": 0.0}].',
    )
    for group in groups:
        listed = list(group.get("params", ()))
        bare = [p[1] if isinstance(p, tuple) else p for p in listed]  # AdamW takes (name, p) too
        expect(
            all(isinstance(p, nn.Parameter) for p in bare),
            'A group\'s "params" holds something else than parameters. Take the parameter itself, '
            "not its name or its .data.",
        )
        expect(
            len({id(p) for p in bare}) == len(bare),
            "A parameter stands more than once in a group. model.parameters() already goes through "
            "all modules inside the model; a loop over model.modules() around it is one too many.",
        )
        group["params"] = listed  # a generator is used up by now
    try:
        optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=DECAY)
    except ValueError as error:
        if "more than one" not in str(error):
            raise
        raise Wrong(
            "A parameter stands in both groups. Each belongs to exactly one, or it would be moved "
            "twice in every step."
        ) from None
    expect(
        all(p.requires_grad == asked[n] for n, p in model.named_parameters()),
        "You changed which parameters are trained (requires_grad). Only sort them.",
    )
    found = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    expect(
        len(optimizer.param_groups) == 2,
        f"There should be two groups, yours are {len(optimizer.param_groups)}: what decays, and "
        "what does not.",
    )
    return {n: found[id(p)] for n, p in model.named_parameters() if id(p) in found}


@check("7.1", "who decays")
def check_7_1(parameter_groups):
    # By hand: a linear layer and a norm in a row; nothing here is named "norm".
    judge_decay(parameter_groups, nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)))
    network = Network(SMALL)
    judge_decay(parameter_groups, network)
    network.backbone.patch_embed.requires_grad_(False)  # somebody fine-tunes the rest
    judge_decay(parameter_groups, network)


def judge_decay(answer: Callable, model: nn.Module) -> None:
    parameters = dict(model.named_parameters())
    got = decay_of(answer, model)
    frozen = [n for n in got if not parameters[n].requires_grad]
    expect(
        not frozen,
        f"You gave the optimizer frozen parameters: {', '.join(frozen[:3])}. What has "
        "requires_grad False is not trained, as the prototypes' gain weight_g: leave it out.",
    )
    trained = {n: p for n, p in parameters.items() if p.requires_grad}
    decays = {n: n in got and got[n] > 0 for n in trained}
    flat_ones = [n for n, p in trained.items() if p.ndim <= 1]
    biases = [n for n in flat_ones if n.endswith("bias")]
    norms = [n for n in flat_ones if n not in biases]
    full = [n for n in trained if n not in flat_ones]
    missing = [n for n in trained if n not in got]
    embeddings = [n for n in missing if n.endswith(("cls_token", "pos_embed"))]
    expect(
        not missing or len(embeddings) < len(missing),
        "cls_token and pos_embed are in neither group, so they are never trained. They are learned "
        "like every other weight, and they do decay.",
    )
    expect(
        not missing,
        f"{len(missing)} trained parameters are in neither group and would never move: "
        f"{', '.join(missing[:3])}.",
    )
    expect(
        any(decays[n] == (n in full) for n in trained),
        "It is the wrong way round: your biases and norms decay and your matrices do not. Decay "
        "holds the large weights down, those of two and more dimensions.",
    )
    expect(
        not all(decays[n] for n in flat_ones),
        "Weight decay is applied to norms and biases. They shift and scale, and there is nothing "
        "to hold down; give what has one dimension a group of its own, and in that group say "
        '"weight_decay": 0.0, or it takes the optimizer\'s.',
    )
    expect(
        not any(decays[n] for n in norms),
        "Weight decay is applied to the norms' weights. They are 1-d and start at 1, and decay "
        "would pull them to 0. Go by the number of dimensions, not by name: a norm may be called "
        "anything.",
    )
    expect(
        not any(decays[n] for n in biases),
        "Weight decay is applied to the biases. Not only the norms: all that has one dimension is "
        "left alone.",
    )
    spared = [n for n in full if not decays[n]]
    expect(
        not any(parameters[n].ndim == 4 for n in spared),
        "Only your matrices decay. The patch embedding's kernel has four dimensions, cls_token and "
        "pos_embed have three, and they decay too: all with more than one dimension.",
    )
    expect(
        not any(n.endswith(("cls_token", "pos_embed")) for n in spared),
        "There is no decay on cls_token or pos_embed. Many codes spare them, but DINO's rule goes "
        "by the number of dimensions, and they have three: they do get it.",
    )
    expect(not spared, f"These do not decay, and should: {', '.join(spared[:3])}.")
    first = torch.optim.AdamW(call(answer, model), lr=0.1, weight_decay=DECAY).param_groups[0]
    expect(
        first["weight_decay"] > 0,
        "The groups are in the other order. First what decays, then what does not: the weight "
        "decay's schedule writes into the first.",
    )


# ---------------------------------------------------------------- 7.2


def with_gradients(gradients: list[Tensor | None]) -> list[nn.Parameter]:
    parameters = []
    for i, g in enumerate(gradients):
        p = nn.Parameter(torch.full((2,) if g is None else g.shape, 7.0 + i))
        p.grad = None if g is None else g.clone()
        parameters.append(p)
    return parameters


def clip(answer: Callable, gradients: list[Tensor | None], max_norm: float) -> list[Tensor | None]:
    """What the answer makes of these gradients."""
    parameters = with_gradients(gradients)
    before = [p.detach().clone() for p in parameters]
    try:
        answer(parameters, max_norm)
    except (AttributeError, TypeError) as error:
        if "NoneType" not in str(error) or all(g is not None for g in gradients):
            raise
        raise Wrong(
            "Your function fails where a parameter has no gradient: p.grad is None for a frozen "
            "one. Pass those by."
        ) from None
    expect(
        all(torch.equal(p, b) for p, b in zip(parameters, before, strict=True)),
        "You clipped the weights. What is too long is the gradient, p.grad; the weights change "
        "only when the optimizer steps.",
    )
    expect(
        all((p.grad is None) == (g is None) for p, g in zip(parameters, gradients, strict=True)),
        "A parameter that had no gradient has one now, or the other way round. Only scale what is "
        "there.",
    )
    return [p.grad for p in parameters]


@check("7.2", "clipping, each on its own")
def check_7_2(clip_gradients):
    # By hand: the first has length 10 and becomes 5; the second has length 1 and stays.
    gradients = [torch.tensor([6.0, 8.0]), torch.tensor([0.6, 0.8])]
    judge_clipping(clip_gradients, gradients, 5.0)
    several = [torch.randn(4, 3), 30 * torch.randn(2, 5), 0.1 * torch.randn(6), 5 * torch.randn(7)]
    judge_clipping(clip_gradients, several, 3.0)
    judge_clipping(clip_gradients, [several[0], None, *several[1:]], 0.7)
    (zero,) = clip(clip_gradients, [torch.zeros(3)], 3.0)
    expect(
        not zero.isnan().any(),
        "A gradient of zeros becomes nan: 0 * (3 / 0). Scale only where the norm is above "
        "max_norm, or add 1e-6 to the norm that you divide by.",
    )
    expect_close(zero, torch.zeros(3), what="A gradient of zeros, clipped")


def judge_clipping(answer: Callable, given: list[Tensor | None], max_norm: float) -> None:
    got = flat(g for g in clip(answer, given, max_norm) if g is not None)
    gradients = [g.double() for g in given if g is not None]
    lengths = [g.pow(2).sum().sqrt() for g in gradients]

    def scaled(measures: Iterable[Tensor], shrink_only: bool = True) -> Tensor:
        factors = [max_norm / m for m in measures]
        factors = [torch.clamp(f, max=1.0) if shrink_only else f for f in factors]
        return flat(g * f for g, f in zip(gradients, factors, strict=True))

    total = flat(gradients).pow(2).sum().sqrt()
    largest = torch.stack(lengths).max()
    n = len(gradients)
    first_none = next((i for i, g in enumerate(given) if g is None), n)
    mistakes = {
        "The gradients are as they were. Write into p.grad: p.grad.mul_(factor), or p.grad = "
        "p.grad * factor; a new name for the product changes nothing.": flat(gradients),
        "You clipped by the global norm, that of all gradients together, and the short ones were "
        "shrunk too. Here it is per tensor: each gradient has a norm of its own.": scaled(
            [total] * n
        ),
        "You scaled all gradients by the longest one's norm. Each has a norm of its own.": scaled(
            [largest] * n
        ),
        "You scaled small gradients up: every one now has length max_norm. Clipping only ever "
        "shrinks; a factor above 1 becomes 1.": scaled(lengths, shrink_only=False),
        "You cut each number off at max_norm. That changes where the gradient points; scale the "
        "whole tensor by one factor.": flat(g.clamp(-max_norm, max_norm) for g in gradients),
        "You divided by the squared norm. The root is missing: the norm is the root of the sum of "
        "squares.": scaled([x**2 for x in lengths]),
        "Your norm is the root of the *mean* of squares. The norm is the root of the sum; it does "
        "not know how many numbers there are.": scaled([g.pow(2).mean().sqrt() for g in gradients]),
        "Your norm is the sum of absolute values. DINO clips by the Euclidean one: the root of the "
        "sum of squares.": scaled([g.abs().sum() for g in gradients]),
        "Your norm is the largest absolute value. DINO clips by the Euclidean one: the root of the "
        "sum of squares.": scaled([g.abs().max() for g in gradients]),
        "You normalised the long gradients to length 1. They keep length max_norm: the factor is "
        "max_norm / norm.": flat(
            g / x if x > max_norm else g for g, x in zip(gradients, lengths, strict=True)
        ),
        "You clipped row by row. A tensor's gradient has one norm, over all its dimensions.": flat(
            g * (max_norm / g.norm(dim=-1, keepdim=True)).clamp(max=1.0) for g in gradients
        ),
        "Your factor is upside down: it is max_norm / norm, below 1 where the norm is above "
        "max_norm.": flat(
            g * x / max_norm if x > max_norm else g for g, x in zip(gradients, lengths, strict=True)
        ),
        "Your factor is upside down: norm / max_norm shrinks the short gradients and leaves the "
        "long ones. It is max_norm / norm, and never above 1.": flat(
            g * min(1.0, x / max_norm) for g, x in zip(gradients, lengths, strict=True)
        ),
        "You clip to 3 whatever max_norm is. Use the argument.": flat(
            g * min(1.0, 3.0 / x) for g, x in zip(gradients, lengths, strict=True)
        ),
        "You stopped at the first parameter without a gradient: return and break leave the loop. "
        "Pass it by, with continue or an if.": flat(
            g * min(1.0, max_norm / x) if i < first_none else g
            for i, (g, x) in enumerate(zip(gradients, lengths, strict=True))
        ),
        "You set long gradients to zero. They are shortened to max_norm and keep their "
        "direction.": flat(
            g * 0 if x > max_norm else g for g, x in zip(gradients, lengths, strict=True)
        ),
    }
    expect_close(got, scaled(lengths), mistakes, what="The clipped gradients, in one line")


# ---------------------------------------------------------------- 7.3

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


class Witness(Trainer):
    """A small Trainer that writes down what is done with its parts."""

    def __init__(self, now: int):
        super().__init__(SMALL, STEPS_PER_EPOCH, CPU)
        # Weights and a center as of a run under way, so that each term matters.
        for network in (self.student, self.teacher):
            with torch.no_grad():
                for p in network.parameters():
                    if p.ndim > 1 and p.requires_grad == (network is self.student):
                        p.copy_(0.5 * torch.randn_like(p))
        self.student.head.last_layer.weight_g.requires_grad_(False).fill_(1.0)
        self.teacher.head.last_layer.weight_g.fill_(1.0)
        self.teacher.requires_grad_(True)  # nobody but no_grad keeps gradients out
        self.criterion.center.copy_(0.2 * torch.randn(1, SMALL.out_dim))
        self.now = now
        values = torch.arange(9) / 9
        self.schedules = Schedules(
            lr=(0.01 + 0.1 * values).tolist(),
            weight_decay=(0.1 + 0.4 * values).tolist(),
            teacher_momentum=(0.3 + 0.6 * values).tolist(),
            teacher_temp=(0.15 + 0.2 * values).tolist(),
        )
        render = self.crops
        self.crops = lambda *args, **kwargs: self._cut(render, *args, **kwargs)
        for who in ("student", "teacher"):
            getattr(self, who).backbone.register_forward_hook(self._hear(who))
        self.criterion.register_forward_pre_hook(self._ask, with_kwargs=True)
        self.student.head.mlp[0].weight.register_post_accumulate_grad_hook(
            lambda _: self.events.append("backward")
        )
        self.optimizer.register_step_pre_hook(self._before_step)
        self.optimizer.register_step_post_hook(self._after_step)

    def start(self) -> None:
        """Begin a new step's notes."""
        self.events: list[str] = []
        self.drawn: list[tuple[Tensor, ...]] = []
        self.draws: list[tuple] = []
        self.inputs: dict[str, list[Tensor]] = {"student": [], "teacher": []}
        self.modes: dict[str, list[bool]] = {"student": [], "teacher": []}
        self.asked: list[tuple[Tensor, Tensor, float]] = []
        self.found: dict[str, Tensor | None] = {}
        self.settings: list[tuple[float, float]] = []
        self.stepped: Tensor | None = None
        self.state = copy.deepcopy(
            {n: getattr(self, n).state_dict() for n in ("student", "teacher", "criterion")}
        )
        self.before = flat(self.student.parameters())
        self.teacher_before = flat(self.teacher.parameters())
        self.last_before = self.student.head.last_layer.weight_v.detach().clone()
        self.left_over = {
            n: None if p.grad is None else p.grad.clone()
            for n, p in self.student.named_parameters()
        }

    def step(self, images: Tensor) -> dict[str, Tensor]:
        raise Wrong("run.step is the package's own answer to this exercise. Write out its lines.")

    def _cut(self, render: Callable, images: Tensor, generator=None) -> tuple[Tensor, Tensor]:
        self.draws.append((images, generator))
        self.drawn.append(render(images, generator))
        return tuple(v.clone() for v in self.drawn[-1])

    def _hear(self, who: str) -> Callable:
        def hook(module: nn.Module, args: tuple, _) -> None:
            self.inputs[who].append(args[0].detach().clone())
            self.modes[who].append(module.training)

        return hook

    def _ask(self, criterion: nn.Module, args: tuple, kwargs: dict) -> None:
        said = inspect.signature(criterion.forward).bind(*args, **kwargs).arguments
        self.asked.append(
            (said["student_logits"], said["teacher_logits"], float(said["teacher_temp"]))
        )

    def _before_step(self, optimizer: torch.optim.Optimizer, *_) -> None:
        self.events.append("optimizer")
        self.found = {
            n: None if p.grad is None else p.grad.clone()
            for n, p in self.student.named_parameters()
        }
        self.settings = [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups]

    def _after_step(self, *_) -> None:
        self.stepped = flat(self.student.parameters())


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


class Truth:
    """A step's loss, its parts and the true gradients, computed apart in float64."""

    def __init__(self, run: Witness, t: int):
        student, teacher = Network(SMALL).double(), Network(SMALL).double()
        student.load_state_dict(run.state["student"])
        teacher.load_state_dict(run.state["teacher"])
        center = run.state["criterion"]["center"].double()
        global_views, local_views = (v.double() for v in run.drawn[0])
        b, temp = SMALL.batch_size, run.schedules.teacher_temp[t]
        self.teacher_logits = teacher(global_views).detach()
        student_logits = student(global_views, local_views)
        self.student_logits = student_logits.detach()
        self.center = 0.9 * center + 0.1 * self.teacher_logits.mean(0, keepdim=True)
        self.old_center, self.temp = center, temp
        q = self.target(center).view(2, b, -1)
        log_p = (student_logits / SMALL.student_temp).log_softmax(-1)
        log_p = log_p.view(2 + SMALL.n_local, b, -1)
        pairs = [(i, j) for i in range(2) for j in range(len(log_p)) if i != j]
        self.log_p = log_p.detach()
        self.loss = -sum((q[i] * log_p[j]).sum(-1).mean() for i, j in pairs) / len(pairs)
        trained = {n: p for n, p in student.named_parameters() if p.requires_grad}
        gradients = torch.autograd.grad(self.loss, list(trained.values()))
        self.gradients = dict(zip(trained, gradients, strict=True))
        self.loss = self.loss.item()

    def target(self, center: Tensor | float, logits: Tensor | None = None) -> Tensor:
        logits = self.teacher_logits if logits is None else logits
        return ((logits - center) / self.temp).softmax(-1)


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


# ---------------------------------------------------------------- 7.4

PARTS = ("student", "teacher", "criterion", "optimizer")


@check("7.4", "what a checkpoint holds")
def check_7_4(what_to_save, restore):
    images = [some_images() for _ in range(6)]
    whole, run = (Trainer(SMALL, STEPS_PER_EPOCH, CPU) for _ in range(2))
    losses = [whole.step(x)["loss"] for x in images]
    # Stopped in the middle of an epoch: step and epoch are told apart.
    for x in images[:4]:
        run.step(x)
    state = through_a_file(call(what_to_save, run), run)
    resumed = Trainer(SMALL, STEPS_PER_EPOCH, CPU)
    fresh = copy.deepcopy({part: getattr(resumed, part).state_dict() for part in PARTS})
    for part, value in state.items():
        try:
            restore(resumed, {part: value})
        except (RuntimeError, TypeError, KeyError, ValueError, AttributeError) as error:
            said = " ".join(str(error).split())[:160]
            raise Wrong(
                f"What you saved as {part!r} does not fit the part that it is loaded into: {said} "
                f"... Save run.{part}.state_dict(): it holds parameters and buffers, all under "
                "their names."
            ) from None
    judge_restored(run, resumed, fresh)
    differs = (
        "The resumed run goes on differently from the run that never stopped: after 4 + 2 steps it "
        "is not, bit for bit, where 6 steps lead. What you restore beside the four parts and `now` "
        "disturbs them."
    )
    try:
        again = [resumed.step(x)["loss"] for x in images[4:]]
    except RuntimeError:
        raise Wrong(differs) from None
    expect(all(torch.equal(a, b) for a, b in zip(again, losses[4:], strict=True)), differs)
    for part in PARTS:
        expect(
            same(getattr(resumed, part).state_dict(), getattr(whole, part).state_dict()), differs
        )


def through_a_file(state: object, run: Trainer) -> dict:
    """The state as another process would read it."""
    expect(isinstance(state, dict), f"Return a dict; yours is a {type(state).__name__}.")
    for name, value in state.items():
        expect(
            isinstance(name, str) and hasattr(run, name),
            f"A run has no part called {name!r}. The keys are names of its attributes: student, "
            "teacher, criterion (which holds the center), optimizer, now. A random state need not "
            "be saved: every step is seeded by its number.",
        )
        expect(
            not (callable(getattr(run, name)) and not isinstance(getattr(run, name), nn.Module)),
            f"run.{name} is a method. What counts the steps is the attribute run.now.",
        )
        expect(
            not isinstance(value, nn.Module | torch.optim.Optimizer),
            f"You put the {name} itself into the file, an object with its code: it can be read "
            f"only where the code is still the same. Save what it holds, run.{name}.state_dict().",
        )
        expect(
            hasattr(getattr(run, name), "state_dict") or type(value) is type(getattr(run, name)),
            f"run.{name} is of type {type(getattr(run, name)).__name__}, and you save it as "
            f"{type(value).__name__}. What follows from the config need not be saved at all; a "
            "plain number, as run.now, is saved as it is.",
        )
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    try:
        return torch.load(file, weights_only=True)
    except Exception:  # an unpickler's refusal has no type of its own
        raise Wrong(
            "Your state holds more than tensors and plain values (numbers, strings, lists, dicts), "
            "so reading it would run code. Save state_dict()s and run.now; schedules and crops "
            "follow from the configuration."
        ) from None


def same(a: object, b: object) -> bool:
    """Equal to the last bit, containers and all."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def judge_restored(run: Trainer, resumed: Trainer, fresh: dict) -> None:
    """Each part of the resumed run is the stopped run's, or what it is instead is named."""
    want = {part: getattr(run, part).state_dict() for part in PARTS}
    got = {part: getattr(resumed, part).state_dict() for part in PARTS}
    expect(
        not same(got["student"], fresh["student"]),
        "The student is not in the checkpoint: the resumed run starts from random weights.",
    )
    expect(
        not same(got["student"], want["teacher"]),
        "The student was restored from the teacher. They are two networks by now; save each.",
    )
    expect(
        not same(got["teacher"], fresh["teacher"]),
        "You resume without the teacher: the student goes on, and is taught by random weights. The "
        "teacher is an average over all steps so far and cannot be computed again.",
    )
    expect(
        not same(got["teacher"], want["student"]),
        "You saved the student in the teacher's place. The teacher lags behind the student; save "
        "run.teacher.state_dict().",
    )
    expect(
        not same(got["criterion"], fresh["criterion"]),
        "You resume without the center: it starts at 0 again, and for some twenty steps no target "
        "is centred. It is a buffer of run.criterion; save run.criterion.state_dict().",
    )
    expect(
        got["optimizer"]["state"],
        "You resume without the optimizer's state: Adam's moments start at 0 again, and its first "
        "steps are as rough as those of a new run. Save run.optimizer.state_dict().",
    )
    expect(
        resumed.now != 0,
        "You resume without the step: the schedules restart, warm-up and all, and the same crops "
        "are cut again. Save run.now.",
    )
    epoch = run.now // STEPS_PER_EPOCH
    expect(
        resumed.now != epoch,
        f"You saved the epoch, {epoch}, as run.now. It counts steps: schedules and crops go by the "
        "step, and a run may stop within an epoch.",
    )
    expect(
        resumed.now == run.now,
        f"The run stopped after {run.now} steps and the resumed one believes in {resumed.now}. "
        "run.now is the number of steps taken, and so of the next one, counted from 0.",
    )
    for part in PARTS:
        expect(
            same(got[part], want[part]),
            f"The {part}'s state is not what it was, to the last bit. Save it as it is: not "
            "rounded to half precision, and not a part of it.",
        )


# ---------------------------------------------------------------- 7.5


@check("7.5", "every image once, in a new order")
def check_7_5(epoch_batches):
    def ask(n: int, batch_size: int, seed: int, epoch: int) -> Tensor:
        try:
            got = call(epoch_batches, n, batch_size, seed, epoch)
        except RuntimeError as error:
            if "invalid for input of size" not in str(error):
                raise
            raise Wrong(
                f"{n} images do not divide into batches of {batch_size}. Keep only the first "
                f"n // batch_size * batch_size = {n // batch_size * batch_size} of the "
                "permutation, then cut."
            ) from None
        expect(
            not isinstance(got, list | tuple),
            f"The result should be a tensor; yours is a {type(got).__name__}. Cut with .view(-1, "
            "batch_size), or torch.stack the batches.",
        )
        if isinstance(got, Tensor):
            expect(
                n % batch_size == 0 or got.shape != (n // batch_size + 1, batch_size),
                f"There is a batch too many: {n} images fill {n // batch_size} batches of "
                f"{batch_size}. What does not fill a last batch is dropped, not filled up with "
                "images that come twice.",
            )
            expect(
                got.ndim != 1,
                "You returned one line of indices. Cut it into batches: row i holds the indices of "
                "batch i.",
            )
            expect(
                got.shape != (batch_size, n // batch_size) or batch_size == n // batch_size,
                "Rows and columns are exchanged: row i holds the batch_size indices of batch i.",
            )
        expect_tensor(got, (n // batch_size, batch_size), "(batches, batch_size)")
        expect(
            got.dtype == torch.int64,
            f"The indices are {got.dtype}; an index is a whole number, torch.int64.",
        )
        expect(
            got.min() >= 0 and got.max() < n,
            f"Your indices run from {got.min()} to {got.max()}. {n} images are numbered from 0 to "
            f"{n - 1}.",
        )
        return got

    # By hand: four images in two batches can only be 0, 1, 2, 3 in some order.
    judge_cover(ask(4, 2, 0, 0), 4)
    first = ask(60, 5, 3, 0)
    judge_cover(first, 60)
    judge_shuffled(first, 5)
    judge_chance(ask, first)
    other = ask(60, 5, 3, 1)
    expect(
        not torch.equal(first, other),
        "The permutation is the same in every epoch: the same images meet in a batch for ever. "
        "Let the epoch take part in the seed.",
    )
    expect(
        not torch.equal(first.sort(dim=1).values, other.sort(dim=1).values)
        and {tuple(sorted(row)) for row in first.tolist()}
        != {tuple(sorted(row)) for row in other.tolist()},
        "The same images meet in a batch in every epoch; only the batches, or the places in them, "
        "change. Permute all images anew.",
    )
    expect(
        not torch.equal(first, ask(60, 5, 4, 0)) and not torch.equal(other, ask(60, 5, 4, 1)),
        "Another seed gives the same order, so runs that should differ by chance share it. Let the "
        "seed take part, also in epoch 0.",
    )
    expect(
        not torch.equal(other, ask(60, 5, 1, 3))
        and not torch.equal(ask(60, 5, 0, 1), ask(60, 5, 1, 0))
        and not torch.equal(ask(60, 5, 4, 2), ask(60, 5, 3, 3)),
        "Epoch e + 1 of one seed is epoch e of the next: you mixed seed and epoch by something "
        'like seed + epoch, and two runs share their orders. seed_of(seed, "order", epoch) gives '
        "unrelated ones.",
    )
    epochs = [ask(23, 4, 0, epoch) for epoch in range(40)]
    for epoch in epochs:
        judge_cover(epoch, 23)
    expect(
        len(torch.cat(epochs).unique()) == 23,
        "Some images are never seen: 23 do not divide into batches of 4, and you leave the same "
        "ones out in every epoch. Permute all n first, then drop what does not fill a batch.",
    )


def judge_cover(got: Tensor, n: int) -> None:
    """No image twice."""
    seen = got.flatten().bincount(minlength=n)
    repeated = int((seen > 1).sum())
    expect(
        not repeated,
        f"{repeated} of {n} images come more than once in an epoch, and others not at all: "
        "sampling with replacement. A permutation has each once: torch.randperm.",
    )


def judge_shuffled(got: Tensor, batch_size: int) -> None:
    n = got.numel()
    expect(
        not torch.equal(got.flatten(), torch.arange(n)),
        "The images come in the order they lie in, unshuffled. Neighbours in a file are often of "
        "one class.",
    )
    blocks = got.sort(dim=1).values
    expect(
        not (blocks == blocks[:, :1] + torch.arange(batch_size)).all(),
        "Every batch is a run of neighbours: you shuffled within batches, or whole batches. "
        "Permute the images, then cut.",
    )


def judge_chance(ask: Callable, first: Tensor) -> None:
    """The order follows from seed and epoch, and nothing else is disturbed."""

    def scatter(seed: int) -> None:
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        scatter(123)
        before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        again = ask(60, 5, 3, 0)
        after = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        scatter(321)
        third = ask(60, 5, 3, 0)
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])
    expect(
        torch.equal(first, again) and torch.equal(first, third),
        "The same seed and epoch give another order each time: it hangs on the global random "
        "state. A resumed run would see other images, and two loaders, of student and teacher, "
        "would be shuffled apart. Use a torch.Generator of your own.",
    )
    undisturbed = (
        torch.equal(before[0], after[0])
        and np.array_equal(before[1], after[1])
        and before[2] == after[2]
    )
    expect(
        undisturbed,
        "You seed the global random state, so everything else that is random (drop path) begins "
        "anew with every epoch. Use a torch.Generator of your own: "
        "torch.Generator().manual_seed(...).",
    )
