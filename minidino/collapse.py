"""Is it collapsing, and which way? (DINO, section 5.3 and figure 7)

The loss is a sum of two numbers that say more than it does:  H(q, p) = H(q) + KL(q || p).

* Uniform collapse: every target is flat, H(q) = ln K, KL = 0, and the loss sits at ln K.
* Peaked collapse: every image gets the same one prototype, H(q) = 0 and KL = 0.
* Healthy: H(q) in between, KL above 0, and the features span many directions.
"""

import torch
from torch import Tensor


def entropy(p: Tensor) -> Tensor:
    """(..., K) probabilities -> (...,) entropy in nats: 0 for one-hot, ln K for uniform."""
    return torch.special.entr(p).sum(dim=-1)


def kl_divergence(q: Tensor, p: Tensor) -> Tensor:
    """KL(q || p) in nats of distributions (..., K); infinite where p lacks what q has."""
    return (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(dim=-1)


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
