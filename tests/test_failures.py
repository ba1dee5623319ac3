"""Every failure of docs/loss-does-not-move.md happens, smaller than in its plot, and its cure."""

import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minidino.engine.settings import Engine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import failures
import recipes_table

ROOT = Path(__file__).resolve().parents[1]
SHORT = dict(max_images=576)  # 60 steps


def told(line: dict) -> float:
    """Nats that a target tells of its picture."""
    return line["usage"] - line["entropy"]


def ends(name: str, **smaller) -> tuple[dict, dict]:
    """The last lines of the wrong run and of the cured one that have a loss."""
    return tuple(
        [x for x in lines if "loss" in x][-1] for lines in failures.TROUBLES[name].lines(**smaller)
    )


def test_without_sharpening_the_loss_is_flat_at_ln_k():
    wrong, right = ends("flat", **SHORT)
    assert wrong["loss"] == pytest.approx(math.log(256), rel=5e-3) and told(wrong) < 0.01
    assert told(right) > 10 * told(wrong)


def test_without_centering_one_prototype_takes_all():
    wrong, right = ends("peaked", **SHORT)
    assert wrong["loss"] < 0.01 and wrong["usage"] < 0.01
    assert right["usage"] > 0.9 * math.log(64) and told(right) > 0.05


def test_swapped_temperatures_end_uniform():
    wrong, right = ends("swapped", **SHORT)
    assert wrong["loss"] == pytest.approx(math.log(64), rel=5e-3) and told(wrong) < 0.01
    assert told(right) > 0.05


def test_fp16_ends_where_fp32_has_numbers(capsys):
    trouble = failures.TROUBLES["nan"]
    config = replace(trouble.base, max_images=96, epochs=20, **trouble.wrong)
    failures.log_of(config, Engine(**trouble.engine))
    assert "the loss is nan" in capsys.readouterr().out
    assert failures.log_of(config)[-1]["step"] == 40
    assert "nan" not in capsys.readouterr().out


def test_a_softer_teacher_has_a_higher_loss_and_no_higher_kl():
    base = replace(failures.QUICK, **SHORT)
    warmed = replace(base, teacher_temp=0.07, warmup_teacher_temp_epochs=base.epochs)
    lines = failures.log_of(warmed)
    early, late = lines[len(lines) // 2], lines[-1]
    assert late["loss"] > early["loss"] + 0.02
    assert late["kl"] <= early["kl"] and told(late) > 0.02


def test_a_teacher_with_too_long_a_half_life_stays_what_it_was():
    """How far the teacher is from where it began, of the way that the student has gone."""
    config = replace(failures.QUICK, max_images=480, epochs=1, warmup_epochs=0)
    moved = {}
    for momentum in (0.9995, 0.9):
        trainer = failures.Trainer(replace(config, teacher_momentum=momentum), 10, failures.CPU)
        before = [p.clone() for p in trainer.teacher.parameters()]
        for _ in range(10):
            trainer.step(torch.randint(0, 256, (48, 3, 40, 40), dtype=torch.uint8))
        gone = [
            math.sqrt(sum(((p - b) ** 2).sum().item() for p, b in zip(n, before, strict=True)))
            for n in (trainer.teacher.parameters(), trainer.student.parameters())
        ]
        moved[momentum] = gone[0] / gone[1]
    assert moved[0.9995] < 0.005 and moved[0.9] > 20 * moved[0.9995]


def test_few_pictures_in_few_epochs_are_too_few_steps():
    """10 steps; nothing has begun."""
    trouble = failures.TROUBLES["few"]
    lines = failures.log_of(replace(trouble.base, knn_evals=2, **trouble.wrong))
    first, last = (x["knn"] for x in lines if "knn" in x)
    assert lines[-1]["step"] == 10 and last < first + 5


def test_a_run_goes_on_smoothly_only_with_all_of_its_state():
    wrong, right = failures.resumed(replace(failures.QUICK, max_images=480), stop=30)
    assert len(wrong) == len(right) == 50 and wrong[:30] == right[:30]
    assert abs(sum(wrong[35:]) - sum(right[35:])) / 15 > 0.2


def test_a_prefix_left_in_place_loads_nothing():
    random, wrong, right = failures.loaded().values()
    assert all(
        torch.equal(a, b) for a, b in zip(random.parameters(), wrong.parameters(), strict=True)
    )
    assert failures.knn_of(right) > failures.knn_of(wrong) + 10


def test_parts_and_recomputing_bring_a_batch_into_a_card():
    plain, parts, again = (
        failures.memory_needed(64, e)
        for e in (Engine(), Engine(accumulate=4), Engine(checkpoint_activations=True))
    )
    assert plain > 8 > max(parts, again)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stuck", "few", "batch"])
def test_k_nn_is_behind_that_of_the_cured_run(name):
    """At the size of the plot."""
    wrong, right = ([x["knn"] for x in r if "knn" in x] for r in failures.TROUBLES[name].lines())
    assert wrong[0] == pytest.approx(right[0], abs=3)  # random weights
    assert right[-1] > right[0] + 15 and wrong[-1] < right[-1] - 8


@pytest.mark.slow
def test_the_loss_rises_and_k_nn_with_it():
    lines = failures.TROUBLES["rises"].lines()[0]
    knn, loss = ([x[key] for x in lines if key in x] for key in ("knn", "loss"))
    assert loss[-1] > loss[4] + 0.2 and knn[-1] > knn[0] + 15  # from step 50 on


@pytest.mark.slow
def test_attention_lies_on_a_background_that_tells_and_not_on_noise():
    times = {}
    for data in ("things-telling", "things"):
        times[data] = failures.on_the_thing(*failures.looked_at(data, failures.QUICK)).mean().item()
    assert times["things-telling"] < 0.8 * times["things"]


def test_the_mass_on_the_thing_is_that_of_a_hand_worked_map():
    """A map whose mass lies on one patch of four, a thing that fills that patch, or half of it."""
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[0, :4, :4] = masks[1, :4, :2] = True
    one = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).expand(2, 3, 2, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "attention_maps", lambda *_: one)
        found = failures.on_the_thing(None, torch.zeros(2, 3, 8, 8, dtype=torch.uint8), masks)
    assert found.tolist() == [4.0, 4.0]  # 1 of 1/4 of the area; 1/2 of 1/8


# ------------------------------------------------------------------ the pages


def test_every_failure_has_its_plot_its_question_and_a_way_there():
    page = (ROOT / "docs/loss-does-not-move.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(failures/(\w+)\.png\)", page)) == set(failures.FIGURES)
    titles = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", page, re.MULTILINE)
    }
    assert len(titles) == len(failures.FIGURES) == 12
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) == titles


def test_the_table_of_recipes_is_that_of_its_commands():
    page = recipes_table.PAGE.read_text(encoding="utf-8")
    assert len(recipes_table.commands(page)) >= 7
    assert recipes_table.written(page) == page, "run: python tools/recipes_table.py"


def test_a_command_that_the_command_line_refuses_is_told():
    with pytest.raises(ValueError, match="exit code 2"):
        recipes_table.config_of("minidino train --recipe tiny --patch-sise 4")
