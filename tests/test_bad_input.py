"""Bad input of every kind: one line that names what is wrong, exit code 2, nothing overwritten."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from minidino import cli
from minidino.config import recipe
from minidino.errors import UserError, one_line
from minidino.run.checkpoint import load_checkpoint
from minidino.train import train
from minidino.vit import VisionTransformer

# ------------------------------------------------------------------ a place with everything in it


def paint(path: Path, rng) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(path)


def set_config(**changes):
    return lambda state: state["config"].update(changes)


def without(key):
    return lambda state: state.pop(key)


def set_teacher(value):
    return lambda state: state["teacher"].update({"backbone.cls_token": value})


# What is wrong with the checkpoint of a run that is otherwise good.
DAMAGED = {
    "of-a-newer-version": lambda state: state.update(format="minidino-2"),
    "newer-settings": set_config(from_tomorrow=4),
    "newer-look": lambda state: state["config"]["appearance"].update(sharpen=1),
    "no-settings": without("config"),
    "settings-of-text": lambda state: state.update(config="x"),
    "depth-in-words": set_config(depth="two"),
    "many-blocks": set_config(depth=900),
    "vast-settings": set_config(out_dim=10**12),
    "no-teacher": without("teacher"),
    "a-list-of-weights": lambda state: state.update(teacher=[1, 2]),
    "a-number-as-weights": set_teacher(3),
    "integers-as-weights": set_teacher(torch.zeros(1, 1, 48, dtype=torch.int64)),
    "sparse-weights": set_teacher(torch.zeros(1, 1, 48).to_sparse()),
    "another-shape": set_teacher(torch.zeros(1, 1, 7)),
    "nan": set_teacher(torch.full((1, 1, 48), torch.nan)),
    "no-student": without("student"),
    "no-optimizer": without("optimizer"),
    "no-step": without("step"),
    "step-in-words": lambda state: state.update(step="x"),
    "step-before-0": lambda state: state.update(step=-5),
    "step-past-the-end": lambda state: state.update(step=10**9),
    "another-optimizer": lambda state: state.update(optimizer={"param_groups": [], "state": {}}),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder that the cases run in; built once, and never changed by any of them."""
    base = tmp_path_factory.mktemp("place")
    before = Path.cwd()
    os.chdir(base)
    config = recipe(
        "things", max_images=32, batch_size=8, epochs=1, depth=2, embed_dim=48, out_dim=32,
        hidden_dim=32, bottleneck_dim=16, knn_evals=0, snapshots=0, log_every=1,
    )  # fmt: skip
    train(config, "run", progress=False)
    rng = np.random.default_rng(0)
    for i in range(6):
        for folder in (
            "photos/a",
            "photos/b",
            "flat",
            "oneclass/a",
            "noval/train/a",
            "noval/train/b",
        ):
            paint(base / folder / f"{i}.png", rng)
    paint(base / "one/x.png", rng)
    paint(base / "picture.png", rng)
    for folder in ("empty", "emptytrain/train", "emptytrain/val", "bad", "badmasks", "nomasks",
                   "loop", "ck/a-folder.pt", "taken/retrieve.png"):  # fmt: skip
        (base / folder).mkdir(parents=True)
    for i in range(6):
        (base / f"bad/{i}.png").write_bytes(b"x" * i)
        (base / f"badmasks/{i}.png").write_bytes(b"x")
    (base / "a_file").write_text("x")
    (base / "mine.json").write_text('{"mine": 1}')
    for folder in ("drawn", "scored"):
        (base / folder).mkdir()
    for name in ("duplicates", "attention", "pca"):
        shutil.copy(base / "picture.png", base / f"drawn/{name}.png")
    shutil.copy(base / "run/checkpoint.pt", base / "drawn")
    shutil.copy(base / "mine.json", base / "scored/scores.json")
    shutil.copytree(base / "flat", base / "withmask")
    (base / "withmask/0.mask.png").write_bytes((base / "picture.png").read_bytes())
    os.symlink("selfdir", base / "selfdir")
    os.symlink("nowhere", base / "dangling.png")
    os.symlink("self.png", base / "loop/self.png")
    os.symlink("../loop", base / "loop/again")
    os.mkfifo(base / "pipe.png")
    whole = (base / "run/checkpoint.pt").read_bytes()
    (base / "ck/empty.pt").write_bytes(b"")
    (base / "ck/cut.pt").write_bytes(whole[: len(whole) // 2])
    (base / "ck/text.pt").write_text("hello")
    for name, damage in DAMAGED.items():
        state = load_checkpoint(base / "run")
        damage(state)
        (base / "ck" / name).mkdir()
        torch.save(state, base / "ck" / name / "checkpoint.pt")
    os.chdir(before)
    whole = bytes_of(base)
    yield base
    left = bytes_of(base)
    assert {name: left.get(name) for name in whole} == whole  # after all cases


def contents(folder: Path) -> dict[str, object]:
    """Every file and link below a folder; whoever writes to a file changes what stands here."""
    found = {}
    for top, _, names in os.walk(folder):
        for path in (Path(top, name) for name in names):
            stat = path.lstat()
            found[str(path)] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ------------------------------------------------------------------ the table

TRAIN = ["train", "--max-images", "8", "--batch-size", "4", "--depth", "1", "--embed-dim", "48",
         "--out-dim", "8", "--hidden-dim", "16", "--bottleneck-dim", "8", "--knn-evals", "0",
         "--device", "cpu", "--out", "new"]  # fmt: skip

# Each setting: values that cannot be, and what the line says besides the setting's name.
SETTINGS = {
    "image-size": ["-5", "0", "4", "100000000"],
    "eval-size": ["0", "7", "600000000"],
    "max-images": ["0", "-3", "2.5"],
    "seed": ["-1", "x", str(2**70)],
    "patch-size": ["0", "-6", "7"],
    "embed-dim": ["0", "-48", "50", "100000000"],
    "depth": ["0", "1.5", "1000000"],
    "num-heads": ["0", "-12", "5"],
    "drop-path-rate": ["-0.1", "1", "nan"],
    "out-dim": ["1", "-5", "10000000000000"],
    "hidden-dim": ["0", "-1"],
    "bottleneck-dim": ["0", "-1"],
    "global-size": ["0", "-6", "7"],
    "local-size": ["0", "7"],
    "n-local": ["-1", "x", "1000"],
    "epochs": ["0", "-1", "nan", "1.5", "999999999999"],
    "batch-size": ["0", "1", "-4"],
    "base-lr": ["-1", "nan", "inf"],
    "min-lr": ["-1", "nan", "1"],
    "warmup-epochs": ["-1", "nan", "inf", "50"],
    "weight-decay": ["-1", "nan"],
    "weight-decay-end": ["-1", "inf"],
    "clip-grad": ["-1", "nan"],
    "freeze-last-layer-epochs": ["-1", "nan"],
    "student-temp": ["0", "-1", "nan", "inf"],
    "teacher-temp": ["0", "nan"],
    "warmup-teacher-temp": ["0", "inf"],
    "warmup-teacher-temp-epochs": ["-1", "nan", "50"],
    "center-momentum": ["-0.1", "1.1", "nan"],
    "teacher-momentum": ["-0.1", "1.1", "nan"],
    "log-every": ["0"],
    "knn-evals": ["-1"],
    "snapshots": ["-1"],
    "global-scale": ["0.5 0.2", "nan 1", "0.1"],
    "local-scale": ["0 1", "0.1 1.5"],
    "appearance.jitter-p": ["-0.1", "1.1", "nan"],
    "appearance.brightness": ["-1", "nan", "inf"],
    "appearance.contrast": ["-1"],
    "appearance.saturation": ["nan"],
    "appearance.hue": ["-0.1", "0.6", "nan"],
    "appearance.grayscale-p": ["2"],
    "appearance.blur-p": ["2 0 0", "nan 0 0", "1 1"],
    "appearance.blur-sigma": ["2 0.1", "0 1", "nan 1", "0.1 inf"],
    "appearance.solarize-p": ["2", "-1"],
    "minutes": ["0", "-1", "nan", "inf", "x"],
}

OTHERS = [
    # The line says this         the words of the command
    ("trian", "trian"),
    ("--nonsense", "--nonsense"),
    ("no recipe", "train --recipe huge"),
    ("recipe", "train --recipe"),
    ("epochs", "train --epochs"),
    ("stray", "train stray"),
    ("maybe", "train --norm-last-layer maybe"),
    ("from 0 to 9223372036854775807", f"train --seed 1{'0' * 400}"),
    # devices
    ('no device "banana"', "train --device banana"),
    ('no device "meta"', "knn run --device meta"),
    ('no device "cuda:99"', "linear run --device cuda:99"),
    ('no device "banana"', "attend run --data picture.png --device banana"),
    ('no device "banana"', "retrieve run picture.png --data flat --device banana"),
    ('no device "banana"', "segment run --data picture.png --device banana"),
    ('no device "banana"', "demo --device banana"),
    # data
    ("neither a folder nor one of", "TRAIN --data gone"),
    ("a_file is a file", "TRAIN --data a_file"),
    ("no pictures in empty", "TRAIN --data empty"),
    ("no pictures in emptytrain", "TRAIN --data emptytrain"),
    ("1 image in one, fewer than one batch", "TRAIN --data one"),
    ("none of the 6 pictures", "TRAIN --data bad"),
    ("none of the 1 pictures", "TRAIN --data loop"),
    ("selfdir", "TRAIN --data selfdir"),
    ("dangling.png", "TRAIN --data dangling.png"),
    ("pipe.png", "TRAIN --data pipe.png"),
    ("could not get cifar10", "TRAIN --data cifar10"),
    ("could not get pets", "data pets"),
    ("no val or test folder", "knn run --data noval"),
    ("flat has no labels", "knn run --data flat"),
    ("one class only", "knn run --data oneclass"),
    ("one class only", "linear run --data oneclass"),
    ("flat has no labels", "linear run --data flat"),
    ("neither a folder", "knn run --data gone"),
    ("no split", "data --split dev"),
    ("fit in memory", "TRAIN --max-images 100000000 --image-size 600"),
    # where to write
    ("cannot write to a_file", "TRAIN --out a_file"),
    ("cannot write to a_file/x", "TRAIN --out a_file/x"),
    ("already holds a training run", "TRAIN --out run"),
    ("selfdir", "TRAIN --out selfdir"),
    ("already holds a run", "demo --out run"),
    ("mine.json is there and holds no scores", "knn run --json mine.json"),
    ("checkpoint.pt is there and holds no scores", "linear run --json run/checkpoint.pt"),
    ("no folder gone", "knn run --json gone/x.json"),
    ("empty is there", "linear run --json empty"),
    ("picture.png is there and was not written by minidino", "data --out picture.png"),
    ("must end in .png", "data --out run/checkpoint.pt"),
    ("must end in .png", "data --out new.pdf"),
    ("a_file/x.png", "data --out a_file/x.png"),
    ("must end in .png", "retrieve run picture.png --data flat --out x.banana"),
    ("flat/1.png is there", "retrieve run picture.png --data flat --out flat/1.png"),
    ("it is a folder", "retrieve run picture.png --data flat --out taken/retrieve.png"),
    ("cannot write to a_file", "attend run --data flat --out a_file"),
    ("cannot write a_file", "segment run --data picture.png --out a_file"),
    ("0.mask.png is there and was not written", "segment run --data withmask"),
    ("a_file exists and is kept", "export run --to timm --out a_file"),
    ("checkpoint.pt exists and is kept", "export run --to timm --out run/checkpoint.pt"),
    ("cannot write a_file/x", "export run --to safetensors --out a_file/x.safetensors"),
    ("empty exists and is kept", "export run --to huggingface --out empty"),
    ("File name too long", f"export run --to timm --out {300 * 'x'}.safetensors"),
    # numbers of the other commands
    ("--k must be at least 1", "knn run --k 0"),
    ("x", "knn run --k x"),
    ("1.5", "knn run --k 1.5"),
    ("--temperature", "knn run --temperature nan"),
    ("--temperature", "knn run --temperature 0"),
    ("--temperature", "knn run --temperature inf"),
    ("max_images is 0", "knn run --max-images 0"),
    ("--epochs", "linear run --epochs 0"),
    ("--blocks", "linear run --blocks 0"),
    ("--max-images 1 leaves one class only", "linear run --max-images 1"),
    ("--pictures", "attend run --pictures 0"),
    ("a patch\\) to 4,096", "attend run --size 2"),
    ("a patch\\) to 4,096", "attend run --size 1000000"),
    ("a patch\\) to 4,096", "segment run --data flat --size 1000000"),
    ("a patch\\) to 4,096", "segment run --data picture.png --size 1"),
    ("magic", "segment run --data picture.png --by magic"),
    ("--k must be at least 1", "retrieve run picture.png --data flat --k 0"),
    ("--images", "data --images 0"),
    ("--images", "data --images 100000000"),
    ("--size", "data --size 2"),
    ("seed is -1", "data --seed -1"),
    ("minutes is 0", "demo --minutes 0"),
    ("minutes is nan", "demo --minutes nan"),
    ("minutes is inf", "demo --minutes inf"),
    ("seed is -1", "demo --seed -1"),
    ("keras", "export run --to keras"),
    # pictures and masks
    ("none of the 6 pictures in bad", "attend run --data bad"),
    ("none of the 1 pictures in a_file", "attend run --data a_file"),
    ("no pictures in empty", "attend run --data empty"),
    ("pipe.png", "attend run --data pipe.png"),
    ("no mask for 0.png in nomasks", "attend run --data flat --masks nomasks"),
    ("cannot read the mask badmasks/0.png", "attend run --data flat --masks badmasks"),
    ("--masks goes with pictures of your own", "attend run --masks badmasks"),
    ("no picture at gone.png", "retrieve run gone.png --data flat"),
    ("no picture at flat", "retrieve run flat --data flat"),
    ("cannot read the query bad/1.png", "retrieve run bad/1.png --data flat"),
    ("picture.png is not a folder", "retrieve run picture.png --data picture.png"),
    ("no pictures in empty", "retrieve run picture.png --data empty"),
    ("no pictures in one to compare", "retrieve run one/x.png --data one"),
    ("none of the 1 pictures could be read", "retrieve run picture.png --data loop"),
    ("none of the 6 pictures", "segment run --data bad"),
    ("no picture or folder at dangling.png", "segment run --data dangling.png"),
    ("none of the 1 pictures", "segment run --data a_file"),
    # a home that nobody has
    ("no checkpoint at ~stranger", "knn ~stranger"),
    ('no data "~stranger"', "knn run --data ~stranger"),
    ('no data "~stranger"', "attend run --data ~stranger"),
    ("no mask for 0.png in ~stranger", "attend run --data flat --masks ~stranger"),
    ("no mask for 0.png in ~stranger", "segment run --data flat --masks ~stranger"),
    ("no picture or folder at ~stranger", "embed run --data ~stranger --out new.npz"),
    ("folder of frames at ~str", "propagate run --frames ~stranger --mask picture.png --out new"),
    # notebooks
    ('no notebook "99"', "check 99"),
    ('no notebook "../x"', "check ../x"),
    ('no notebook "*"', "reset *"),
    ("no notebook", "reset /etc/passwd"),
    # checkpoints, read by each command
    ("no checkpoint at gone", "knn gone"),
    ("no checkpoint at empty", "linear empty"),
    ("picture.png is not a readable checkpoint", "export picture.png --to timm"),
    ("no checkpoint at selfdir", "attend selfdir"),
    ("no checkpoint at pipe.png", "knn pipe.png"),
    ("the file is empty", "knn ck/empty.pt"),
    ("it is cut short", "retrieve ck/cut.pt picture.png --data flat"),
    ("not a readable checkpoint", "segment ck/text.pt --data picture.png"),
    ("no checkpoint at ck/a-folder.pt", "attend ck/a-folder.pt"),
    ("of-a-newer-version", "knn ck/of-a-newer-version"),
    ("settings unknown to this version of minidino: from_tomorrow", "knn ck/newer-settings"),
    ("settings unknown to this version of minidino: sharpen", "linear ck/newer-look"),
    ("lacks the configuration", "knn ck/no-settings"),
    ("not the settings of a training run", "knn ck/settings-of-text"),
    ("depth is 'two'; it must be a whole number", "knn ck/depth-in-words"),
    ("too small for 900 blocks", "export ck/many-blocks --to timm"),
    ("out_dim is 1000000000000", "knn ck/vast-settings"),
    ("lacks the configuration or the teacher", "attend ck/no-teacher"),
    ("a-list-of-weights", "attend ck/a-list-of-weights"),
    ("entries that are no weights", "knn ck/a-number-as-weights"),
    ("entries that are no weights", "knn ck/integers-as-weights"),
    ("weights that cannot be used", "knn ck/sparse-weights"),
    (r"cls_token is \(1, 1, 7\), not", "segment ck/another-shape --data picture.png"),
    ("has NaN or infinite numbers", "retrieve ck/nan picture.png --data flat"),
    # and gone on from
    ("of-a-newer-version", "train --resume --out ck/of-a-newer-version"),
    ("settings unknown", "train --resume --out ck/newer-settings"),
    ("not the settings of a training run", "train --resume --out ck/no-settings"),
    ("depth is 'two'", "train --resume --out ck/depth-in-words"),
    ("not what a run goes on from.*teacher", "train --resume --out ck/no-teacher"),
    ("not what a run goes on from.*student", "train --resume --out ck/no-student"),
    ("not what a run goes on from.*optimizer", "train --resume --out ck/no-optimizer"),
    ("not what a run goes on from.*step", "train --resume --out ck/no-step"),
    ("not what a run goes on from", "train --resume --out ck/step-in-words"),
    ("step -5 of 4", "train --resume --out ck/step-before-0"),
    ("step 1000000000 of 4", "train --resume --out ck/step-past-the-end"),
    ("not what a run goes on from", "train --resume --out ck/another-optimizer"),
    ("does not fit this model", "train --resume --out ck/another-shape"),
    ("embed_dim was 48, asked for 144", "train --resume --out run --embed-dim 144"),
]


def cases():
    for name, values in SETTINGS.items():
        field = name.removeprefix("appearance.").replace("-", "_")
        for value in values:
            words = f"{field}|{name}"
            yield pytest.param([*TRAIN, f"--{name}", *value.split()], words, id=f"{name} {value}")
    for words, line in OTHERS:
        argv = [part for word in line.split() for part in (TRAIN if word == "TRAIN" else [word])]
        yield pytest.param(argv, words, id=line[:60])


def test_there_are_many_cases():
    assert len(list(cases())) > 200


@pytest.mark.parametrize(("argv", "words"), cases())
def test_a_mistake_costs_one_line(argv, words, place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(place)
    # Nothing can be downloaded into a file, and so no case asks the network.
    monkeypatch.setenv("MINIDINO_DATA", str(place / "a_file"))
    before = contents(place)
    code = cli.main(argv)
    err = capsys.readouterr().err
    told = [line for line in re.split(r"[\r\n]+", err) if line.startswith("minidino: ")]
    assert code == 2, err
    assert "Traceback" not in err and err.count("\n") == 1 and len(told) == 1, err
    assert re.search(words, told[0]), told[0]
    after = contents(place)
    assert {name: after.get(name) for name in before} == before
    for name in ("new", "runs"):
        shutil.rmtree(place / name, ignore_errors=True)
    for name in set(after) - set(before):  # a run's empty metrics beside its checkpoint
        Path(name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("attention.png is there and was not", "attend run --data flat --out drawn"),
        ("pca.png is there and was not", "attend run --data flat --show pca --out drawn"),
        ("scores.json is there and holds no", "attend run --data flat --out scored"),
        ("scores.json is there and holds no", "propagate run --frames things --out scored"),
        ("duplicates.png is there", "retrieve drawn --data flat --duplicates"),
    ],
)
def test_what_is_in_the_way_is_seen_before_any_work(words, line, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setattr(VisionTransformer, "prepare_tokens", lambda *_: 1 / 0)
    before = contents(place)
    assert cli.main(line.split()) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and contents(place) == before


def test_debug_shows_the_traceback_of_the_cause(place, monkeypatch):
    monkeypatch.chdir(place)
    with pytest.raises(UserError, match="a_file") as error:
        cli.main(["--debug", "compare", "--objectives", "random", "--out", "a_file/x"])
    assert isinstance(error.value.__cause__, OSError)


def test_want_of_memory_is_told_in_words(monkeypatch, capsys):
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"),
                  RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublas`"),
                  RuntimeError("DefaultCPUAllocator: can't allocate memory")):  # fmt: skip
        monkeypatch.setattr(cli, "_run", lambda argv, error=error: (_ for _ in ()).throw(error))
        assert cli.main(["knn", "run"]) == 2
        assert "not enough memory for knn" in capsys.readouterr().err
    monkeypatch.setattr(cli, "_run", lambda argv: (_ for _ in ()).throw(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):  # a bug of ours stays one
        cli.main(["knn", "run"])


def test_names_with_a_line_break_stay_on_one_line(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ["a\nb.png", "\x1b[31mred.png", "ünï 😀.png", "-x.png", "$x_$^.png", "'; rm.png"]
    names.append(os.fsdecode(b"\xff\xfe.png"))  # no UTF-8
    for name in names:
        shutil.copy(place / "picture.png", tmp_path / name)
    (tmp_path / "bro\nken.png").write_bytes(b"x")
    run = str(place / "run")
    assert cli.main(["segment", run, "--data", ".", "--out", "m"]) == 0
    assert cli.main(["retrieve", run, "$x_$^.png", "--data", ".", "--out", "r.png"]) == 0
    assert cli.main(["attend", run, "--data", "ünï 😀.png", "--out", "o"]) == 0
    out = capsys.readouterr().out
    out.encode()  # can be printed
    assert r"a\nb.png" in out or "a b.png" in out
    assert "skipped unreadable picture bro ken.png" in out and "\x1b" not in out
    assert cli.main(["retrieve", run, "bro\nken.png", "--data", "."]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_one_line():
    assert one_line("a\n b\tc") == "a b c"
    assert one_line("\x1b[1m\udcff é") == r"\x1b[1m\udcff é"
