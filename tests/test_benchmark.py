"""The benchmark compares like with like: without an optimisation a step has the same numbers."""

import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from minidino.data.pictures import Pictures
from minidino.data.things import ThingsOnStuff

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import contenders
import cost
import measure
import plain
import throughput

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    drawn = ThingsOnStuff(32, 60)
    return Pictures(drawn.images, drawn.labels)


def three_steps(contender) -> tuple[torch.Tensor, torch.Tensor]:
    """The losses, and how far all weights of student and teacher moved, in one row."""

    def weights() -> torch.Tensor:
        networks = contender.trainer.student, contender.trainer.teacher
        return torch.cat([p.detach().flatten() for n in networks for p in n.parameters()])

    before = weights()
    losses = torch.stack([contender.step_alone() for _ in range(3)])
    return losses, weights() - before


@pytest.mark.parametrize("rung", contenders.RUNGS, ids=lambda r: r.name)
def test_without_an_optimisation_the_numbers_are_the_same(rung, data, tiny_config, monkeypatch):
    monkeypatch.setattr("minidino.engine.settings.LARGEST_ACTIVATION", 0)
    losses, moved = three_steps(contenders.Minidino(tiny_config, data, CPU))
    plain_losses, plainly = three_steps(contenders.Minidino(tiny_config, data, CPU, [rung]))
    torch.testing.assert_close(losses, plain_losses, rtol=1e-6, atol=0)
    # AdamW's first steps magnify the rounding of a gradient that is nearly 0.
    assert (moved - plainly).norm() < 1e-3 * plainly.norm()


@pytest.mark.parametrize("rung", contenders.RUNGS, ids=lambda r: r.name)
def test_an_optimisation_that_is_off_is_off(rung, data, tiny_config, monkeypatch):
    """Its plain form runs, or the optimizer and the reads are the plain ones."""
    calls = []
    if rung.plain is not None:
        spied = contenders.Rung(
            rung.name, rung.target, lambda *a: calls.append(1) or rung.plain(*a)
        )
        contenders.Minidino(tiny_config, data, CPU, [spied]).step_alone()
    else:
        contender = contenders.Minidino(tiny_config, data, CPU, [rung])
        if rung is contenders.COMPILE:
            calls = [1] * (not contender.trainer.engine.compile)
        elif rung is contenders.THREADS:
            calls = [1] * (len(contender.trainer.gradients.replicas) == 1)
        elif rung is contenders.ADAMW:
            calls = [1] * (not contender.trainer.optimizer.defaults["fused"])
        else:
            item = torch.Tensor.item
            monkeypatch.setattr(torch.Tensor, "item", lambda t: calls.append(1) or item(t))
            contender.step_alone()
    assert calls


def test_pairs_one_by_one_are_the_equation():
    torch.manual_seed(0)
    student = torch.randn(4, 3, 7, dtype=torch.float64)
    q = torch.randn(2, 3, 7, dtype=torch.float64).softmax(-1)
    p = student.exp() / student.exp().sum(-1, keepdim=True)
    pairs = [(i, j) for i in range(2) for j in range(4) if i != j]
    by_hand = sum(-(q[i] * p[j].log()).sum() / 3 for i, j in pairs) / len(pairs)
    torch.testing.assert_close(plain.pair_by_pair(student, q), by_hand)


@pytest.mark.parametrize("name", ["dino.py", "lightly + timm", "dino.py + timm"])
def test_peers_see_views_of_the_same_shapes_and_learn(name, data, tiny_config, monkeypatch):
    if name == "lightly + timm":
        pytest.importorskip("lightly")
    if name == "dino.py + timm":  # where lightly is missing
        monkeypatch.setattr(contenders, "has_lightly", lambda: False)
    contender = contenders.builders(tiny_config, data, CPU, 0, False)[name]()
    teacher = getattr(contender, "dino", contender).teacher
    before = [p.clone() for p in teacher.parameters()]
    assert torch.isfinite(contender.step())
    moved = [not torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True)]
    assert any(moved)
    shapes = {tuple(v.shape[1:]) for v in contender.views}
    c = tiny_config
    assert shapes == {(3, c.global_size, c.global_size), (3, c.local_size, c.local_size)}


@pytest.mark.alone
def test_workers_of_a_peer_that_rests_are_gone(data, tiny_config):
    before = set(multiprocessing.active_children())
    pytest.importorskip("lightly")
    peer = contenders.LightlyAndTimm(tiny_config, data, CPU, workers=2)
    for _ in range(2):
        peer.step()
        assert len(set(multiprocessing.active_children()) - before) == 2
        peer.rest()
        assert set(multiprocessing.active_children()) <= before


def test_flops_are_those_of_the_products():
    a = torch.randn(5, 7, requires_grad=True)
    b = torch.randn(7, 11)
    # One product forward, one backward (b needs no gradient); a multiply-add counts 2.
    assert measure.flops(lambda: (a @ b).sum().backward()) == 2 * (2 * 5 * 7 * 11)


def test_flops_of_products_are_counted():
    """A product forward and two backward."""
    layer, x = torch.nn.Linear(7, 11), torch.randn(5, 7, requires_grad=True)
    assert measure.flops(lambda: layer(x).sum().backward()) == 3 * (2 * 5 * 7 * 11)


@pytest.mark.alone
def test_peak_memory_sees_what_a_step_allocates():
    assert 200e6 < measure.peak_memory(Hungry, CPU, steps=1) < 400e6


class Hungry:
    """Allocates 240 MB in a step."""

    def step(self):
        return torch.ones(60_000_000).sum()


@pytest.mark.alone
def test_everyone_has_a_turn_in_each_round_in_changing_order():
    order = []
    steps = {
        "a": lambda: order.append("a") or torch.zeros(()),
        "b": lambda: order.append("b") or torch.zeros(()),
    }
    spreads = measure.in_turn(steps, batch_size=3, rounds=15, seconds=0.005)
    turns = [x for x, y in zip(order, [*order[1:], ""], strict=True) if x != y]
    assert turns[:2] == ["a", "b"]  # the warm-up
    assert len(turns) > 12  # of 32 at most, were nobody ever to follow himself
    assert all(len(s.values) == 15 and s.median > 0 for s in spreads.values())


@pytest.mark.alone
def test_who_rests_between_turns_is_warmed_up_in_each():
    """What a step takes from a stock is not the rate of making it."""
    stock, events = {"a": 0}, []

    def step():
        events.append("step")
        if stock["a"]:  # made ahead
            stock["a"] -= 1
        else:
            time.sleep(0.02)
        return torch.zeros(())

    def rest():
        events.append("rest")
        stock["a"] = 3

    rates = measure.in_turn({"a": step}, batch_size=1, rounds=3, seconds=0.2, rest={"a": rest})
    assert [e for e, after in zip(events, [*events[1:], ""], strict=True) if e != after] == [
        "step", "rest", "step", "rest", "step", "rest"
    ]  # fmt: skip
    assert max(rates["a"].values) < 1 / 0.02


def test_no_point_of_the_figure_of_costs_is_cut_off():
    one = {"images_per_second": 100.0, "peak_bytes": 2**20}
    much = {"images_per_second": 900.0, "peak_bytes": 2**30}
    figure = cost.figure_of({"first": {1: one, 2: one}, "second": {1: one, 2: much}}, "title")
    for ax in figure.axes:
        low, high = ax.get_ylim()
        assert all(low <= y <= high for line in ax.lines for y in line.get_ydata()) and low == 0


def test_small_rates_and_small_gains_are_told_apart_in_the_chart():
    results = {
        "minidino": {"end_to_end": [6.96], "step_alone": [7.58]},
        "without: something": {"step_alone": [7.6]},  # a quarter of a percent faster
        "peer": {"end_to_end": [113.6], "step_alone": [5.7]},
    }
    texts = {t.get_text().strip() for ax in throughput.chart(results, "").axes for t in ax.texts}
    assert texts == {"7.0", "7.6", "114", "5.7", "+0%"}


def test_every_second_round_lies_in_the_middle_half():
    values = [7.0, 1.0, 3.0, 9.0, 5.0, 4.0, 8.0, 2.0, 6.0]
    assert measure.Spread(values).middle_half == tuple(np.quantile(values, [0.25, 0.75]))
    assert measure.Spread([4.0]).middle_half == (4.0, 4.0)
    assert str(measure.Spread(values)).split() == ["5.0", "(3.0", "to", "7.0)"]
