"""The DINO loss: centre and sharpen the teacher, then cross-entropy (equations 1 to 4).

Both networks give K scores per view. The teacher's become the target

    q = softmax((teacher_logits - center) / teacher_temp),

the student's a log-distribution at its own temperature, and every pair of a teacher view
and a *different* student view adds H(q, p) = -sum_k q_k log p_k. The loss is the mean of
all pairs: 2 global and 8 local views make 2 * 10 - 2 = 18.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn


class DINOLoss(nn.Module):
    """Cross-entropy between the teacher's global views and the student's other views.

    Args:
        out_dim: number K of prototypes.
        student_temp: temperature of the student's softmax.
        center_momentum: how slowly the center follows the batch mean (equation 4); 1 keeps it at 0.
        mse: compare probabilities by squared differences (an ablation; table 7 of the paper).

    ``center`` is a buffer of shape (1, out_dim) and is saved with the module.
    """

    center: Tensor

    def __init__(
        self,
        out_dim: int,
        student_temp: float = 0.1,
        center_momentum: float = 0.9,
        mse: bool = False,
    ):
        super().__init__()
        self.student_temp = student_temp
        self.center_momentum = center_momentum
        self.mse = mse
        self.register_buffer("center", torch.zeros(1, out_dim))

    @torch.no_grad()
    def targets(self, teacher_logits: Tensor, teacher_temp: float | Tensor) -> Tensor:
        """(rows, K) raw teacher logits -> (rows, K) centred, sharpened probabilities."""
        return ((teacher_logits.float() - self.center) / teacher_temp).softmax(dim=-1)

    def forward(
        self,
        student_logits: Tensor,
        teacher_logits: Tensor,
        teacher_temp: float,
        n_global: int = 2,
    ) -> Tensor:
        """Mean cross-entropy over all pairs of different views; a scalar.

        In training mode the center is moved afterwards, so each step is scored with the
        center of the steps before it.

        Args:
            student_logits: (n_views * B, K), crop-major: all images of view 0, then of view
                1, ...; the global views first.
            teacher_logits: (n_global * B, K), the same images in the same order.
            teacher_temp: the teacher's temperature at this step.
            n_global: number of global views.

        Raises:
            ValueError: if the rows do not divide into views of the same images, the last
                dimension is not K, or no pair of different views is left.
        """
        loss = self.score(student_logits, teacher_logits, teacher_temp, n_global)
        if self.training:
            self.update_center(teacher_logits)
        return loss

    def score(
        self,
        student_logits: Tensor,
        teacher_logits: Tensor,
        teacher_temp: float | Tensor,
        n_global: int = 2,
    ) -> Tensor:
        """As ``forward``, but the center stays: for a batch whose parts are scored one by one."""
        batch = self._check(student_logits, teacher_logits, n_global)
        # In float32 even under autocast: differences between scores are what is learned from.
        with torch.autocast(student_logits.device.type, enabled=False):
            q = self.targets(teacher_logits, teacher_temp).view(n_global, batch, -1)
            student = student_logits.float().view(-1, batch, student_logits.shape[-1])
            of_pairs = squares_of_pairs if self.mse else cross_entropy_of_pairs
            return of_pairs(student / self.student_temp, q)

    def _check(self, student_logits: Tensor, teacher_logits: Tensor, n_global: int) -> int:
        """The number of images, if the two batches fit together."""
        k = self.center.shape[-1]
        for name, logits in (("student", student_logits), ("teacher", teacher_logits)):
            if logits.ndim != 2 or logits.shape[1] != k or len(logits) == 0:
                raise ValueError(
                    f"{name} logits are {tuple(logits.shape)}, not (1 or more rows, {k})"
                )
        if n_global < 1 or len(teacher_logits) % n_global:
            raise ValueError(f"{len(teacher_logits)} teacher rows are not {n_global} global views")
        batch = len(teacher_logits) // n_global
        views, rest = divmod(len(student_logits), batch)
        if rest or views < n_global:
            raise ValueError(
                f"{len(student_logits)} student rows do not divide into views of {batch} "
                f"images, with {n_global} global views among them"
            )
        if views < 2:
            raise ValueError("one view cannot be compared with a different view; give 2 or more")
        return batch

    @torch.no_grad()
    def update_center(self, teacher_logits: Tensor) -> None:
        """EMA of the mean *raw* teacher logits, over the rows of all processes (equation 4)."""
        mean = teacher_logits.float().mean(dim=0, keepdim=True)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(mean)
            mean /= dist.get_world_size()
        self.center.lerp_(mean, 1.0 - self.center_momentum)


def cross_entropy_of_pairs(student: Tensor, q: Tensor) -> Tensor:
    """Mean of H(q_i, p_j) over images and over all pairs of views i != j.

    Args:
        student: (views, B, K) logits over their temperature; p is their softmax.
        q: (n_global, B, K) targets, views in the same order.

    p's logarithm, s - logsumexp(s), is never written out: a target sums to 1, so
    -sum_k q_k log p_k = logsumexp(s) - <q, s>. A view is scored against the *sum* of its
    targets: a local view costs one product, not n_global.
    """
    (n_global, batch, _), views = q.shape, len(student)
    q_sum = q.sum(dim=0)
    n_targets = torch.full((views, 1), float(n_global), device=student.device)
    n_targets[:n_global] -= 1  # a global view is not its own target
    log_z = student.logsumexp(dim=-1)  # (views, B)
    global_dot = torch.einsum("vbk,vbk->", student[:n_global], q_sum - q)
    local_dot = torch.einsum("vbk,bk->", student[n_global:], q_sum)
    total = (n_targets * log_z).sum() - global_dot - local_dot
    return total / (batch * n_global * (views - 1))


def squares_of_pairs(student: Tensor, q: Tensor) -> Tensor:
    """Mean of |q_i - p_j|^2 over images and over all pairs of views i != j; as above otherwise."""
    (n_global, batch, _), views = q.shape, len(student)
    p = student.softmax(dim=-1)
    squares = sum((p - q[i]).square().sum() - (p[i] - q[i]).square().sum() for i in range(n_global))
    return squares / (batch * n_global * (views - 1))
