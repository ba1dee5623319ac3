"""LeJEPA against lightly, a closed form and fine quadrature in float64; its runs."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightly.loss import LeJEPALoss

from minidino.config import OBJECTIVES
from minidino.engine.settings import Engine
from minidino.run.objectives import make_trainer
from minidino.successors import lejepa
from minidino.successors.lejepa import SIGReg, lejepa_loss

CPU = torch.device("cpu")


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def along_one_axis(x: torch.Tensor) -> torch.Tensor:
    """``SIGReg`` of a sample (B,) of numbers: all directions are this one, or against it."""
    test = SIGReg(1)
    assert torch.equal(test.directions.abs(), torch.ones(1, lejepa.DIRECTIONS))
    return test(x.view(1, -1, 1))


SAMPLES = {
    "normal": normal(200),
    "twice as wide": 2 * normal(200),
    "beside": normal(50) + 1,
    "two heaps": torch.tensor([-1.0, 1.0]).repeat(30),
    "collapsed": torch.full((40,), 0.3),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_epps_and_pulleys_statistic_by_fine_quadrature(name):
    """Of the same integral, from -3 to 3, in float64 with 60,001 points."""
    x = SAMPLES[name]
    t = np.linspace(-3, 3, 60_001)
    phi = np.exp(1j * t[:, None] * x.double().numpy()).mean(axis=1)
    value = np.abs(phi - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2)
    want = len(x) * np.trapezoid(value, t)
    ours = along_one_axis(x).item()
    print(f"{name}: {ours:.4f}, by quadrature {want:.4f}")
    assert ours == pytest.approx(want, rel=0.02)


@pytest.mark.parametrize("name", SAMPLES)
def test_and_by_its_closed_form(name):
    """Of the integral over all t (Epps and Pulley 1983); beyond 3 lie at most 6% of it here."""
    x = SAMPLES[name].double()
    n, apart = len(x), x[:, None] - x
    pairs = math.sqrt(2 * math.pi) * (-(apart**2) / 2).exp().mean()
    alone = math.sqrt(math.pi) * (-(x**2) / 4).exp().mean()
    want = n * (pairs - 2 * alone + math.sqrt(2 * math.pi / 3)).item()
    assert along_one_axis(x.float()).item() == pytest.approx(want, rel=0.07, abs=0.02)


def test_a_gaussian_is_best_and_collapse_is_worst():
    """And a test at this size tells an isotropic one from one that lies in half the directions."""
    z, test = normal(1, 512, 16), SIGReg(16)
    flat = torch.cat([z[..., :8], torch.zeros(1, 512, 8)], dim=-1)
    values = [test(x).item() for x in (z, 1.5 * z, flat, torch.zeros_like(z))]
    assert values[0] < 2 < 10 < min(values[1:]) and max(values) == values[-1]


@pytest.mark.parametrize(("views", "images", "dim"), [(6, 16, 8), (2, 40, 16), (3, 5, 4)])
def test_the_loss_is_lightlys(views, images, dim):
    """With the directions that theirs draws; the gradients, too."""
    z = (2 * normal(views * images, dim, seed=views)).requires_grad_()
    test, theirs = SIGReg(dim), LeJEPALoss(sigreg_num_vectors=lejepa.DIRECTIONS)
    torch.manual_seed(3)
    drawn = torch.randn(dim, lejepa.DIRECTIONS)
    test.directions.copy_(drawn / drawn.norm(dim=0))
    ours = lejepa_loss(z, images, test)
    by_view = z.view(views, images, dim)
    torch.manual_seed(3)
    if views > 2:
        want = theirs(global_proj=by_view[:2], local_proj=by_view[2:])
    else:  # theirs wants local views
        apart = (by_view - by_view.mean(0)).square().mean()
        want = 0.95 * apart + 0.05 * theirs.sigreg(by_view)
    print(f"LeJEPA's loss differs by {abs(ours - want).item():.1e} of {want.item():.3f}")
    torch.testing.assert_close(ours, want, rtol=1e-5, atol=0)
    pair = (torch.autograd.grad(loss, z)[0] for loss in (ours, want))
    torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-6)


def test_gradients_are_those_of_differences():
    test = SIGReg(4).double()
    z = normal(6, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: lejepa_loss(z, 2, test), (z,), atol=1e-6)


def test_directions_are_of_length_1_and_others_at_every_step(tiny_config):
    c = replace(tiny_config, objective="lejepa", **OBJECTIVES["lejepa"])
    trainer, seen = make_trainer(c, 6, CPU, Engine()), []
    for _ in range(2):
        trainer._shown((), None)
        seen.append(trainer.criterion.directions.clone())
        trainer.now += 1
    torch.testing.assert_close(seen[0].norm(dim=0), torch.ones(lejepa.DIRECTIONS))
    assert not torch.allclose(seen[0], seen[1])
    trainer.now = 0
    trainer._shown((), None)
    assert torch.equal(trainer.criterion.directions, seen[0])
    assert trainer.criterion.state_dict() == {}  # a step draws them anew
