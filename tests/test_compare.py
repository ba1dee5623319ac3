"""``minidino compare``: a grid of runs, resumable; a table that tells a difference from none."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from PIL import Image

from minidino import config as configs
from minidino.cli import main
from minidino.errors import UserError
from minidino.limits import PIECES
from minidino.run.interrupts import RunStopped
from minidino.using import compare as comparing
from minidino.using import score
from minidino.using.compare import ABLATIONS, VARIANTS, compare, settings_of
from minidino.using.tables import PAPER, comparison_figure, difference, markdown


def _few(load_data, *spec, **how):
    """The real data, 80 pictures of it: scoring thousands takes longer than training on a few."""
    return load_data(*spec, **(how | {"max_images": 80}))


@pytest.fixture
def small(tiny_config, monkeypatch):
    """A recipe of seconds under the name things, and training counted."""
    recipe = replace(tiny_config, epochs=1, queue_length=16)
    monkeypatch.setitem(configs.RECIPES, "things", recipe)
    monkeypatch.setitem(configs.OBJECTIVES, "swav", {"out_dim": recipe.batch_size})
    few = partial(_few, score.load_data)
    monkeypatch.setattr(score, "load_data", few)
    trained = []
    real = comparing.train
    monkeypatch.setattr(
        comparing, "train", lambda c, *a, **k: trained.append(c) or real(c, *a, **k)
    )
    return trained


def test_a_grid_runs_once_and_writes_table_and_picture(small, tmp_path, capsys):
    out = tmp_path / "result"
    command = ["compare", "--objectives", "random", "dino", "--ablations", "mse", "--seeds", "2",
               "--processes", "1", "--runs", str(tmp_path / "runs"), "--out", str(out)]  # fmt: skip
    assert main(command) == 0
    assert len(small) == 4  # random weights are not trained
    found = json.loads(out.with_suffix(".json").read_text())
    assert [(r["variant"], r["seed"]) for r in found["runs"]] == [
        (v, s) for v in ("random", "dino", "mse") for s in range(2)
    ]
    for run in found["runs"]:
        assert 0 <= run["knn"] <= 100 and 0 <= run["linear"] <= 100
        assert 0 <= run["jaccard_mean"] <= 1 and run["jaccard_best_head"] >= max(
            run["jaccard_heads"]
        )
        assert {"commit", "torch", "device"} <= set(run["made_by"])
        assert run["variant"] == "random" or run["images_seen"] == 96  # 6 steps of 16
    assert out.with_suffix(".png").stat().st_size > 5000
    assert "| dino |" in out.with_suffix(".md").read_text()
    assert main(command) == 0
    assert len(small) == 4, "runs that have their scores were run again"
    # The file alone is enough: another machine, another folder for the runs. So is one that was
    # written before there was a setting.
    for run in found["runs"]:
        del run["config"]["koleo"], run["config"]["gram"]
    out.with_suffix(".json").write_text(json.dumps(found))
    command[command.index("--runs") + 1] = str(tmp_path / "elsewhere")
    assert main(command) == 0
    assert len(small) == 4
    assert "dino" in capsys.readouterr().out
    # What is not asked for this time stays; what has other settings than it would have today goes.
    found["runs"][0]["config"]["seed"] = 7
    out.with_suffix(".json").write_text(json.dumps(found))
    asked = [*command[:2], "dino", *command[command.index("--seeds") :]]
    assert main(asked) == 0 and len(small) == 4
    assert "left out: 1 of the runs" in capsys.readouterr().out
    after = json.loads(out.with_suffix(".json").read_text())
    assert after["runs"] == found["runs"][1:]


@pytest.mark.parametrize("there", [{"recipe": "things", "split": "val", "runs": []}, {"a": 1}])
def test_a_file_of_something_else_is_kept(there, tmp_path, capsys):
    file = tmp_path / "result.json"
    file.write_text(json.dumps(there))
    argv = ["compare", "--objectives", "random", "--out", str(tmp_path / "result")]
    assert main([*argv, "--runs", str(tmp_path / "runs")]) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert json.loads(file.read_text()) == there and not (tmp_path / "runs").exists()


def test_other_settings_are_another_run(small, tmp_path, monkeypatch):
    compare("things", ["dino"], 1, tmp_path, processes=1)
    monkeypatch.setitem(
        configs.RECIPES, "things", replace(configs.RECIPES["things"], student_temp=0.2)
    )
    with pytest.raises(UserError, match="student_temp"):  # the folder holds another run
        compare("things", ["dino"], 1, tmp_path, processes=1)


def test_after_a_stop_no_further_run_begins(tmp_path, monkeypatch):
    """Ctrl-C reaches all processes, and each obeys by leaving its run; the others wait."""
    begun = []

    def stopped(run):
        begun.append(run.variant)
        raise RunStopped("stopped", signal.SIGINT)

    monkeypatch.setattr(comparing, "train_and_score", stopped)
    monkeypatch.setattr(comparing, "ProcessPoolExecutor", lambda n, *_: ThreadPoolExecutor(n))
    with pytest.raises(RunStopped):
        compare("things", ["dino", "moco", "byol", "swav"], 3, tmp_path, processes=2)
    assert len(begun) <= 2


@pytest.mark.parametrize("objective", ["mae", "lejepa"])
def test_what_came_later_is_compared_and_used_like_the_others(
    small, objective, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("minidino.using.examples.MOST_OF_A_SET", 20)
    command = ["compare", "--objectives", objective, "--seeds", "1", "--processes", "1",
               "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "result")]  # fmt: skip
    assert main(command) == 0
    assert f"| {objective} |" in (tmp_path / "result.md").read_text()
    run = str(tmp_path / "runs" / "things" / f"{objective}-0")
    for use in (["knn"], ["linear", "--epochs", "2"], ["attend", "--pictures", "2"]):
        assert main([use[0], run, *use[1:]]) == 0
    said = capsys.readouterr().out
    assert said.count("random weights") >= 2 and "jaccard_best_head" in said


@pytest.mark.slow
def test_ctrl_c_is_one_line_and_each_run_goes_on(tmp_path):
    """A terminal sends it to all processes of the command."""
    command = [sys.executable, "-m", "minidino", "compare", "--objectives", "supervised", "moco",
               "byol", "--seeds", "1", "--processes", "2", "--runs", str(tmp_path)]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path
    )
    logs = [tmp_path / "things" / f"{name}-0" / "metrics.jsonl" for name in ("supervised", "moco")]
    late = time.monotonic() + 120
    while not all(log.is_file() and log.stat().st_size for log in logs):
        assert process.poll() is None and time.monotonic() < late
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said and "the same command goes on" in said.splitlines()[-1]
    assert all((log.parent / "checkpoint.pt").is_file() for log in logs)
    assert not (tmp_path / "things" / "byol-0").exists()


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v not in ABLATIONS])
def test_every_objective_is_a_variant(small, variant):
    assert settings_of("things", variant, 1).seed == 1


@pytest.mark.parametrize("variant", ABLATIONS)
def test_every_ablation_is_possible_in_the_real_recipe(variant):
    """And changes something."""
    config = settings_of("things", variant, 0)
    assert config != settings_of("things", "dino", 0)


def test_each_piece_of_a_successor_has_a_variant_that_names_it():
    """Notebook 13 finds them so."""
    named = [piece for changes in ABLATIONS.values() for piece in changes if piece in PIECES]
    assert sorted(named) == sorted(PIECES)


@pytest.mark.parametrize("recipe", configs.RECIPES)
def test_in_other_recipes_a_variant_is_what_it_says_or_is_refused(recipe):
    base, nothing = settings_of(recipe, "dino", 0), []
    for variant in VARIANTS:
        try:
            found = settings_of(recipe, variant, 0)
        except UserError as error:
            assert f"{variant} changes nothing in the recipe {recipe}" in str(error)
            nothing.append(variant)
            continue
        if variant.startswith("patch-"):  # views and pictures are as large as they were, nearly
            p = found.patch_size
            assert variant == f"patch-{p}"
            for side in ("global_size", "local_size", "eval_size"):
                assert abs(getattr(found, side) - getattr(base, side)) <= p / 2
    assert nothing == (["no-centering", "koleo-0.1", "sinkhorn"] if recipe == "photos" else [])
    assert settings_of(recipe, "temp-0.04-to-0.07", 0).warmup_teacher_temp == 0.04
    with_labels = settings_of(recipe, "supervised-resnet18", 0)
    assert with_labels.n_local == 0 and with_labels.koleo == 0


def test_where_a_comparison_is_written_is_seen_before_any_run(small, tmp_path, capsys):
    argv = ["compare", "--objectives", "random", "--seeds", "1", "--processes", "1",
            "--runs", str(tmp_path / "runs")]  # fmt: skip
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.png")
    (tmp_path / "file").write_text("")
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "notes.json").write_text("{'no': 'JSON'}")
    refused = {"photo": "was not written by minidino", "file/x": "file"}
    refused |= dict.fromkeys(("README", "list", "notes"), "holds no comparison")
    before = {f: f.read_bytes() for f in tmp_path.iterdir()}
    for out, words in refused.items():
        assert main([*argv, "--out", str(tmp_path / out)]) == 2
        assert words in capsys.readouterr().err and not (tmp_path / "runs").exists()
    assert {f: f.read_bytes() for f in tmp_path.iterdir()} == before
    assert main([*argv, "--out", str(tmp_path / "deep/er/v1.2")]) == 0
    written = sorted(p.name for p in (tmp_path / "deep/er").iterdir())
    assert written == ["v1.2.json", "v1.2.md", "v1.2.png"]
    said = capsys.readouterr().out
    assert all(str(tmp_path / "deep/er" / name) in said for name in written)


def test_unknown_names_are_told_before_any_run(tmp_path, capsys):
    assert main(["compare", "--objectives", "dyno", "--runs", str(tmp_path)]) == 2
    assert 'no variant "dyno"; there are random, dino' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_to_compare_is_a_mistake(tmp_path, capsys):
    assert main(["compare", "--runs", str(tmp_path), "--objectives"]) == 2
    assert "nothing to compare" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_overlapping_ranges_are_no_difference():
    def runs(*values):
        return [{"knn": v} for v in values]

    assert difference(runs(90, 91, 92), runs(91, 94, 95), "knn") == "none"
    assert difference(runs(90, 91, 92), runs(93, 94, 95), "knn") == "-3.0"
    assert difference(runs(98, 97, 99), runs(93, 94, 95), "knn") == "+4.0"


def test_of_fewer_than_three_seeds_no_difference_is_told():
    three, two = ([{"knn": v} for v in values] for values in ([90, 91, 92], [99, 98]))
    assert difference(two, three, "knn") == difference(three, two[:1], "knn") == ""


def test_the_table_has_the_papers_row_beside(tmp_path):
    assert set(PAPER) <= set(VARIANTS)
    scores = {"linear": 90.0, "jaccard_best_head": 0.5, "jaccard_mean": 0.4, "effective_rank": 9.0}
    found = {
        "recipe": "things",
        "split": "test",
        "runs": [
            {"variant": v, "seed": s, "knn": k + s, **scores}
            for v, k in (("random", 80), ("dino", 96), ("byol", 90))
            for s in range(3)
        ],
    }
    table = markdown(found)
    assert "| byol | 91.0 (90.0 to 92.0) |" in table and "| -6.0 | 66.6 | 47.8 |" in table
    assert len(comparison_figure(found).axes) == 4
    for run in found["runs"]:  # as where the data has no masks
        del run["jaccard_best_head"], run["jaccard_mean"]
    axes = comparison_figure(found).axes
    assert [ax.get_title() for ax in axes] == ["k-NN", "linear"]
    assert "| byol | 91.0 (90.0 to 92.0) |" in markdown(found) and "fewer" not in markdown(found)
    found["runs"] = [run for run in found["runs"] if run["seed"] < 2]
    assert "| byol | 90.5 (90.0 to 91.0) |" in markdown(found)
    assert "Of fewer than three seeds no difference is told." in markdown(found)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_says_which_signal_it_was(number, tmp_path, monkeypatch, capsys):
    def stopped(run):
        raise RunStopped("stopped", number)

    monkeypatch.setattr(comparing, "train_and_score", stopped)
    assert main(["compare", "--runs", str(tmp_path), "--processes", "1"]) == 128 + number
    assert "the same command goes on" in capsys.readouterr().err
