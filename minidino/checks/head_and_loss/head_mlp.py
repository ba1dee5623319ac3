"""Exercise 4.1, from the feature to the bottleneck: tells apart another number or width of layers,
activations that are missing, in excess or of another kind, and dropout or a normalisation.
"""

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, close, expect, expect_tensor
from minidino.checks.mistakes import Table

Layers = list[tuple[Tensor, Tensor]]


def _same(x: Tensor) -> Tensor:
    return x


def _through(first=_same, one=F.gelu, two=F.gelu, last=_same, linear=(0, 1, 2)) -> Callable:
    """(mlp, layers, x) -> what the layers give, with these functions before, between and after."""

    def run(mlp: nn.Module, layers: Layers, x: Tensor) -> Tensor:
        x = first(x)
        for n, i in enumerate(linear):
            weight, bias = (p.detach().double() for p in layers[i])
            x = F.linear(x, weight, bias)
            x = last(x) if i == 2 else (one if n == 0 else two)(x)
        return x

    return run


OTHERS: dict[str, Callable] = {
    "ReLU": F.relu,
    "SiLU (Swish)": F.silu,
    "a tanh": torch.tanh,
    "a sigmoid": torch.sigmoid,
    "LeakyReLU": F.leaky_relu,
    "ELU": F.elu,
    "softplus": F.softplus,
    "Mish": F.mish,
    "QuickGELU, x * sigmoid(1.702 x),": lambda x: x * torch.sigmoid(1.702 * x),
    "the tanh approximation of GELU": lambda x: F.gelu(x, approximate="tanh"),
    "GELU twice in a row": lambda x: F.gelu(F.gelu(x)),
}
WHERE = ("on the input already", "after the first layer", "after the second layer", "at the end")


def _mistakes() -> Table:
    found: Table = {
        "There is nothing between the linear layers, so the three amount to one. Put nn.GELU() "
        "between them.": _through(one=_same, two=_same),
        "There is an activation after the last layer too. The bottleneck is a direction: it must "
        "be free to be negative.": _through(last=F.gelu),
        "The first GELU is there, the second is missing: one stands between each two layers.": (
            _through(two=_same)
        ),
        "The second GELU is there, the first is missing: one stands between each two layers.": (
            _through(one=_same)
        ),
        "You L2-normalised in the MLP already. That is right in itself; here it is the next "
        "exercise's part, so end with the linear layer.": _through(last=lambda y: F.normalize(y)),
        "There is a softmax at the end. The bottleneck is a direction: end with a linear layer.": (
            _through(last=lambda y: y.softmax(-1))
        ),
        "A hidden layer is skipped over by a residual connection, x + f(x). The three layers "
        "simply follow each other.": lambda mlp, layers, x: _residual(layers, x),
        "The second layer runs twice. `[layer] * 2` is one layer, two times.": _through(
            linear=(0, 1, 1, 2)
        ),
        "The second layer is made and not used.": _through(linear=(0, 2)),
        "There is a LayerNorm before each GELU. DINO's head, with a ViT, has no normalisation "
        "between its layers.": _through(
            one=lambda y: F.gelu(_norm(y)), two=lambda y: F.gelu(_norm(y))
        ),
        "There is a LayerNorm after each GELU. DINO's head, with a ViT, has no normalisation "
        "between its layers.": _through(
            one=lambda y: _norm(F.gelu(y)), two=lambda y: _norm(F.gelu(y))
        ),
    }
    for given in itertools.product((False, True), repeat=4):
        gelu = [F.gelu if there else _same for there in given]
        told = [where for where, there in zip(WHERE, given, strict=True) if there]
        if given[0] or (given[3] and not all(given[1:3])):
            found[
                f"GELU stands {' and '.join(told)}. It belongs between the layers: after the first "
                "and after the second."
            ] = _through(*gelu)
    for name, other in OTHERS.items():
        found[
            f"You used {name}. It may work, but the head of DINO, like the ViT, has GELU, exact: "
            "weights released for one do not fit the other."
        ] = _through(one=other, two=other)
        between = "GELU stands after the first and after the second."
        found[f"You used {name} after the first layer. {between}"] = _through(one=other)
        found[f"You used {name} after the second layer. {between}"] = _through(two=other)
        found[
            f"There is {name} after the last layer. The bottleneck is a direction: it ends with "
            "the linear layer."
        ] = _through(last=other)
        found[f"You used {name}, also after the last layer. GELU, and none at the end."] = _through(
            one=other, two=other, last=other
        )
    return found


def _norm(y: Tensor) -> Tensor:
    return F.layer_norm(y, y.shape[-1:])


def _residual(layers: Layers, x: Tensor) -> Tensor:
    (a, b), (c, d), (e, f) = [[p.detach().double() for p in layer] for layer in layers]
    x = F.gelu(F.linear(x, a, b))
    return F.linear(x + F.gelu(F.linear(x, c, d)), e, f)


@check("4.1", "from the feature to the bottleneck")
def check_4_1(head_mlp):
    cases = []
    for sizes in ((12, 20, 6), (9, 14, 5)):
        mlp = call(head_mlp, *sizes)
        layers = _layers(mlp, *sizes)
        cases.append((mlp, layers, 3 * torch.randn(7, sizes[0])))
    with torch.no_grad():
        for _, layers, _ in cases:  # away from the start values, where biases may be 0
            for weight, bias in layers:
                weight.normal_(std=0.5)
                bias.normal_()
            hidden = layers[1][0]  # of plain parameters (in, out) or (out, in): made symmetric
            hidden.copy_((hidden + hidden.T) / 2)
        mlp, layers, x = cases[0]
        got = call(mlp.train(), x)
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
    compare(
        lambda mlp, layers, x: mlp(x),
        cases,
        _through(),
        _mistakes(),
        names="(rows, bottleneck_dim)",
        tolerance=1e-5,
    )
    for weight, bias in layers:
        expect(
            weight.requires_grad and bias.requires_grad,
            "A layer's weight or bias is frozen (requires_grad=False). The whole head is trained.",
        )
    source = x.clone().requires_grad_()
    out = mlp(source)
    given = [source, *mlp.parameters()]
    if out.requires_grad:
        gradients = torch.autograd.grad(out.square().sum(), given, allow_unused=True)
    if not out.requires_grad or any(g is None or not g.any() for g in gradients):
        raise Wrong("A gradient does not reach all layers and the input: something is detached.")
    two = [call(head_mlp, 12, 20, 6) for _ in range(2)]
    first, second = (mlp(torch.ones(1, 12)) for mlp in two)
    expect(
        not torch.equal(first, second),
        "Two heads begin with the very same weights: a seed is set inside (torch.manual_seed), for "
        "all of the program, or one module is returned each time. Leave chance to the caller.",
    )


def _layers(mlp, in_dim: int, hidden_dim: int, bottleneck_dim: int) -> Layers:
    """The weights (out, in) and biases of the three layers, in order, after a look at them."""
    expect(
        isinstance(mlp, nn.Module),
        "Return a module, such as nn.Sequential(...): an optimizer must find its parameters."
        + (
            " You returned a class; make one of it, with brackets." if isinstance(mlp, type) else ""
        ),
    )
    expect(
        all(p.dtype == torch.float32 for p in mlp.parameters()),
        "Your layers are not float32, the type that they have if nothing is said. Inputs of "
        "another type raise.",
    )
    x = torch.randn(5, in_dim)
    failed = once = None
    try:
        once = call(mlp, x)  # lazy layers get their sizes here
    except (RuntimeError, TypeError, ValueError) as error:
        failed = error
    parameters = dict(mlp.named_parameters())
    if not parameters and failed:
        raise failed
    if not parameters:
        expect(
            close(once, call(mlp, x)),
            "Your module has no parameters: its layers are made anew in each call, with new random "
            "weights. Make them once, in __init__.",
        )
        raise Wrong(
            "Your module has no parameters, so nothing in it is trained. A Python list hides its "
            "layers: use nn.ModuleList or nn.Sequential."
        )
    kinds = {type(m).__name__ for m in mlp.modules()}
    for kind in sorted(kinds):
        expect(
            "Norm" not in kind or kind.startswith("Parametrized"),
            f"There is a {kind} in the head. DINO's head, with a ViT, has no BatchNorm and no "
            "other normalisation between its layers.",
        )
    linear = [m for m in mlp.modules() if isinstance(m, nn.Linear)]
    if failed and not linear:
        raise failed
    expect(
        len(linear) in (0, 3),
        f"You have {len(linear)} nn.Linear layers. The head has three: in, hidden, bottleneck. "
        "(A list that is not an nn.ModuleList or nn.Sequential hides its layers; [layer] * 2 is "
        "one layer.)",
    )
    sizes = f"head_mlp({in_dim}, {hidden_dim}, {bottleneck_dim})"
    widths = [(in_dim, hidden_dim), (hidden_dim, hidden_dim), (hidden_dim, bottleneck_dim)]
    if not linear:
        return _raw(list(parameters.values()), widths)
    expect(
        all(layer.bias is not None for layer in linear),
        "A layer has no bias. The three linear layers have one; only the prototypes that follow "
        "have none.",
    )
    got = [(layer.in_features, layer.out_features) for layer in linear]
    expect(
        got != [(in_dim, hidden_dim), (hidden_dim, hidden_dim), (hidden_dim, hidden_dim)],
        "There is no bottleneck: the last layer is as wide as the hidden ones. It should narrow "
        "to bottleneck_dim, or each prototype costs hidden_dim numbers in place of a few.",
    )
    expect(
        sorted(got) == sorted(widths),
        f"For {sizes} your layers map {_arrows(got)}; they should map {_arrows(widths)}: two "
        "hidden layers, then the bottleneck.",
    )
    if failed:
        raise failed
    ours = {id(p) for layer in linear for p in layer.parameters()}
    others = [name for name, p in parameters.items() if id(p) not in ours]
    expect(
        not others,
        f"Beside the three linear layers there are other parameters ({', '.join(others)}). The MLP "
        "has none: the prototypes follow in 4.2.",
    )
    linear.sort(key=lambda layer: widths.index((layer.in_features, layer.out_features)))
    for layer in linear:
        expect(
            layer.weight.std(dim=0).min() > 0,
            "The weights of a layer all start at one value. Then all hidden units are alike, get "
            "the same gradient and stay alike. Leave nn.Linear's own random start.",
        )
    return [(layer.weight, layer.bias) for layer in linear]


def _arrows(widths: list[tuple[int, int]]) -> str:
    return ", ".join(f"{a} to {b}" for a, b in widths)


def _raw(parameters: list[Tensor], widths: list[tuple[int, int]]) -> Layers:
    """Of parameters without nn.Linear: weights by their shapes, biases in their order."""
    biases = [p for p in parameters if p.numel() in (widths[0][1], widths[2][1])]
    weights = [p for p in parameters if p.ndim == 2 and p not in set(biases)]
    found = []
    for (a, b), bias in zip(widths, biases, strict=False):
        fits = [w for w in weights if w.shape in ((a, b), (b, a))]
        if not fits:
            break
        found.append((fits[0] if fits[0].shape == (b, a) else fits[0].T, bias))
    expect(
        len(found) == 3 and len(parameters) == 6,
        "Your module has no nn.Linear layers, and its parameters are not three weights and three "
        f"biases for {_arrows(widths)}. Use nn.Linear.",
    )
    return found
