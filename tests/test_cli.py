"""The command line: what a person types, what comes back, and one line for a mistake."""

import functools
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from minidino import __version__, cli, plots
from minidino.data import THINGS_IMAGES, load_data
from minidino.run.checkpoint import load_checkpoint
from minidino.train import train
from minidino.using import score
from minidino.using.demo import describe

ROOT = Path(__file__).resolve().parents[1]

SMALL = ["--max-images", "64", "--batch-size", "16", "--epochs", "1", "--depth", "2",
         "--embed-dim", "48", "--out-dim", "32", "--knn-evals", "0", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="session")
def trained(tiny_config, tmp_path_factory):
    """A finished run of two seconds."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(tiny_config, folder, progress=False)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """The same run, to do with as a test likes."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def minidino(*argv, capsys):
    """Exit code, stdout, stderr."""
    try:
        code = cli.main([str(a) for a in argv])
    except SystemExit as stop:
        code = stop.code
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize(
    "command",
    [
        None,
        "demo",
        "train",
        "knn",
        "linear",
        "attend",
        "retrieve",
        "segment",
        "data",
        "embed",
        "predict",
        "propagate",
        "explore",
    ],
)
def test_help(command, capsys):
    code, out, err = minidino(*([command] if command else []), "--help", capsys=capsys)
    assert code == 0 and not err
    assert "help" in out and len(out.splitlines()) > 8


def test_help_of_train_shows_the_recipes_own_values(capsys):
    _, things, _ = minidino("train", "--help", capsys=capsys)
    _, paper, _ = minidino("train", "--recipe", "paper-vits16", "--help", capsys=capsys)
    assert "65536" in paper and "65536" not in things


def test_train_stop_resume_and_use(tmp_path, capsys):
    out = tmp_path / "run"
    code, said, _ = minidino("train", *SMALL, "--out", out, capsys=capsys)
    assert code == 0 and "finished" in said
    before = load_checkpoint(out)["step"]
    code, _, err = minidino("train", *SMALL, "--out", out, capsys=capsys)
    assert code == 2 and "--resume" in err
    code, said, _ = minidino("train", *SMALL, "--out", out, "--resume", capsys=capsys)
    assert code == 0 and load_checkpoint(out)["step"] == before == 4
    code, said, _ = minidino("train", "--out", out, "--resume", capsys=capsys)
    assert code == 0 and "finished" in said  # the settings need not be said again
    other = [*SMALL[:-2], "--seed", "5", "--device", "cpu", "--out", out, "--resume"]
    code, _, err = minidino("train", *other, capsys=capsys)
    assert code == 2 and "seed was 0, asked for 5" in err
    # What is typed counts even where it is the recipe's own value.
    code, _, err = minidino("train", "--embed-dim", "96", "--out", out, "--resume", capsys=capsys)
    assert code == 2 and "embed_dim was 48, asked for 96" in err
    hue = ["--appearance.hue=0.2", "--no-norm-last-layer", "--out", out, "--resume"]
    code, _, err = minidino("train", *hue, capsys=capsys)
    assert code == 2 and "norm_last_layer was True, asked for False; appearance was" in err


def test_speed_settings_are_flags_that_a_resume_may_change(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minidino.train.largest_batch", lambda *_: 32)
    seen, real = [], torch.compile
    monkeypatch.setattr("torch.compile", lambda f, **_: seen.append(f) or real(f, backend="eager"))
    flags = ["--batch", "auto", "--accumulate", "2", "--checkpoint-activations", "--compile"]
    code, said, err = minidino("train", *SMALL, *flags, "--out", tmp_path / "run", capsys=capsys)
    assert code == 0 and "largest batch that fits: 32" in said and seen, err
    state = load_checkpoint(tmp_path / "run")
    assert state["config"]["batch_size"] == 32 and state["step"] == 2
    code, said, _ = minidino("train", "--out", tmp_path / "run", "--resume", capsys=capsys)
    assert code == 0 and "finished" in said


def test_epochs_scale_the_warmup_unless_it_is_given(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(
        "minidino.commands.train.train", lambda config, *a, **k: seen.append(config) or 1 / 0
    )
    for extra in (["--epochs", "50"], ["--epochs", "50", "--warmup-epochs", "3"], []):
        with pytest.raises(ZeroDivisionError):
            minidino("train", "--recipe", "paper-vits16", *extra, capsys=capsys)
    assert [(c.epochs, c.warmup_epochs) for c in seen] == [(50, 5), (50, 3), (100, 10)]


def test_knn_and_linear_compare_with_random_weights(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(THINGS_IMAGES, "test", 200)
    for command in ("knn", "linear"):
        extra = ["--epochs", "3"] if command == "linear" else []
        code, out, _ = minidino(
            command, run, "--max-images", 200, "--json", tmp_path / "x.json", *extra, capsys=capsys
        )
        assert code == 0 and "random weights" in out
        scores = json.loads((tmp_path / "x.json").read_text())
        assert 0 < scores["trained"] <= 100 and 0 < scores["random"] <= 100
        assert scores["train_images"] == 200


def test_attend_on_things_scores_and_draws(run, monkeypatch, capsys):
    monkeypatch.setattr("minidino.using.examples.MOST_OF_A_SET", 40)
    code, out, _ = minidino("attend", run, "--pictures", 3, capsys=capsys)
    assert code == 0 and "jaccard_best_head" in out
    scores = json.loads((run / "attend/scores.json").read_text())
    assert 0 < scores["random"]["jaccard_best_head"] < 1
    for name in ("attention.png", "filmstrip.png"):
        assert Image.open(run / "attend" / name).width > 500
    assert len(list((run / "attend/maps").glob("*.mask.png"))) == 40 == scores["images"]


def test_attend_on_ones_own_pictures_of_any_shape(run, tmp_path, capsys):
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in [("wide.jpg", (200, 80)), ("deep/tall.png", (50, 120))]:
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(
            photos / name
        )
    (photos / "broken.png").write_bytes(b"x")
    code, out, _ = minidino("attend", run, "--data", photos, "--out", tmp_path / "o", capsys=capsys)
    assert code == 0 and "broken.png" in out
    mask = Image.open(tmp_path / "o/maps/wide.mask.png")
    assert mask.width > 2 * mask.height  # the shape is kept
    assert (tmp_path / "o/maps/deep/tall.attention.png").exists()
    code, _, _ = minidino("attend", run, "--data", photos / "wide.jpg", capsys=capsys)
    assert code == 0


def test_attend_scores_against_given_masks_video_by_video(run, tmp_path, shared_data, capsys):
    with zipfile.ZipFile(shared_data / "davis_masks.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith((".jpg", ".png"))]
        videos = sorted({n.split("/")[2] for n in names})[:2]
        archive.extractall(tmp_path, [n for n in names if n.split("/")[2] in videos])
    base = tmp_path / "davis_masks"
    code, out, err = minidino(
        "attend", run, "--data", base / "images", "--masks", base / "masks", "--pictures", 2,
        capsys=capsys,
    )  # fmt: skip
    assert code == 0, err
    assert "jaccard_best_head" in out


def test_data_draws_a_contact_sheet(tmp_path, capsys):
    code, out, _ = minidino("data", "--images", 12, "--out", tmp_path / "a/x.png", capsys=capsys)
    assert code == 0 and "12 images, 10 classes" in out
    assert Image.open(tmp_path / "a/x.png").width > 500


def test_demo_writes_all_it_promises(tiny_config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minidino.using.demo.recipe", lambda name, seed: tiny_config)
    few = {"max_images": 60}
    monkeypatch.setattr(score, "load_data", lambda *a, **how: load_data(*a, **(how | few)))
    real, sides = plots.attention_figure, []

    def noted(images, *args):
        sides.append(images[0].shape[-1])
        return real(images, *args)

    monkeypatch.setattr(plots, "attention_figure", noted)
    out = tmp_path / "demo"
    code, said, err = minidino("demo", "--out", out, capsys=capsys)
    assert code == 0, err
    assert "k-NN" in said and str(out / "attention.png") in said
    summary = json.loads((out / "summary.json").read_text())
    wanted = {"knn", "knn_random", "jaccard_best_head", "jaccard_best_head_random", "jaccard_mean",
              "train_seconds", "images_per_second", "seed", "device", "commit"}  # fmt: skip
    assert wanted <= set(summary)
    for name in ("attention.png", "curves.png", "filmstrip.png"):
        assert Image.open(out / name).width > 500
    assert sides == [2 * tiny_config.eval_size]
    assert "--minutes" not in said  # all epochs fitted in the time
    assert "more --minutes" in describe(summary | {"epochs": summary["epochs"] - 1}, out)
    before = (out / "summary.json").read_bytes()
    code, _, err = minidino("demo", "--out", out, capsys=capsys)
    assert code == 2 and "change --out" in err
    assert (out / "summary.json").read_bytes() == before


@pytest.mark.parametrize("name", ["summary.json", "attention.png", "curves.png", "filmstrip.png"])
def test_demo_sees_what_is_in_the_way_before_it_trains(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minidino.using.demo.train", lambda *a, **k: 1 / 0)
    (tmp_path / "summary.json").write_text('{"knn": "of a person"}')
    if name != "summary.json":
        (tmp_path / "summary.json").write_text('{"knn_random": 50}')  # as of a demo
        Image.new("L", (5, 5)).save(tmp_path / name)
    before = {f: f.read_bytes() for f in tmp_path.iterdir()}
    code, _, err = minidino("demo", "--out", tmp_path, capsys=capsys)
    assert code == 2 and f"{name} is there and" in err
    assert {f: f.read_bytes() for f in tmp_path.iterdir()} == before


def test_demo_says_that_the_time_was_up():
    summary = {"epochs": 1, "train_seconds": 12.4, "device": "cpu", "images_per_second": 5.0,
               "test_images": 60, "knn": 50.0, "knn_random": 40.0, "jaccard_best_head": 0.3,
               "jaccard_best_head_random": 0.2, "verdict": "well", "seed": 0}  # fmt: skip
    assert "trained 1 epoch in 12 s on cpu" in describe(summary | {"finished": True}, Path("x"))
    stopped = describe(summary | {"finished": False}, Path("x"))
    assert "trained 12 s, in which the time was up before the end of 1 epoch, on cpu" in stopped


# ------------------------------------------------------------------ mistakes


def empty(p):
    p.mkdir()


def one_image(p):
    p.mkdir()
    Image.new("RGB", (50, 50)).save(p / "a.png")


def a_file(p):
    p.write_text("x")


MISTAKES = {
    "no such command": (["trian"], None, "trian"),
    "no such option": (["train", "--epoch", "3"], None, "--epoch"),
    "no whole number": (["train", "--epochs", "many"], None, "epochs takes a whole number, not m"),
    "no number": (["train", "--base-lr", "it's"], None, "--base-lr takes a number, not it's; see"),
    "no numbers": (["train", "--global-scale", "1", "b"], None, "takes numbers, not 1 b; see"),
    "neither a number nor nothing": (["knn", "x", "--size", "1e9"], None, "whole number, not 1e9"),
    "no such choice": (["train", "--positions", "sin"], None, "one of ('learned', 'rope')"),
    "two lacking": (["embed", "x"], None, "--data PATH, --out PATH; see minidino embed --help"),
    "one misspelt": (["attend", "x", "--lyer", "3"], None, "--lyer, 3 (perhaps --layer)"),
    "no squares": (["attend", "x", "--fit", "pad"], None, "--fit (applied to minidino attend);"),
    "no parts of a folder": (["retrieve", "x", "--group-by", "z"], None, "--group-by (applied"),
    "idle": (["train", "--objective", "byol", "--n-local", "4"], None, "byol does not read it"),
    "no center": (["train", "--recipe", "photos", "--center-momentum", "0.5"], None, "has none"),
    "no such recipe": (["train", "--recipe", "huge"], None, 'no recipe "huge"'),
    "no such data": (["train", "--data", "X"], None, "neither a folder"),
    "empty folder": (["train", "--data", "X"], empty, "no pictures in"),
    "one-image folder": (["train", "--data", "X"], one_image, "1 image in"),
    "image smaller than a patch": (["train", "--image-size", "4"], None, "smaller than a patch"),
    "crop no multiple": (["train", "--local-size", "19"], None, "not a multiple of patch_size"),
    "one prototype": (["train", "--out-dim", "1"], None, "out_dim is 1"),
    "no epochs": (["train", "--epochs", "0"], None, "epochs is 0"),
    "parts of no batch": (["train", "--accumulate", "3"], None, "64 does not divide into 3"),
    "no parts": (["train", "--accumulate", "0"], None, "accumulate is 0"),
    "no minutes": (["train", "--minutes", "0"], None, "must be positive"),
    "bad scale": (["train", "--local-scale", "0.5", "0.2"], None, "local_scale"),
    "bad temperature": (["train", "--teacher-temp", "0"], None, "teacher_temp is 0"),
    "no such device": (["train", "--device", "warp"], None, "warp"),
    "output below a file": (["train", "--out", "X/run"], a_file, "cannot write to"),
    "no checkpoint": (["knn", "X"], None, "no checkpoint at"),
    "not a checkpoint": (["attend", "X"], a_file, "not a readable checkpoint"),
    "demo in a file": (["demo", "--out", "X"], a_file, "cannot write to"),
    "no split": (["data", "--split", "dev"], None, "no split"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    argv, prepare, words = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    if prepare:
        prepare(tmp_path / "X")
    before = sorted(p.name for p in tmp_path.rglob("*.pt"))
    code, _, err = minidino(*argv, capsys=capsys)
    assert code == 2
    assert err.startswith("minidino: ") and len(err.strip().splitlines()) == 1, err
    assert words in err and "Traceback" not in err
    assert sorted(p.name for p in tmp_path.rglob("*.pt")) == before


def test_debug_shows_where(capsys):
    from minidino.errors import UserError

    with pytest.raises(UserError):
        cli.main(["--debug", "knn", "nowhere"])


@pytest.mark.parametrize("command", ["knn", "linear"])
def test_accuracy_needs_labels(run, tmp_path, capsys, command):
    for i in range(3):
        (tmp_path / "flat").mkdir(exist_ok=True)
        Image.new("RGB", (50, 50)).save(tmp_path / f"flat/{i}.png")
    code, _, err = minidino(command, run, "--data", tmp_path / "flat", capsys=capsys)
    assert code == 2 and "no labels" in err


def test_a_checkpoint_of_another_shape_is_refused(run, capsys):
    state = load_checkpoint(run)
    state["teacher"]["backbone.cls_token"] = torch.zeros(1, 1, 7)
    torch.save(state, run / "checkpoint.pt")
    code, _, err = minidino("knn", run, capsys=capsys)
    assert code == 2 and "backbone" not in err and "cls_token is (1, 1, 7), not (1, 1, 48)" in err


def _written_commands():
    """Each ``minidino ...`` line of a code block in the README and the documents."""
    found = {}
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"```bash\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                for one in re.split(r" # |  #|&&", line):
                    if one.strip().startswith("minidino "):
                        found[one.strip()] = file.name
    return [pytest.param(line, id=f"{name}: {line}") for line, name in found.items()]


@pytest.mark.parametrize("line", _written_commands())
def test_the_commands_of_the_documents_are_understood(line, monkeypatch, capsys):
    """Parsed as they stand, and not run."""
    monkeypatch.setattr(cli, "_later", lambda f: functools.wraps(f)(lambda *_, **__: lambda: 0))
    assert cli.main(shlex.split(line)[1:]) == 0, capsys.readouterr().err


def test_the_version_is_told(capsys):
    assert minidino("--version", capsys=capsys)[:2] == (0, f"minidino {__version__}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another error for it")
def test_a_reader_who_has_read_enough_is_no_error():
    """``minidino train --help | head``."""
    command = [sys.executable, "-m", "minidino", "train", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        one.stdout.close()
        assert one.stderr.read() == b""
        assert one.wait() == 141
