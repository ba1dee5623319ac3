"""Segmentation from a few masks: a logistic regression that tells patches of things from others."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def logistic_regression(x: Tensor, y: Tensor, strength: float = 1.0) -> tuple[Tensor, Tensor]:
    """Weight (D,) and bias () that minimise |w|^2 / 2 + strength * sum of -log p(y).

    Args:
        x: (N, D), of about unit spread; y: bool (N,).

    Returns:
        in double precision; p(thing) is sigmoid(x w + b).
    """
    x, y = x.double(), y.double()
    parameters = torch.zeros(x.shape[1] + 1, dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=1000, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        w, b = parameters[:-1], parameters[-1]
        wrong = F.binary_cross_entropy_with_logits(x @ w + b, y, reduction="sum")
        total = w @ w / 2 + strength * wrong
        total.backward()
        return total

    optimizer.step(loss)
    return parameters.detach()[:-1], parameters.detach()[-1]


@dataclass
class FromExamples:
    """Tells things from the rest, patch by patch."""

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    @classmethod
    def fit(cls, examples: Iterable[tuple[Tensor, Tensor, Tensor | None]]) -> "FromExamples":
        """Of pictures with features (h, w, D), a mask, bool (H, W), and where it counts (or None).

        A patch is of the thing if more than half of its pixels are.

        Raises:
            ValueError: if there are only things, or none.
        """
        xs, ys = [], []
        for features, mask, valid in examples:
            grid = tuple(features.shape[:2])
            thing, counts = (
                F.interpolate(m[None, None].float(), size=grid, mode="area").flatten() > 0.5
                for m in (mask, torch.ones_like(mask) if valid is None else valid)
            )
            xs.append(features.flatten(0, 1)[counts])
            ys.append(thing[counts])
        x, y = torch.cat(xs), torch.cat(ys)
        if y.all() or not y.any():
            raise ValueError(f"{'no' if not y.any() else 'every'} patch is of a thing")
        mean, spread = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6)
        return cls(mean, spread, *logistic_regression((x - mean) / spread, y))

    def mask(self, features: Tensor) -> Tensor:
        """(h, w, D) -> bool (h, w), true where a thing is more likely than not."""
        x = ((features - self.mean) / self.spread).double()
        return x @ self.weight + self.bias > 0
