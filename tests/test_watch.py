"""The eye on a long run, on logs made by hand and on those of real runs."""

import json
import math
import pickle
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from minidino.engine.settings import Engine
from minidino.run.interrupts import RunStopped
from minidino.run.watch import ADVICE, TrainingDiverged, Watch, verdict
from minidino.trainer import Trainer

ROOT = Path(__file__).resolve().parents[1]
LN_K = math.log(512)


def line(step: int, entropy=3.0, usage=4.0, rate=100.0) -> dict:
    return dict(step=step, entropy=entropy, usage=usage, images_per_second=rate)


def test_lines_that_tell_of_no_collapse_are_passed_over():
    """A log is a person's file, too: who cuts a line short loses no verdict."""
    assert "not collapsed: a target tells 1.00" in verdict([line(1), {"step": 2, "loss": 6.0}], 512)
    assert "not known" in verdict([{"step": 1, "loss": 6.0}], 512)


def told(lines: list[dict]) -> list[tuple[int, str]]:
    watch = Watch(512, window=10)
    return [(x["step"], text) for x in lines for text in watch.see(x)]


@pytest.mark.parametrize(
    ("entropy", "usage"), [(0.97 * LN_K, 0.98 * LN_K), (0.001, 2.0)], ids=["soft", "sharp"]
)
def test_targets_that_differ_are_no_collapse(entropy, usage):
    assert told([line(i, entropy, usage) for i in range(100)]) == []


@pytest.mark.parametrize(
    ("entropy", "usage", "advice"),
    [
        (0.001, 0.001, "peaked target .* a lower --center-momentum"),
        (0.999 * LN_K, 0.9995 * LN_K, "flat target .* a lower --teacher-temp"),
        (0.5 * LN_K, 0.5005 * LN_K, "constant target .* more --warmup-epochs"),
    ],
)
def test_a_collapse_is_told_once_after_a_while(entropy, usage, advice):
    lines = [line(i) for i in range(20)] + [line(i, entropy, usage) for i in range(20, 60)]
    ((step, text),) = told(lines)
    assert step == 29 and text.startswith("steps 20 to 29: ")
    assert re.search(advice, text) and "collapsed" in text


def test_the_warm_up_is_not_judged():
    watch = Watch(512, warmup=40, window=10)
    found = [(i, text) for i in range(80) for text in watch.see(line(i, 6.2, 6.2))]
    assert [i for i, _ in found] == [50]


def test_a_few_bad_lines_are_no_collapse():
    lines = [line(i, *((0.0, 0.0) if i % 9 else (3.0, 4.0))) for i in range(50)]
    assert told(lines) == []


def test_a_run_that_becomes_slow_is_told_each_time():
    rates = [100] * 20 + [40] * 20 + [95] * 20 + [30] * 20
    found = told([line(i, rate=r) for i, r in enumerate(rates)])
    assert len(found) == 2 and all("it was 100" in text for _, text in found)
    assert 20 < found[0][0] < 30 and 60 < found[1][0] < 70


def test_swings_around_the_limit_are_one_trouble():
    rates = [100] * 20 + [45, 55] * 30
    assert len(told([line(i, rate=r) for i, r in enumerate(rates)])) <= 1


def test_a_real_collapse_is_told():
    """The first log of notebook 06 is a collapse to a peak; its lines have no rate."""
    logs = ROOT / "minidino/checks/logs"
    lines = [json.loads(x) for x in (logs / "a.jsonl").read_text().splitlines()]
    found = told([x | {"images_per_second": 1.0} for x in lines])
    assert len(found) == 1 and "same peaked target" in found[0][1]


@pytest.mark.parametrize(
    "text", [*ADVICE.values(), str(TrainingDiverged.at(1, "nan"))], ids=[*ADVICE, "diverged"]
)
def test_every_setting_that_is_advised_changes_a_run_of_the_recipe(text, tiny_config):
    """The temperature of a warm-up that no recipe has would not."""
    images = torch.randint(0, 256, (3, 16, 3, 60, 60), dtype=torch.uint8)

    def weights(**changed):
        trainer = Trainer(replace(tiny_config, **changed), 6, torch.device("cpu"))
        for step in images:
            trainer.step(step)
        return torch.cat([p.flatten() for p in trainer.student.parameters()])

    usual = weights()
    assert torch.equal(usual, weights())
    names = {name.replace("-", "_") for name in re.findall(r"--([a-z-]+)", text)}
    assert len(names) >= 2
    for name in names & {f.name for f in fields(tiny_config)}:
        value = 0.5 * getattr(tiny_config, name)
        assert not torch.equal(weights(**{name: type(getattr(tiny_config, name))(value)}), usual), (
            name
        )
    assert names <= {f.name for f in (*fields(tiny_config), *fields(Engine))}


ENDS = [TrainingDiverged.at(3, "nan"), RunStopped("saved", 15)]


@pytest.mark.parametrize("ended", ENDS, ids=lambda e: type(e).__name__)
def test_how_a_run_ended_can_be_told_to_another_process(ended):
    """A pool of processes sends exceptions by pickle, which calls the constructor again."""
    heard = pickle.loads(pickle.dumps(ended))
    assert type(heard) is type(ended)
    assert str(heard) == str(ended) and vars(heard) == vars(ended)
