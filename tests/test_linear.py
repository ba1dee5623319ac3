"""The linear layer against float64 formulas, and where oneDNN computes it."""

import pytest
import torch
from torch import nn

from minidino import linear
from minidino.linear import Linear

needs_onednn = pytest.mark.skipif(not linear.HAS_ONEDNN, reason="this PyTorch has no oneDNN")


@pytest.fixture
def products(monkeypatch):
    """Every product is large; those that oneDNN computed."""
    monkeypatch.setattr(linear, "LARGE", 0)
    seen, onednn = [], linear.onednn
    monkeypatch.setattr(linear, "onednn", lambda *a: seen.append(a[0].shape) or onednn(*a))
    return seen


def some(*shape: int, layout: str = "rows") -> torch.Tensor:
    x = torch.randn(*shape)
    if layout == "columns":
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    return torch.ones(()).expand(shape) if layout == "one number" else x


@needs_onednn
@pytest.mark.parametrize("layout", ["rows", "columns", "one number"])
@pytest.mark.parametrize("shape", [(7, 20), (3, 5, 20), (2, 3, 5, 20), (0, 5, 20)], ids=str)
def test_values_and_gradients_are_those_of_the_formulas(products, shape, layout):
    torch.manual_seed(0)
    layer, g = Linear(20, 12), some(*shape[:-1], 12, layout=layout)
    x = some(*shape, layout=layout).requires_grad_()
    y = layer(x)
    to_x, to_w, to_b = torch.autograd.grad(y, [x, layer.weight, layer.bias], g)
    assert products == [(*y.shape[:-1], 20), y.shape]
    x, g, w, b = (t.detach().double() for t in (x, g, layer.weight, layer.bias))
    rows, of_y = x.reshape(-1, 20), g.reshape(-1, 12)
    for ours, exact in (
        (y, x @ w.T + b),
        (to_x, g @ w),
        (to_w, of_y.T @ rows),
        (to_b, of_y.sum(dim=0)),
    ):
        torch.testing.assert_close(ours, exact.float(), rtol=1e-5, atol=1e-5)


def test_it_has_the_parameters_of_pytorchs():
    torch.manual_seed(0)
    ours = Linear(20, 12)
    torch.manual_seed(0)
    theirs = nn.Linear(20, 12)
    for (name, p), (name_too, q) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == name_too and torch.equal(p, q)


def test_small_products_are_pytorchs(products, monkeypatch):
    monkeypatch.setattr(linear, "LARGE", 6 * 20 * 12)
    layer = Linear(20, 12)
    layer(torch.zeros(5, 20))
    assert products == []
    layer(torch.zeros(6, 20))
    assert len(products) == linear.HAS_ONEDNN


def test_other_types_are_pytorchs(products):
    layer, x = Linear(20, 12), torch.randn(5, 20)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.double()(x.double()).dtype == torch.float64
    assert products == []


def test_without_onednn_it_is_pytorchs(products, monkeypatch):
    monkeypatch.setattr(linear, "HAS_ONEDNN", False)
    layer, x = Linear(20, 12), torch.randn(5, 20)
    assert torch.equal(layer(x), nn.Linear.forward(layer, x)) and products == []


def test_a_compiled_network_has_pytorchs(products):
    layer, x = Linear(20, 12), torch.randn(5, 20)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), nn.Linear.forward(layer, x))
    assert products == []


def test_transforms_of_functions_see_through_it(products):
    """torch.func takes gradients of a function of the weights."""
    layer, x = Linear(20, 12), torch.randn(5, 20)
    weights = dict(layer.named_parameters())

    def loss(layer_of, weights):
        return torch.func.functional_call(layer_of, weights, (x,)).square().sum()

    plain = nn.Linear(20, 12)
    ours, theirs = (
        torch.func.grad(lambda w, one=one: loss(one, w))(weights) for one in (layer, plain)
    )
    for name in weights:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-5)
