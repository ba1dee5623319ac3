"""Checks of notebook 05: the moving average, half-lives, schedules, who learns, one step."""

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from minidino.checks.core import Wrong, call, check, close, expect, expect_close, expect_tensor
from minidino.head import DINOHead
from minidino.trainer import Schedules


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All their numbers, one after the other, as they are now."""
    return torch.cat([t.detach().double().flatten() for t in tensors])


# ---------------------------------------------------------------- 5.1


def small_network() -> nn.Module:
    """Parameters, and buffers of both kinds: running statistics and a counter."""
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    network(torch.randn(16, 3) + 2)
    return network


CONSTANTS = (0.996, 0.99, 0.9)


def constant_momentum(momentum: float) -> str:
    return (
        "The momentum you were given is not used; this is an average with the constant "
        f"{momentum}. It follows a schedule, from 0.996 to 1 in the paper."
    )


@check("5.1", "the moving average of the weights")
def check_5_1(ema_update):
    # By hand: 0.75 * 1 + 0.25 * 2 = 1.25.
    teacher, student = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(teacher.weight, 1.0)
    nn.init.constant_(student.weight, 2.0)
    teacher.requires_grad_(False)
    held = teacher.weight
    ema_update(teacher, student, 0.75)
    expect(
        teacher.weight is held,
        "You put a new parameter in the place of the teacher's. Write into the one that is there "
        "(copy_, mul_, lerp_): whoever holds the old one, such as a compiled graph or a saved "
        "reference, would go on with the old weights.",
    )
    expect(
        not teacher.weight.requires_grad,
        "The teacher's weights are now part of the student's graph, which grows with every step. "
        "Wrap the update in torch.no_grad(): it is bookkeeping, not something to differentiate.",
    )
    expect(
        student.weight.item() == 2.0,
        "You moved the student: student and teacher are reversed. The optimizer moves the "
        "student; the average is written into the teacher.",
    )
    expect_close(
        teacher.weight,
        torch.tensor([[1.25]]),
        {
            "Old and new are swapped: this gives the student three quarters. A momentum of 0.75 "
            "keeps three quarters of the *teacher*.": torch.tensor([[1.75]]),
            "You copied the student; the momentum is not used. The teacher moves a little: "
            "momentum * teacher + (1 - momentum) * student.": torch.tensor([[2.0]]),
            "The student is not weighted, so the two weights sum to more than 1 and the teacher "
            "grows with every step. It gets 1 - momentum.": torch.tensor([[2.75]]),
            "The old teacher is not weighted, so the two weights sum to more than 1 and the "
            "teacher grows with every step. It keeps the share momentum.": torch.tensor([[1.5]]),
            "The teacher did not move. `t = m * t + ...` only gives a name to a new tensor; "
            "write into the old one: t.copy_(...), t.mul_(...), t.lerp_(...).": torch.ones(1, 1),
        }
        | {constant_momentum(c): torch.tensor([[2 - c]]) for c in CONSTANTS},
        what="The teacher's weight after ema_update(1, 2, momentum 0.75)",
    )

    teacher, student = small_network().requires_grad_(False), small_network()
    student[1].num_batches_tracked.fill_(7)
    buffers = [b for b in teacher.buffers() if b.is_floating_point()]
    news = [b for b in student.buffers() if b.is_floating_point()]
    held = [*teacher.parameters(), *teacher.buffers()]
    student_before = flat([*student.parameters(), *student.buffers()])
    for momentum in (0.8, 0.3):
        old, new = flat(teacher.parameters()), flat(student.parameters())
        old_buffers, new_buffers = flat(buffers), flat(news)
        ema_update(teacher, student, momentum)
        now = [*teacher.parameters(), *teacher.buffers()]
        expect(
            all(a is b for a, b in zip(now, held, strict=True)),
            "You put a new tensor in the place of one of the teacher's. Write into the one that is "
            "there (copy_, mul_, lerp_), so that references to it stay good.",
        )
        expect_close(
            flat(teacher.parameters()),
            momentum * old + (1 - momentum) * new,
            {constant_momentum(c): c * old + (1 - c) * new for c in CONSTANTS},
            what=f"All parameters of the teacher together (momentum {momentum})",
            tolerance=1e-5,
        )
        expect_close(
            flat(buffers),
            momentum * old_buffers + (1 - momentum) * new_buffers,
            {
                "You forgot the buffers. Running statistics are not parameters, but the teacher "
                "computes with them: average teacher.buffers() too.": old_buffers,
                "You copied the student's floating-point buffers. Average them like the "
                "parameters, so that weights and statistics are of the same age.": new_buffers,
            },
            what="The teacher's floating-point buffers",
            tolerance=1e-5,
        )
    counter = teacher[1].num_batches_tracked
    expect(
        counter.dtype == torch.int64 and counter.item() == 7,
        f"The counter num_batches_tracked is {counter.item()} ({counter.dtype}), the student's is "
        "7. A whole number has no meaningful average: copy it.",
    )
    expect(
        torch.equal(flat([*student.parameters(), *student.buffers()]), student_before),
        "You changed the student. Only the teacher is written to.",
    )


# ---------------------------------------------------------------- 5.2


@check("5.2", "the momentum of a half-life")
def check_5_2(momentum_for_half_life):
    # By hand: after 2 steps m * m = 1/2 is left.
    expect_close(
        call(momentum_for_half_life, 2),
        0.5**0.5,
        {
            "This is the share that the student gets in each step. The momentum is the other one, "
            "the share of the teacher that is kept.": 1 - 0.5**0.5,
            "After 2 steps with this momentum 1/e is left, not 1/2: that is the *time constant*. "
            "Half-life means momentum ** steps = 0.5.": 2.718281828**-0.5,
            "You raised 1/2 to the number of steps. It is the momentum that is raised to it; you "
            "want the root: 0.5 ** (1 / steps).": 0.25,
            "This is above 1: the teacher would grow. The root of one half, not of two.": 2**0.5,
            "This is 1 - 1 / steps, the window of a plain average. Exact is momentum ** steps = "
            "0.5, whose root is 0.5 ** (1 / steps).": 0.5 + 1e-12,
            "This takes away the same amount in each step, as if decay were a straight line. Each "
            "step takes away the same *share*: momentum ** steps = 0.5.": 0.75,
            "This is the approximation 1 - ln 2 / steps, good for long half-lives only. Solve "
            "momentum ** steps = 0.5 exactly.": 1 - 0.693147181 / 2,
            "You computed the half-life of a momentum. The question is the inverse: the steps are "
            "given, the momentum is wanted.": -1.0,
        },
        what="momentum_for_half_life(2)",
        tolerance=1e-6,
    )
    for steps in (1, 7, 46, 173, 2000):
        momentum, left = float(call(momentum_for_half_life, steps)), 1.0
        for _ in range(steps):
            left *= momentum
        expect(
            abs(left - 0.5) < 1e-3,
            f"After {steps} updates with momentum_for_half_life({steps}) = {momentum:.6f}, the "
            f"share {left:.4f} of the start is left. It should be 0.5.",
        )


# ---------------------------------------------------------------- 5.3


@check("5.3", "warm-up and cosine, a value per step")
def check_5_3(cosine_schedule):
    # By hand: (1 + cos(0, 45, 90, 135 degrees)) / 2.
    got = call(cosine_schedule, 1.0, 0.0, 4)
    expect(
        not isinstance(got, Tensor) or got.shape != (5,),
        "Your schedule has a value too many. total_steps = 4 means the steps 0, 1, 2, 3; `final` "
        "would be the value of step 4, which is never taken.",
    )
    r = 0.25 * 2**0.5
    expect_close(
        got,
        torch.tensor([1.0, 0.5 + r, 0.5, 0.5 - r]),
        {
            "The cosine runs to the wrong end: it starts at `final`. It should start at `base` and "
            "go to `final`.": torch.tensor([0.0, 0.5 - r, 0.5, 0.5 + r]),
            "Your last step has `final` already: you divided by one step less. In step t of T the "
            "angle is pi * t / T, so `final` would be step T.": torch.tensor([1.0, 0.75, 0.25, 0]),
            "This is a straight line. Half a cosine starts and ends slowly: "
            "(1 + cos(pi * t / T)) / 2.": torch.tensor([1.0, 0.75, 0.5, 0.25]),
            "You left out the 1 + and the / 2: a bare cosine falls below `final`, to -1 times "
            "`base`. (1 + cos) / 2 lies between 1 and 0.": torch.tensor([1, 2 * r, 0, -2 * r]),
            "The cosine makes a whole turn and comes back. Half a turn is pi, not "
            "2 * pi.": torch.tensor([1.0, 0.5, 0.0, 0.5]),
            "This is a quarter of a cosine. It should be half of one, flat at both ends: the "
            "angle goes to pi.": torch.tensor([1.0, 0.92388, 2 * r, 0.38268]),
            "The values do not change. Half a cosine leads from `base` to `final`.": torch.ones(4),
        },
        names="(total_steps,)",
        what="cosine_schedule(1, 0, total_steps=4)",
    )
    base, final, total, warmup, start = 2.0, 0.5, 10, 4, 0.4

    def cosine(step: Tensor, steps: int) -> Tensor:
        return final + (base - final) * (1 + torch.cos(torch.pi * step / steps)) / 2

    t = torch.arange(total).double()
    rest, ramp = cosine(t[: total - warmup], total - warmup), base - start
    up = start + ramp * t[:warmup] / (warmup - 1)
    got = call(cosine_schedule, base, final, total, warmup, start)
    expect(
        not isinstance(got, Tensor) or got.shape != (total + warmup,),
        "You added the warm-up in front of the whole schedule. The warm-up is part of "
        "total_steps: the cosine has the steps that are left.",
    )
    expect_close(
        got,
        torch.cat([up, rest]),
        {
            "The warm-up is missing: the schedule starts at `base`. The first warmup_steps rise "
            "in a straight line from `start`.": cosine(t, total),
            "The warm-up is at the wrong end: the schedule begins with the cosine. Without it the "
            "first, wildest gradients get the largest learning rate.": torch.cat([rest, up]),
            "The warm-up is counted from the wrong end: it falls from `base` to `start`. It should "
            "rise.": torch.cat([up.flip(0), rest]),
            "Your cosine has been running since step 0, so there is a jump where the warm-up ends. "
            "Count its steps from there: t - warmup_steps.": torch.cat([up, cosine(t, total)[4:]]),
            "Your cosine ends before it arrives at `final`. After the warm-up it has "
            "total_steps - warmup_steps steps.": torch.cat([up, cosine(t, total)[:6]]),
            "Your last step has `final` already. Step t of the cosine's n steps has the angle "
            "pi * t / n.": torch.cat([up, cosine(t[:6], 5)]),
            "The warm-up starts at 0; the argument `start` is not used.": torch.cat(
                [base * t[:warmup] / (warmup - 1), rest]
            ),
            "Your warm-up does not get to `base` in its last step: you divided by warmup_steps. "
            "From the first of its steps to the last it is one step less.": torch.cat(
                [start + ramp * t[:warmup] / warmup, rest]
            ),
            "Your warm-up does not begin at `start`: you count its steps from 1. The first step "
            "is step 0.": torch.cat([start + ramp * (t[:warmup] + 1) / warmup, rest]),
            "You multiplied warm-up and cosine. The warm-up comes first, in a straight line; the "
            "cosine begins where it ends.": cosine(t, total) * (t / warmup).clamp(max=1),
        },
        names="(total_steps,)",
        what="cosine_schedule(2, 0.5, total_steps=10, warmup_steps=4, start=0.4)",
    )
    up = 1 - 0.1 * (1 + torch.cos(torch.pi * torch.arange(50).double() / 50)) / 2
    got = call(cosine_schedule, 0.9, 1.0, 50)
    expect_close(got, up, names="(total_steps,)", what="A schedule that rises, from 0.9 to 1")


# ---------------------------------------------------------------- 5.4


@check("5.4", "who learns, who follows")
def check_5_4(set_up):
    student = nn.Sequential(small_network(), nn.Dropout(0.5), DINOHead(2, 6, 8, 4))
    names = dict(student.named_parameters())
    trained = {name for name, p in names.items() if p.requires_grad}
    before = {name: p.detach().clone() for name, p in student.state_dict().items()}
    got = call(set_up, student, 0.125)
    expect(
        isinstance(got, tuple) and len(got) == 2,
        "Return two things: the teacher and the optimizer.",
    )
    teacher, optimizer = got
    expect(
        isinstance(teacher, nn.Module),
        f"The teacher should be a module; yours is a {type(teacher).__name__}.",
    )
    expect(
        teacher is not student,
        "Your teacher is the student: the same object under a second name. Each would grade its "
        "own work; copy.deepcopy(student) makes a second network.",
    )
    theirs = {t.data_ptr() for t in (*student.parameters(), *student.buffers())}
    expect(
        not any(t.data_ptr() in theirs for t in (*teacher.parameters(), *teacher.buffers())),
        "Teacher and student share their parameters: what moves one moves the other. A shallow "
        "copy copies only the outermost module; use copy.deepcopy.",
    )
    now = teacher.state_dict()
    expect(
        now.keys() == before.keys() and all(torch.equal(now[n], before[n]) for n in before),
        "Your teacher does not begin with the student's weights and buffers. It should be an "
        "exact copy; an average of two unrelated networks is a network that knows nothing.",
    )
    expect(
        {name for name, p in names.items() if p.requires_grad} == trained,
        "You changed which of the student's parameters are trained. Freeze the copy, not the "
        "student: after deepcopy, on the teacher.",
    )
    expect(
        not any(p.requires_grad for p in teacher.parameters()),
        "Some of the teacher's parameters still ask for gradients. teacher.requires_grad_(False), "
        "with the underscore, switches all of them off; the teacher only ever follows.",
    )
    expect(
        all(module.training for module in student.modules()),
        "You put the student in eval mode. It trains, with drop path; only the copy goes to eval "
        "mode.",
    )
    expect(
        not any(module.training for module in teacher.modules()),
        "Your teacher is in train mode, or a part of it is: its drop path and dropout would make "
        "the targets random. teacher.eval() reaches all its parts.",
    )
    expect(
        isinstance(optimizer, torch.optim.Optimizer),
        f"The second thing should be an optimizer; yours is a {type(optimizer).__name__}.",
    )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    expect(
        not held & {id(p) for p in teacher.parameters()},
        "Your optimizer holds the teacher's parameters. Only the student is trained; weight decay "
        "and momentum would otherwise move the teacher as well.",
    )
    missing = [name for name in trained if id(names[name]) not in held]
    expect(
        not missing,
        f"{len(missing)} of the student's trained parameters are not in your optimizer. It takes "
        "all of student.parameters().",
    )
    expect(
        isinstance(optimizer, torch.optim.AdamW),
        f"Your optimizer is {type(optimizer).__name__}; DINO trains with torch.optim.AdamW.",
    )
    expect(
        all(group["lr"] == 0.125 for group in optimizer.param_groups),
        "The optimizer does not have the learning rate it was given: AdamW(..., lr=lr).",
    )
    expect(
        all(torch.equal(p, before[name]) for name, p in student.state_dict().items()),
        "You changed the student's weights.",
    )


# ---------------------------------------------------------------- 5.5

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
N_GLOBAL, N_VIEWS, BATCH, MAX_NORM, STEPS_PER_EPOCH = 2, 5, 4, 3.0, 3


class Witness:
    """A toy student and teacher, a loss and an optimizer that write down what is done to them."""

    def __init__(self):
        self.student = DINOHead(6, 5, hidden_dim=8, bottleneck_dim=4)
        for p in self.student.parameters():
            if p.requires_grad:
                nn.init.normal_(p, std=0.5)
        self.teacher = copy.deepcopy(self.student).eval()
        with torch.no_grad():
            for p in self.teacher.mlp.parameters():
                p.add_(0.3 * torch.randn_like(p))
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=0.7, weight_decay=0.7)
        values = torch.arange(7) / 7
        self.schedules = Schedules(
            lr=(0.01 + 0.1 * values).tolist(),
            weight_decay=(0.1 + 0.4 * values).tolist(),
            teacher_momentum=(0.3 + 0.6 * values).tolist(),
            teacher_temp=(0.1 + 0.2 * values).tolist(),
        )
        self.student.register_forward_hook(self._hear("student"))
        self.teacher.register_forward_hook(self._hear("teacher"))
        self.student.mlp[0].weight.register_post_accumulate_grad_hook(
            lambda _: self.events.append("backward")
        )
        self.optimizer.register_step_pre_hook(self._before_step)
        self.optimizer.register_step_post_hook(self._after_step)
        self.start()

    def start(self) -> None:
        """Begin a new step's notes, and draw its views."""
        self.events: list[str] = []
        self.inputs: dict[str, list[Tensor]] = {"student": [], "teacher": []}
        self.modes: dict[str, list[bool]] = {"student": [], "teacher": []}
        self.drawn: list[list[Tensor]] = []
        self.asked: list[tuple[Tensor, Tensor, float]] = []
        self.gradients: dict[str, Tensor | None] = {}
        self.settings: list[tuple[float, float]] = []
        self.before, self.stepped = flat(self.student.parameters()), None
        self.last_before = self.student.last_layer.weight_v.detach().clone()
        self.teacher_before = flat(self.teacher.parameters())
        self.left_over = {n: p.grad for n, p in self.student.named_parameters()}
        self.left_over = {n: None if g is None else g.clone() for n, g in self.left_over.items()}

    def batches(self) -> Iterator[list[Tensor]]:
        while True:
            self.drawn.append([torch.randn(BATCH, 6) for _ in range(N_VIEWS)])
            yield list(self.drawn[-1])

    def loss_fn(self, student_logits, teacher_logits, teacher_temp, n_global=2) -> Tensor:
        self.events.append("loss")
        self.asked.append((student_logits, teacher_logits, float(teacher_temp)))
        return pairs_loss(student_logits, teacher_logits, teacher_temp)

    def _hear(self, who: str):
        def hook(module: nn.Module, args: tuple, _) -> None:
            self.events.append(who)
            self.inputs[who].append(args[0].detach().clone())
            self.modes[who].append(module.training)

        return hook

    def _before_step(self, optimizer, *_) -> None:
        self.events.append("optimizer")
        self.gradients = {
            n: None if p.grad is None else p.grad.clone()
            for n, p in self.student.named_parameters()
        }
        self.settings = [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups]

    def _after_step(self, *_) -> None:
        self.stepped = flat(self.student.parameters())


def pairs_loss(student_logits: Tensor, teacher_logits: Tensor, teacher_temp: float) -> Tensor:
    """Cross-entropy over pairs of different views; its weight makes some gradients long."""
    q = (teacher_logits / teacher_temp).softmax(-1).view(-1, BATCH, teacher_logits.shape[-1])
    log_p = (student_logits / 0.1).log_softmax(-1).view(-1, BATCH, student_logits.shape[-1])
    pairs = [(i, j) for i in range(len(q)) for j in range(len(log_p)) if i != j]
    return -4 * sum((q[i] * log_p[j]).sum(-1).mean() for i, j in pairs) / len(pairs)


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


def true_gradients(reference: tuple, witness: Witness, t: int) -> tuple[dict[str, Tensor], float]:
    """The gradient of each trained parameter in this step, and the loss, computed apart."""
    student, teacher = DINOHead(6, 5, 8, 4), DINOHead(6, 5, 8, 4)
    student.load_state_dict(reference[0])
    teacher.load_state_dict(reference[1])
    views = witness.drawn[0]
    with torch.no_grad():
        targets = teacher(torch.cat(views[:N_GLOBAL]))
    loss = pairs_loss(student(torch.cat(views)), targets, witness.schedules.teacher_temp[t])
    trained = {n: p for n, p in student.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss, list(trained.values()))
    return dict(zip(trained, gradients, strict=True)), loss.item()


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
