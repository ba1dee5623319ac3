"""Exercise 7.3, the whole step: a run that writes down what a step does with its parts, and what
the same step comes to when it is computed apart.
"""

import copy
import inspect
import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from minidino.checks.core import Wrong, flat
from minidino.checks.training.common import CPU, SMALL, STEPS_PER_EPOCH
from minidino.trainer import Network, Schedules, Trainer


def chance_state() -> tuple:
    """The global random states: torch's, NumPy's, Python's."""
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()


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
        values = torch.arange(12) / 12
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
        self.moved: dict[str, bool] = {}  # before it was asked
        self.before = flat(self.student.parameters())
        self.teacher_before = flat(self.teacher.parameters())
        self.last_before = self.student.head.last_layer.weight_v.detach().clone()
        self.left_over = {
            n: None if p.grad is None else p.grad.clone()
            for n, p in self.student.named_parameters()
        }

    def split(self, line: Tensor) -> list[Tensor]:
        """All the teacher's numbers in one line -> a piece for each parameter."""
        return list(line.split([p.numel() for p in self.teacher.parameters()]))

    def step(self, images: Tensor) -> dict[str, Tensor]:
        raise Wrong("run.step is the package's own answer to this exercise. Write out its lines.")

    def _cut(self, render: Callable, images: Tensor, generator=None) -> tuple[Tensor, Tensor]:
        self.draws.append((images, generator, generator and generator.get_state()))
        self.drawn.append(render(images, generator))
        return tuple(v.clone() for v in self.drawn[-1])

    def _hear(self, who: str) -> Callable:
        def hook(module: nn.Module, args: tuple, _) -> None:
            self.inputs[who].append(args[0].detach().clone())
            modes = [m.training for m in getattr(self, who).modules()]
            self.modes[who].append(all(modes) if who == "student" else any(modes))
            was = self.before if who == "student" else self.teacher_before
            self.moved[who] = not torch.equal(flat(getattr(self, who).parameters()), was)

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
        self.mean = self.teacher_logits.mean(0, keepdim=True)
        self.q = self.target(center)
        q = self.q.view(2, b, -1)
        log_p = (student_logits / SMALL.student_temp).log_softmax(-1)
        log_p = log_p.view(2 + SMALL.n_local, b, -1)
        pairs = [(i, j) for i in range(2) for j in range(len(log_p)) if i != j]
        self.log_p = log_p.detach()
        self.loss = -sum((q[i] * log_p[j]).sum(-1).mean() for i, j in pairs) / len(pairs)
        trained = {n: p for n, p in student.named_parameters() if p.requires_grad}
        gradients = torch.autograd.grad(self.loss, list(trained.values()))
        self.gradients = dict(zip(trained, gradients, strict=True))
        self.loss = self.loss.item()

    def target(
        self, center: Tensor | float, logits: Tensor | None = None, temp: float | None = None
    ) -> Tensor:
        logits = self.teacher_logits if logits is None else logits
        return ((logits - center) / (self.temp if temp is None else temp)).softmax(-1)
