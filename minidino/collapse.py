"""Is it collapsing, and which way? (DINO, section 5.3 and figure 7)

The loss is a sum of two numbers that say more than it does:  H(q, p) = H(q) + KL(q || p).

* Uniform collapse: every target is flat, H(q) = ln K, KL = 0, and the loss sits at ln K.
* Peaked collapse: every image gets the same one prototype, H(q) = 0 and KL = 0.
* Healthy: targets differ from image to image. The entropy of the *mean* target then exceeds
  the mean entropy of the targets; the difference is how many nats a target tells of its image.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def entropy(p: Tensor) -> Tensor:
    """(..., K) probabilities -> (...,) entropy in nats: 0 for one-hot, ln K for uniform."""
    return torch.special.entr(p).sum(dim=-1)


def kl_divergence(q: Tensor, p: Tensor) -> Tensor:
    """KL(q || p) in nats of distributions (..., K); infinite where p lacks what q has."""
    return (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(dim=-1)


def usage(targets: Tensor) -> tuple[Tensor, Tensor]:
    """How sure each target is, and how many prototypes are used by all of them together.

    Args:
        targets: (rows, K) probabilities.

    Returns:
        The mean of the targets' entropies and the entropy of their mean, scalars in nats. Equal
        where every row is the same; the second is larger by the mutual information of image
        and prototype, which is at most ln(rows).
    """
    return entropy(targets).mean(), entropy(targets.mean(dim=0))


def kl_from_logits(
    teacher_logits: Tensor,
    student_logits: Tensor,
    center: Tensor,
    teacher_temp: float,
    student_temp: float = 0.1,
) -> Tensor:
    """KL(teacher || student) in nats, row by row, of raw logits (..., K).

    The student's log-probabilities are never exponentiated, so it stays finite where
    ``kl_divergence`` of the probabilities has a student of 0.
    """
    log_q = ((teacher_logits - center) / teacher_temp).log_softmax(dim=-1)
    log_p = (student_logits / student_temp).log_softmax(dim=-1)
    return (log_q.exp() * (log_q - log_p)).sum(dim=-1)


def effective_rank(features: Tensor) -> float:
    """How many directions the features (N, D) really use, between 1 and min(N, D).

    The exponential of the entropy of the normalised singular values (Roy and Vetterli,
    2007) of the mean-centred features. A constant feature has no direction: 0. What is
    smaller than the rounding of float32 features counts as constant.
    """
    x = features.double()
    s = torch.linalg.svdvals(x - x.mean(dim=0))
    s = s[s > 1e-5 * x.abs().max() * len(x) ** 0.5]
    return entropy(s / s.sum()).exp().item() if len(s) else 0.0


def diagnose(log: Sequence[dict], out_dim: int) -> str:
    """What a training log says, judged by the mean of its last quarter.

    Args:
        log: lines in order, with ``entropy`` (of the targets, averaged), ``usage`` (entropy of
            the mean target) and ``kl``, in nats.
        out_dim: K.

    Returns:
        "unstable" if KL is above 15% of ln K: the student cannot follow its teacher. Else
        "healthy" if ``usage`` exceeds ``entropy`` by 2% of ln K or more. Else every image gets
        the same target: "uniform" with an entropy above 90% of ln K, "peaked" below 10%,
        "constant" between.
    """
    end = log[-max(len(log) // 4, 1) :]
    h, together, kl = (
        sum(line[key] for line in end) / (len(end) * math.log(out_dim))
        for key in ("entropy", "usage", "kl")
    )
    if kl > 0.15:
        return "unstable"
    if together - h >= 0.02:
        return "healthy"
    return "uniform" if h > 0.9 else "peaked" if h < 0.1 else "constant"
