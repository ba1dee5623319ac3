"""Exercise 4.1, from the feature to the bottleneck: tells apart another number or width of layers,
activations that are missing, in excess or of another kind, and dropout or BatchNorm.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.checks.core import call, check, close, expect, expect_close, expect_tensor


def _through(layers: list[nn.Linear], x: Tensor, between, after=lambda y: y) -> Tensor:
    """The layers one after the other in float64, ``between`` each two of them."""
    x = x.double()
    for i, layer in enumerate(layers):
        x = F.linear(x, layer.weight.detach().double(), layer.bias.detach().double())
        x = between(x) if i < len(layers) - 1 else after(x)
    return x


@check("4.1", "from the feature to the bottleneck")
def check_4_1(head_mlp):
    mlp = call(head_mlp, 12, 20, 6)
    expect(
        isinstance(mlp, nn.Module),
        "Return a module, such as nn.Sequential(...): an optimizer must find its parameters.",
    )
    layers = [m for m in mlp.modules() if isinstance(m, nn.Linear)]
    expect(
        len(layers) == 3,
        f"You have {len(layers)} nn.Linear layers. The head has three: in, hidden, bottleneck. "
        "(A list that is not an nn.ModuleList or nn.Sequential hides its layers.)",
    )
    expect(
        all(layer.bias is not None for layer in layers),
        "A layer has no bias. The three linear layers have one; only the prototypes that follow "
        "have none.",
    )
    widths = [(layer.in_features, layer.out_features) for layer in layers]
    expect(
        widths != [(12, 20), (20, 20), (20, 20)],
        "There is no bottleneck: the last layer is as wide as the hidden ones. It should narrow "
        "to bottleneck_dim, or each prototype costs hidden_dim numbers in place of a few.",
    )
    expect(
        widths == [(12, 20), (20, 20), (20, 6)],
        f"Your layers map {widths}; for head_mlp(12, 20, 6) they should map "
        "12 to 20, 20 to 20 and 20 to 6: two hidden layers, then the bottleneck.",
    )
    x = 3 * torch.randn(7, 12)
    with torch.no_grad():
        for layer in layers:  # away from the start values, where biases may be 0
            layer.weight.normal_(std=0.5)
            layer.bias.normal_()
        mlp.train()
        got = call(mlp, x)
        expect_tensor(got, (7, 6), "(rows, bottleneck_dim)")
        expect(
            close(got, call(mlp, x)),
            "The same rows give different results: there is dropout in the head. DINO has none.",
        )
        expect(
            close(got[:3], call(mlp, x[:3])),
            "A row's result depends on the other rows of the batch: there is a BatchNorm in the "
            "head. With a ViT, DINO's head has none.",
        )
    want = _through(layers, x, F.gelu)
    tanh = _through(layers, x, lambda y: F.gelu(y, approximate="tanh"))
    if close(got, tanh, 1e-3) and not close(got, want):
        want = tanh  # GELU by its tanh approximation is GELU too
    expect_close(
        got,
        want,
        {
            "There is nothing between the linear layers, so the three amount to one. Put "
            "nn.GELU() between them.": _through(layers, x, lambda y: y),
            "You used ReLU. It works, but the head of DINO, like the ViT, has GELU: weights "
            "released for one do not fit the other.": _through(layers, x, F.relu),
            "There is an activation after the last layer too. The bottleneck is a direction: it "
            "must be free to be negative.": _through(layers, x, F.gelu, F.gelu),
            "You L2-normalised in the MLP already. That is right in itself; here it is the next "
            "exercise's part, so end with the linear layer.": F.normalize(want, dim=-1),
        },
        names="(rows, bottleneck_dim)",
    )
