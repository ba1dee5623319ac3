"""Everything for one sitting at a GPU, rehearsed on the CPU; and how a race is judged."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minidino.errors import UserError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import race
import speed_tables

ROOT = Path(__file__).resolve().parents[1]


def picture(seed: int, size: tuple[int, int], kind: str) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """The script's surroundings: a few pictures in place of the data sets, its own folders."""
    folder = tmp_path_factory.mktemp("sitting")
    with zipfile.ZipFile(folder / "imagenette128.zip", "w") as out:
        for part, n in (("train", 16), ("val", 6)):
            for i in range(2 * n):
                name = f"imagenette128/{part}/{'ab'[i % 2]}/{i}.webp"
                out.writestr(name, picture(1000 * n + i, (128, 128), "webp"))
    mask = BytesIO()
    Image.fromarray(np.uint8([[0, 255]]).repeat(48, 0).repeat(32, 1)).save(mask, "png")
    with zipfile.ZipFile(folder / "davis_masks.zip", "w") as out:
        for video in "cd":
            out.writestr(f"davis_masks/images/{video}/0.jpg", picture(7, (48, 64), "jpeg"))
            out.writestr(f"davis_masks/masks/{video}/0.png", mask.getvalue())
    return os.environ | {
        "REHEARSE": "1", "PYTHON": sys.executable, "DATA": str(folder), "MINUTES": "60",
        "RESULTS": str(folder / "results"), "RUNS": str(folder / "runs"), "COMMIT": "abc1234",
        "ARCHIVE": str(folder / "report.tar.gz"), "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip


def report(environment: dict, *stages: str) -> tuple[subprocess.CompletedProcess, list[dict]]:
    """Run stages; what was said, and the lines of stages.jsonl."""
    done = subprocess.run(
        [ROOT / "tools/gpu_report.sh", *stages], env=environment, capture_output=True, text=True
    )
    log = Path(environment["RESULTS"]) / "stages.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return done, [json.loads(line) for line in lines]


@pytest.mark.slow
def test_a_sitting_trains_scores_and_goes_on(rehearsal):
    """Two of its stages. Where there is no time nothing begins and nothing is lost."""
    results = Path(rehearsal["RESULTS"])
    done, lines = report(rehearsal, "race", "davis")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(x["stage"], x["exit_code"]) for x in lines] == [("race", 0), ("davis", 0)]
    assert {x["commit"] for x in lines} == {"abc1234"}
    short, after = report(rehearsal | {"MINUTES": "0"}, "race", "davis")
    assert short.returncode == 1 and after == lines
    assert "race: no time left" in short.stdout and "davis: no time left" in short.stdout
    run = json.loads((results / "race/seed0/race.json").read_text())
    assert run["checks"][0]["step"] == 0 and run["checks"][-1]["step"] == 8
    assert run["data"] == "imagenette128" and run["device"].startswith("cpu")
    scores = json.loads((results / "davis/scores.json").read_text())
    assert scores["images"] == 2 and 0 < scores["random"]["jaccard_best_head"] < 1
    assert (results / "race/seed0/backbone.safetensors").stat().st_size > 1000
    assert (results / "race/race.png").exists() and not (results / "davis/maps").exists()
    listed = subprocess.run(
        ["tar", "-tzf", rehearsal["ARCHIVE"]], capture_output=True, text=True, check=True
    )
    assert "davis/scores.json" in listed.stdout


@pytest.mark.slow
def test_every_stage_of_a_sitting_works_once(rehearsal):
    done, lines = report(rehearsal)
    assert done.returncode == 0, done.stdout + done.stderr
    last = {x["stage"]: x["exit_code"] for x in lines}
    stages = "machine tests race knn linear davis speed-tiny speed-paper memory speed-small"
    assert last == dict.fromkeys(stages.split(), 0)
    again, after = report(rehearsal)
    assert again.returncode == 0 and after == lines
    machine = json.loads((Path(rehearsal["RESULTS"]) / "machine.txt").read_text())
    assert machine["commit"] == "abc1234" and machine["device"].startswith("cpu")


def test_a_stage_that_does_not_exist_is_named(rehearsal):
    done, _ = report(rehearsal, "sped-tiny")
    assert done.returncode == 2 and done.stderr == "there is no stage sped-tiny\n"


def test_tests_that_are_cut_off_tell_what_they_found(rehearsal, tmp_path):
    """pytest sums up after Ctrl-C and not after SIGTERM; this one is cut after a second."""
    cut, pytests = tmp_path / "timeout", tmp_path / "python"
    cut.write_text(f'#!/bin/bash\nexec {shutil.which("timeout")} "${{@:1:4}}" 1 "${{@:6}}"\n')
    pytests.write_text("#!/bin/bash\ntrap 'echo found; exit 2' INT\nsleep 30 & wait\n")
    for file in (cut, pytests):
        file.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    report(rehearsal | {"PATH": path, "PYTHON": str(pytests), "RESULTS": str(tmp_path)}, "tests")
    assert (tmp_path / "tests.txt").read_text() == "found\n"


# ------------------------------------------------------------------ the race


def moments(*knn: float) -> list[dict]:
    return [{"step": i, "seconds": 10.0 * i, "knn": k} for i, k in enumerate(knn)]


@pytest.mark.parametrize(
    ("knn", "seconds"),
    [
        ((30, 96, 94, 95, 97, 96), 30.0),  # 95 is enough; what fell back before does not count
        ((30, 80, 94.9), None),
        ((96, 97), 0.0),
    ],
)
def test_the_clock_stops_where_the_target_is_reached_to_stay(knn, seconds):
    assert race.reached(moments(*knn), 95) == seconds


def result(seed: int, seconds: float | None, commit: str = "abc1234") -> dict:
    return {"seed": seed, "seconds_to": {"95": seconds}, "commits": [commit]}


def test_an_entry_is_the_mean_of_all_seeds():
    made = race.entry([result(s, 40.0 + s) for s in range(3)], race.RACES["things"], "A", "B", None)
    assert made["seconds_to"] == {"95": 41.0} and made["commit"] == "abc1234"


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result(0, 40.0)], "the seeds 0, 1, 2"),
        ([result(0, 40.0), result(1, 41.0), result(2, None)], "not every seed reaches 95"),
        ([result(s, 40.0, "abc-dirty") for s in range(3)], "of one commit"),
        ([result(s, 40.0, "abc" if s else "def") for s in range(3)], "of one commit"),
        ([result(s, 40.0, "unknown") for s in range(3)], "of one commit"),
    ],
)
def test_what_is_no_entry(results, said):
    with pytest.raises(UserError, match=said):
        race.entry(results, race.RACES["things"], "A", "B", None)


def test_the_table_of_records_is_written_from_them(tmp_path, monkeypatch):
    """The newest first, means over the runs, "never" for a target that was not reached."""
    monkeypatch.setattr(speed_tables, "RESULTS", tmp_path)
    assert speed_tables.race("race-things") == "No record has been entered yet."
    runs = [
        result(s, 40.0 + s)
        | {"knn_last": 95.0 + s, "knn_random": 80.0, "images_per_second": 300.0 + s}
        | {"hardware": "a CPU, 2 threads", "torch": "2.14"}
        for s in range(3)
    ]
    record = race.entry(runs, race.RACES["things"], "A", "B", None)
    later = record | {"seconds_to": {"95": None}, "author": "C"}
    (tmp_path / "race-things.json").write_text(json.dumps([record, later]))
    *_, first, second = speed_tables.race("race-things").splitlines()
    end = "96.0 | 80.0 | 301 | `abc1234` | a CPU, 2 threads, torch 2.14 |"
    assert first == f"| never | {end} C | B |" and second == f"| 41 | {end} A | B |"


def test_moments_are_judged_from_the_end_back(tmp_path, monkeypatch):
    """Four moments whose k-NN is known; the one before the first that misses is not looked at."""
    config = race.replace(race.RACES["things"].config, **race.REHEARSAL)
    scores, looked = {0: 20.0, 3: 50.0, 5: 94.0, 8: 96.0, 9: 97.0}, []
    (tmp_path / "snapshots").mkdir()
    lines = [{"step": s, "loss": 1.0, "seconds": 2.0 * s} for s in (2, 4, 6, 8, 10)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    for step in scores:
        backbone = race.build_backbone(config)
        race.load_weights(backbone, {k: v * 0 + step for k, v in backbone.state_dict().items()}, "")
        race_snapshot(tmp_path, step, backbone)

    def seen(backbone, images):
        looked.append(int(backbone.norm.bias[0]))
        return images.flatten(1)[:, :4].float()

    monkeypatch.setattr(race, "extract_features", seen)
    monkeypatch.setattr(race, "accuracy", lambda *_: scores[looked[-1]])
    small = race.replace(race.RACES["things"], labelled=8, held_out=4)
    found = race.judge(small, config, tmp_path, race.torch.device("cpu"))
    assert [(c["step"], c["seconds"], c["knn"]) for c in found] == [
        (0, 0.0, 20.0), (5, 12.0, 94.0), (8, 16.0, 96.0), (9, 20.0, 97.0)
    ]  # fmt: skip
    assert race.reached(found, 95.0) == 16.0


def race_snapshot(run: Path, step: int, backbone) -> None:
    from minidino.run.monitor import save_snapshot, snapshot_path

    save_snapshot(snapshot_path(run, step), backbone)
