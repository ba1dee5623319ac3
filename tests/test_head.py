"""minidino.head against lightly's head, a float64 formula, and what makes a score a cosine."""

import math
import warnings

import pytest
import torch
from torch import nn

from minidino.head import DINOHead

SIZES = {"in_dim": 12, "out_dim": 20, "hidden_dim": 16, "bottleneck_dim": 6}


def small_head(**kw):
    """A float64 head with every parameter, biases and gains too, away from its start value."""
    torch.manual_seed(0)
    head = DINOHead(**SIZES, **kw).double()
    with torch.no_grad():
        for name, p in head.named_parameters():
            if p.requires_grad or "weight_g" not in name:
                p.add_(torch.randn_like(p), alpha=0.3)
    return head


def features(*shape):
    return torch.randn(*shape, 12, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("norm_last_layer", [True, False])
def test_scores_and_gradients_equal_lightly(norm_last_layer):
    heads = pytest.importorskip("lightly.models.modules.heads")
    ours = small_head(norm_last_layer=norm_last_layer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lightly uses torch's older weight_norm
        theirs = heads.DINOProjectionHead(12, 16, 6, 20, norm_last_layer=norm_last_layer).double()
    # lightly calls the MLP `layers`; the official checkpoints and we call it `mlp`.
    state = {name.replace("mlp.", "layers."): p for name, p in ours.state_dict().items()}
    theirs.load_state_dict(state, strict=True)
    x = features(5)
    torch.testing.assert_close(ours(x), theirs(x))
    for head in (ours, theirs):
        head(x).square().sum().backward()
    for name, p in theirs.named_parameters():
        grad = ours.get_parameter(name.replace("layers.", "mlp.")).grad
        torch.testing.assert_close(grad, p.grad)


@torch.no_grad()
def test_scores_equal_the_formula_term_by_term():
    head = small_head(norm_last_layer=False)
    p = head.state_dict()
    for x in features(3):
        z = x
        for layer in (0, 2, 4):
            z = p[f"mlp.{layer}.weight"] @ z + p[f"mlp.{layer}.bias"]
            if layer < 4:
                z = torch.stack([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in z])  # GELU
        z = z / z.square().sum().sqrt()
        rows = zip(p["last_layer.weight_g"], p["last_layer.weight_v"], strict=True)
        scores = [g * (v @ z) / v.square().sum().sqrt() for g, v in rows]
        torch.testing.assert_close(head(x), torch.cat(scores))


def test_parameter_names_are_those_of_the_released_checkpoints():
    """The last layer has a gain and a direction per prototype, and no bias."""
    shapes = {name: tuple(p.shape) for name, p in DINOHead(**SIZES).state_dict().items()}
    assert shapes == {
        "mlp.0.weight": (16, 12),
        "mlp.0.bias": (16,),
        "mlp.2.weight": (16, 16),
        "mlp.2.bias": (16,),
        "mlp.4.weight": (6, 16),
        "mlp.4.bias": (6,),
        "last_layer.weight_g": (20, 1),
        "last_layer.weight_v": (20, 6),
    }


def test_default_widths_are_the_paper_s():
    shapes = {n: tuple(p.shape) for n, p in DINOHead(in_dim=4, out_dim=8).named_parameters()}
    assert shapes["mlp.2.weight"] == (2048, 2048)
    assert shapes["mlp.4.weight"] == (256, 2048)
    assert shapes["last_layer.weight_v"] == (8, 256)


def test_linear_layers_start_truncated_normal_with_zero_bias():
    torch.manual_seed(0)
    head = DINOHead(in_dim=64, out_dim=8, hidden_dim=128, bottleneck_dim=64)
    for layer in (m for m in head.mlp if isinstance(m, nn.Linear)):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert not layer.bias.any()


@torch.no_grad()
def test_bottleneck_is_normalised():
    """Only its direction counts: tripling it changes nothing."""
    head, x = small_head(), features(4)
    before = head(x)
    head.mlp[4].weight.mul_(3)
    head.mlp[4].bias.mul_(3)
    torch.testing.assert_close(head(x), before)


@torch.no_grad()
def test_prototypes_are_normalised():
    head, x = small_head(), features(4)
    before = head(x)
    head.last_layer.weight_v.mul_(torch.arange(1.0, 21.0)[:, None])
    torch.testing.assert_close(head(x), before)


@torch.no_grad()
def test_a_score_is_the_cosine_of_bottleneck_and_prototype():
    head, x = small_head(), features(1)
    assert head(features(200)).abs().max() <= 1.0 + 1e-12
    head.last_layer.weight_v[3] = 7 * head.mlp(x)[0]  # same direction
    head.last_layer.weight_v[4] = -head.mlp(x)[0]  # opposite
    assert head(x)[0, 3:5].tolist() == pytest.approx([1.0, -1.0])


@pytest.mark.parametrize("norm_last_layer, length", [(True, 1.0), (False, 1.5)])
def test_norm_last_layer_freezes_the_gain(norm_last_layer, length):
    head = DINOHead(**SIZES, norm_last_layer=norm_last_layer)
    gain = head.last_layer.weight_g
    assert torch.equal(gain, torch.ones(20, 1))  # the start in both cases
    assert gain.requires_grad is not norm_last_layer
    optimizer = torch.optim.SGD([p for p in head.parameters() if p.requires_grad], lr=0.5)
    prototypes = head.last_layer(torch.eye(6))  # (6, 20): a column is a prototype
    (-prototypes.norm(dim=0).sum()).backward()  # ask for longer prototypes
    optimizer.step()
    lengths = head.last_layer(torch.eye(6)).norm(dim=0)
    torch.testing.assert_close(lengths, torch.full((20,), length))


def test_last_layer_learns_directions_only():
    """The norm is part of the graph: no gradient along a prototype's own direction."""
    head = small_head()
    head(features(5)).square().sum().backward()
    v = head.last_layer.weight_v
    assert v.grad.norm() > 1e-3
    torch.testing.assert_close((v.grad * v).sum(dim=1), torch.zeros(20).double())


@torch.no_grad()
def test_leading_dimensions_are_kept():
    head, x = small_head(), features(2, 3)
    torch.testing.assert_close(head(x), head(x.reshape(6, 12)).reshape(2, 3, 20))


@pytest.mark.parametrize("out_dim", [1, 0])
def test_fewer_than_two_prototypes_are_refused(out_dim):
    with pytest.raises(ValueError, match="2 or more prototypes"):
        DINOHead(in_dim=4, out_dim=out_dim)
