"""minidino.collapse: entropies by hand, effective rank from the eigenvalues of the covariance."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from minidino.collapse import (
    diagnose,
    effective_rank,
    entropy,
    kl_divergence,
    kl_from_logits,
    usage,
)
from minidino.trainer import batch_indices

INF = math.inf
ROOT = Path(__file__).resolve().parents[1]


def distributions(*shape):
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64).softmax(dim=-1)


@pytest.mark.parametrize(
    "p, nats",
    [
        ([0.0, 1.0, 0.0, 0.0], 0.0),  # 0 log 0 is 0, not nan
        ([0.25] * 4, math.log(4)),
        ([0.5, 0.25, 0.25, 0.0], 1.5 * math.log(2)),
    ],
)
def test_entropy_by_hand(p, nats):
    assert entropy(torch.tensor(p)).item() == pytest.approx(nats)


@pytest.mark.parametrize(
    "q, p, nats",
    [
        ([0.5, 0.5], [0.5, 0.5], 0.0),
        ([1.0, 0.0], [0.5, 0.5], math.log(2)),
        ([0.5, 0.5], [0.75, 0.25], 0.5 * math.log(4 / 3)),
        ([0.75, 0.25], [0.5, 0.5], 0.75 * math.log(3) - math.log(2)),  # the order matters
        ([1.0, 0.0], [1.0, 0.0], 0.0),
        ([0.5, 0.5], [1.0, 0.0], INF),
    ],
)
def test_kl_divergence_by_hand(q, p, nats):
    assert kl_divergence(torch.tensor(q), torch.tensor(p)).item() == pytest.approx(nats)


def test_entropy_and_kl_add_up_to_the_cross_entropy_row_by_row():
    q, p = distributions(2, 3, 5), distributions(4, 3, 5)[2:]
    h, kl = entropy(q), kl_divergence(q, p)
    assert h.shape == kl.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            pairs = list(zip(q[i, j].tolist(), p[i, j].tolist(), strict=True))
            assert h[i, j].item() == pytest.approx(-sum(a * math.log(a) for a, _ in pairs))
            cross = -sum(a * math.log(b) for a, b in pairs)
            assert (h + kl)[i, j].item() == pytest.approx(cross)
            assert kl[i, j] > 0


def rank_from_covariance(features):
    """Singular values of the centred features are the roots of the covariance's eigenvalues."""
    values = np.linalg.eigvalsh(np.cov(features.double().numpy(), rowvar=False, bias=True))
    s = np.sqrt(values.clip(min=0))
    s = s[s > 1e-9 * s.max()] / s.sum()
    return math.exp(-(s * np.log(s)).sum())


@pytest.mark.parametrize("scale", [[1, 1, 1, 1, 1], [10, 5, 1, 0.1, 0.01], [1, 1, 0, 0, 0]])
def test_effective_rank_equals_the_covariance_formula(scale):
    torch.manual_seed(0)
    x = torch.randn(50, 5, dtype=torch.float64) * torch.tensor(scale) + 3.0
    assert effective_rank(x) == pytest.approx(rank_from_covariance(x))


@pytest.mark.parametrize("directions", [1, 2, 4])
def test_effective_rank_counts_equal_directions(directions):
    axes = torch.eye(6)[:directions]
    rank = effective_rank(torch.cat([axes, -axes]))
    assert isinstance(rank, float) and rank == pytest.approx(directions)


def test_effective_rank_weighs_unequal_directions():
    """Singular values 3 : 1 count as exp of the entropy of (3/4, 1/4), between 1 and 2."""
    x = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    expected = math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert effective_rank(x) == pytest.approx(expected)


def test_effective_rank_ignores_offset_scale_and_rotation():
    torch.manual_seed(0)
    x = torch.randn(40, 6, dtype=torch.float64) * torch.arange(1.0, 7.0)
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    expected = effective_rank(x)
    for y in (x + 100.0, 1e-6 * x, x @ rotation):
        assert effective_rank(y) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_constant_feature_has_no_direction(value, dtype):
    """A full collapse must not read as high rank because of rounding in the mean."""
    row = value * torch.arange(1, 9)
    assert effective_rank(row.expand(37, 8).to(dtype)) == 0.0


def test_one_image_has_no_direction():
    assert effective_rank(torch.randn(1, 8)) == 0.0


@pytest.mark.parametrize(
    "targets, each, together",
    [
        ([[1.0, 0.0], [1.0, 0.0]], 0.0, 0.0),  # one prototype for all
        ([[0.5, 0.5], [0.5, 0.5]], math.log(2), math.log(2)),  # all prototypes for all
        ([[1.0, 0.0], [0.0, 1.0]], 0.0, math.log(2)),  # each its own
    ],
)
def test_usage_by_hand(targets, each, together):
    assert [x.item() for x in usage(torch.tensor(targets))] == pytest.approx([each, together])


def test_kl_from_logits_is_that_of_the_probabilities_and_stays_finite():
    torch.manual_seed(0)
    teacher, student, center = torch.randn(4, 6), torch.randn(4, 6), torch.randn(1, 6)
    q = ((teacher - center) / 0.3).softmax(dim=-1)
    want = kl_divergence(q, (student / 0.2).softmax(dim=-1))
    torch.testing.assert_close(kl_from_logits(teacher, student, center, 0.3, 0.2), want)
    far = kl_from_logits(torch.tensor([15.0, 0.0]), torch.tensor([0.0, 15.0]), torch.zeros(2), 0.1)
    assert far.item() == pytest.approx(150)


@pytest.mark.parametrize(
    "h, together, kl, name",
    [
        (0.999, 1.0, 0.0, "uniform"),
        (0.0, 0.0, 0.0, "peaked"),
        (0.7, 0.71, 0.0, "constant"),
        (0.05, 0.5, 0.05, "healthy"),  # sure of each, and using many
        (0.92, 0.99, 0.05, "healthy"),
        (0.5, 0.51, 0.8, "unstable"),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 40])
def test_diagnosis_of_the_last_quarter(h, together, kl, name, n):
    unit = math.log(32)
    begin = dict(entropy=0.5 * unit, usage=unit, kl=0.1 * unit)
    end = dict(entropy=h * unit, usage=together * unit, kl=kl * unit)
    last = max(n // 4, 1)
    assert diagnose([begin] * (n - last) + [end] * last, 32) == name


@pytest.mark.skipif(
    torch.__version__ < (2, 12),
    reason="until 2.12 PyTorch drew other first weights from a seed (its pull request 174997)",
)
def test_a_given_log_is_made_anew(monkeypatch):
    """The tool that made the course's logs still does: the same first lines, from one short run."""
    tool = runpy.run_path(str(ROOT / "tools/make_collapse_logs.py"))
    stored = (ROOT / "minidino/checks/logs/a.jsonl").read_text().splitlines()
    monkeypatch.setitem(tool["run"].__globals__, "batch_indices", first_twenty)
    lines = tool["run"](*tool["RUNS"]["a"], "a")
    assert [line["step"] for line in lines] == [10, 20]
    for line, before in zip(lines, map(json.loads, stored), strict=False):
        assert line == pytest.approx(before, abs=0.02)


def first_twenty(n, batch_size, seed, start, stop):
    return batch_indices(n, batch_size, seed, start, min(stop, 20))
