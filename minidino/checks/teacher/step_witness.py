"""Exercise 5.5, one step in its order: a toy run that writes down what a step does with its parts,
and what the same step comes to when it is computed apart.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from minidino.checks.core import Wrong, flat
from minidino.head import DINOHead
from minidino.trainer import Schedules

N_GLOBAL, N_VIEWS, BATCH = 2, 5, 4
MADE_WITH = 0.7  # learning rate and weight decay, before a step sets them
WHOLE = "You handed over the whole schedule of {}, a list. Index it: this step's value is [t]."


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
        groups = [self.student.mlp.parameters(), self.student.last_layer.parameters()]
        self.optimizer = torch.optim.AdamW(
            [{"params": list(group)} for group in groups], lr=MADE_WITH, weight_decay=MADE_WITH
        )
        values = torch.arange(10)  # no value is there twice, in one schedule or in two
        self.schedules = Schedules(
            lr=(0.0131 + 0.0107 * values).tolist(),
            weight_decay=(0.123 + 0.0412 * values).tolist(),
            teacher_momentum=(0.3113 + 0.0613 * values).tolist(),
            teacher_temp=(0.1017 + 0.0229 * values).tolist(),
        )
        for who, network in (("student", self.student), ("teacher", self.teacher)):
            network.register_forward_pre_hook(self._asked(who))
            network.register_forward_hook(self._heard(who))
        self.student.mlp[0].weight.register_post_accumulate_grad_hook(
            lambda p: self.events.append("backward" if p.grad.any() else "backward of nothing")
        )
        self.optimizer.register_step_pre_hook(self._before_step)
        self.optimizer.register_step_post_hook(self._after_step)
        self.start()

    def start(self) -> None:
        """Begin a new step's notes, and draw its views."""
        self.events: list[str] = []
        self.inputs: dict[str, list[Tensor]] = {"student": [], "teacher": []}
        self.outputs: dict[str, list[Tensor]] = {"student": [], "teacher": []}
        self.modes: dict[str, list[bool]] = {"student": [], "teacher": []}
        self.teacher_when_asked: list[Tensor] = []
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
        while len(self.drawn) < 50:
            self.drawn.append([torch.randn(BATCH, 6) for _ in range(N_VIEWS)])
            yield list(self.drawn[-1])
        raise Wrong(
            "You go through all the batches in one step: `for views in batches`. A step takes one: "
            "views = next(batches)."
        )

    def loss_fn(self, student_logits, teacher_logits, teacher_temp, n_global=2) -> Tensor:
        self.events.append("loss")
        if isinstance(teacher_temp, list):
            raise Wrong(WHOLE.format("temperatures"))
        self.asked.append((student_logits, teacher_logits, float(teacher_temp)))
        return pairs_loss(student_logits, teacher_logits, teacher_temp)

    def _asked(self, who: str):
        def hook(module: nn.Module, args: tuple) -> None:
            if not isinstance(args[0], Tensor):
                raise Wrong(
                    f"You gave the {who} a list of views. A network takes one tensor: "
                    "torch.cat(views) puts the views below each other."
                )
            self.events.append(who)
            self.inputs[who].append(args[0].detach().clone())
            self.modes[who].append(module.training)
            if who == "teacher":
                self.teacher_when_asked.append(flat(module.parameters()))

        return hook

    def _heard(self, who: str):
        def hook(module: nn.Module, args: tuple, output: Tensor) -> None:
            self.outputs[who].append(output.detach().clone())

        return hook

    def _before_step(self, optimizer, *_) -> None:
        self.events.append("optimizer")
        self.gradients = {
            n: None if p.grad is None else p.grad.clone()
            for n, p in self.student.named_parameters()
        }
        self.settings = [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups]
        for lr, weight_decay in self.settings:
            if isinstance(lr, list) or isinstance(weight_decay, list):
                raise Wrong(WHOLE.format("learning rates or weight decays"))

    def _after_step(self, *_) -> None:
        self.stepped = flat(self.student.parameters())


def pairs_loss(student_logits: Tensor, teacher_logits: Tensor, teacher_temp: float) -> Tensor:
    """Cross-entropy over pairs of different views; its weight makes some gradients long."""
    q = (teacher_logits / teacher_temp).softmax(-1).view(-1, BATCH, teacher_logits.shape[-1])
    log_p = (student_logits / 0.1).log_softmax(-1).view(-1, BATCH, student_logits.shape[-1])
    pairs = [(i, j) for i in range(len(q)) for j in range(len(log_p)) if i != j]
    return -2 * sum((q[i] * log_p[j]).sum(-1).mean() for i, j in pairs) / len(pairs)


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
