"""A linear layer whose large products oneDNN computes on a CPU: the same sums, sooner.

PyTorch gives the products of float32 matrices to MKL, and keeps oneDNN for networks that it
compiles. On an EPYC of AMD's oneDNN takes 5 to 10% less time, but for the gradient of the weights,
which stays with MKL. Wherever it is missing, and for small products, this is ``nn.Linear``.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Multiply-adds. The 10 microseconds that oneDNN takes to begin are more than it saves of fewer.
LARGE = 2**25
# What torch.compile puts in the place of a linear layer; it has no public name.
HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Linear(nn.Linear):
    """x W^T + b, (..., in) -> (..., out), with nn.Linear's parameters and their names."""

    def forward(self, x: Tensor) -> Tensor:
        if (
            HAS_ONEDNN
            and x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and x.numel() * self.out_features >= LARGE
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        ):
            return _OneDNN.apply(x, self.weight, self.bias)
        return super().forward(x)


def onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x W^T + b, for (..., in) and (out, in): (..., out)."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _OneDNN(torch.autograd.Function):
    """y = x W^T + b. Of a loss with gradient g for y: g W for x, g^T x for W, g's sum for b."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return onednn(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        return onednn(gradient, weight.t(), None), rows.t() @ x.flatten(0, -2), rows.sum(dim=0)
