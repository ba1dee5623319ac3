"""Other people's folders: what is trained on, what is held out, what is left out and said."""

import os
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from minidino.cli import main
from minidino.config import Reading, TrainConfig
from minidino.data import folders, load_data
from minidino.data.listing import list_pictures
from minidino.errors import UserError
from minidino.run.checkpoint import load_checkpoint, save_checkpoint
from minidino.train import train
from minidino.using.examples import Examples
from minidino.using.segment import pictures_of
from minidino.weights.pretrained import load_trained


@pytest.fixture
def make(tmp_path):
    """``make("a", 3)``: three pictures of noise in a folder; no two pictures are alike."""
    rng = np.random.default_rng(0)

    def pictures(where: str, n: int, name="{}.png") -> None:
        (tmp_path / where).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            noise = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / where / name.format(i))

    return pictures


def counts(data):
    return None if data.labels is None else data.labels.bincount().tolist()


def load(folder, split="train", **how):
    return load_data(str(folder), split, 16, **how)


def test_pictures_beside_subfolders_are_all_used_and_have_no_labels(make, tmp_path, capsys):
    make("", 40)
    make("edited", 10)
    data = load(tmp_path)
    assert len(data) == 50 and data.labels is None
    assert (
        "50 pictures; no labels, as 40 lie beside the folders (edited)" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"), ("TRAIN", "valid"), ("train_set", "dev"), ("tr", "te"),
        ("train2017", "val2017"), ("training-images", "evaluation"), ("a b/train", "a b/Test"),
    ],
)  # fmt: skip
def test_splits_however_they_are_spelt(make, tmp_path, capsys, train, test):
    for place, n in ((train, 5), (test, 3)):
        make(f"{place}/cat", n)
        make(f"{place}/dog", n)
    assert counts(load(tmp_path)) == [5, 5] and counts(load(tmp_path, "test")) == [3, 3]
    assert "2 classes: cat, dog" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["train", "tr"])
def test_a_class_may_be_called_train(make, tmp_path, name):
    for place in ("bus", "car", name):
        make(place, 5)
    assert counts(load(tmp_path)) == [4, 4, 4]


def test_splits_within_every_class(make, tmp_path, capsys):
    """As in MVTec: cable/train/good, cable/test/cut, cable/ground_truth/cut."""
    for thing, held_out in (("bottle", 3), ("cable", 2)):
        make(f"{thing}/train/good", 4)
        make(f"{thing}/test/broken", held_out)
        make(f"{thing}/ground_truth/broken", held_out)
    assert counts(load(tmp_path)) == [4, 4] and counts(load(tmp_path, "test")) == [3, 2]
    assert "by their name: bottle/ground_truth, cable/ground_truth" in capsys.readouterr().out


def test_parts_to_hold_out_are_not_trained_on(make, tmp_path):
    make("val", 3)
    make("test", 3)
    with pytest.raises(UserError, match="test and val but no train folder; give the one to use"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("pictures", "masks", "held_out"),
    [
        ("images", "masks", None),
        ("JPEGImages", "SegmentationClass", None),
        ("train/images", "train/labels", "valid/images"),
        ("images/train", "labels/train", "images/val"),
        ("train", "train_masks", "test"),
        ("", "Annotations", None),
    ],
)
def test_masks_are_no_pictures(make, tmp_path, capsys, pictures, masks, held_out):
    make(pictures, 6)
    make(masks, 6)
    if held_out:
        make(held_out, 3)
    data = load(tmp_path)
    said = capsys.readouterr().out
    assert len(data) == 6 and data.labels is None
    assert "left out: folders that hold no pictures by their name" in said
    assert masks.split("/")[0] in said
    if held_out:
        assert len(load(tmp_path, "val")) == 3


def test_whole_names_only(make, tmp_path):
    make("with_mask", 5)
    make("without_mask", 5)
    assert counts(load(tmp_path)) == [4, 4]


def test_one_class_is_none(make, tmp_path, capsys):
    make("cats", 10)
    data = load(tmp_path)
    assert len(data) == 10 and data.labels is None
    said = "10 pictures; no labels, as all are in one folder (cats); nothing is held out"
    assert said in capsys.readouterr().out


def test_a_folder_around_it_all_is_looked_through(make, tmp_path):
    """As archives unpack: flowers/flowers/rose."""
    make("flowers/flowers/rose", 5)
    make("flowers/flowers/daisy", 5)
    data = load(tmp_path)
    assert list(data.classes) == ["daisy", "rose"] and counts(data) == [4, 4]


def test_hidden_folders_thumbnails_and_own_masks_are_left_out(make, tmp_path, capsys):
    make("a", 5)
    for place in (".thumbnails", "@eaDir", "__MACOSX/a", "a/.git", "thumbs"):
        make(place, 3)
    make("a", 1, "{}_thumb.png")  # beside 0.png
    make("a", 1, "thumb_{}.png")
    make("a", 1, "green_thumb.png")  # of nothing that is there: a picture
    make("a", 1, "{}.mask.png")
    (tmp_path / "a/Thumbs.db").write_bytes(b"x")
    names = {str(f.relative_to(tmp_path)) for f in list_pictures(tmp_path)}
    assert names == {f"a/{i}.png" for i in range(5)} | {"a/green_thumb.png"}
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "2 thumbnails, 1 .mask.png" in said
    assert "@eaDir, __MACOSX, thumbs" in said and "Thumbs.db" not in said


def test_links_are_followed_everywhere_and_no_folder_is_read_twice(make, tmp_path, capsys):
    make("set/a", 5)
    make("set/b", 5)
    make("outside", 5)
    os.symlink("../outside", tmp_path / "set/c")
    os.symlink("b", tmp_path / "set/again")
    os.symlink("..", tmp_path / "set/a/loop")
    os.symlink("../..", tmp_path / "set/a/all")
    assert counts(load(tmp_path / "set")) == [4, 4, 4]
    said = capsys.readouterr().out
    assert "links to folders that are there already" in said and "again" in said
    assert len(list_pictures(tmp_path / "set")) == len(pictures_of(tmp_path / "set")) == 15


def test_what_minidino_wrote_below_a_folder_is_no_picture(make, tmp_path, monkeypatch, capsys):
    """The second `minidino data .` had a class called runs."""
    for place in ("cat", "dog", "runs", "out/attend/maps", "models/run"):
        make(place, 5)
    for place in ("out", "models/run"):
        (tmp_path / place / "checkpoint.pt").touch()
    monkeypatch.chdir(tmp_path)
    assert counts(load(".")) == [4, 4]
    assert "left out: folders of minidino's runs: models/run, out, runs" in capsys.readouterr().out
    assert len(load("runs")) == len(load("out/attend")) == len(load("models/run")) == 5  # asked for
    monkeypatch.chdir(tmp_path / "cat")
    assert len(list_pictures(tmp_path)) == 15 and "runs: models/run, out" in capsys.readouterr().out


def test_figures_and_maps_among_pictures_are_none_of_them(make, tmp_path, capsys):
    make("a", 5)
    make("b", 5)
    make("b", 1, "{}.attention.png")  # a person's own, called so
    argv = ["attend", "minidino_things", "--data", tmp_path / "a", "--out", tmp_path / "att"]
    assert main([str(a) for a in argv]) == 0
    make("clip", 2)
    make("mask", 1)
    argv = ["propagate", "minidino_things", "--frames", tmp_path / "clip", "--mask"]
    argv += [tmp_path / "clip/0.png", "--out", tmp_path / "followed"]
    Image.new("L", (20, 20), 255).save(tmp_path / "one.png")
    argv[5] = tmp_path / "one.png"
    assert main([str(a) for a in argv]) == 0
    capsys.readouterr()
    for place in ("clip", "mask"):
        for file in (tmp_path / place).iterdir():
            file.unlink()
    (tmp_path / "one.png").unlink()
    assert counts(load(tmp_path)) == [4, 5]
    said = capsys.readouterr().out
    assert "left out: 14 pictures that minidino wrote, 5 .mask.png" in said


def test_what_pillow_reads_is_read_and_the_rest_is_counted_by_suffix(make, tmp_path, capsys):
    make("", 2)
    picture = Image.new("RGB", (20, 20), (9, 200, 30))
    for name, kind in (("a.jfif", "JPEG"), ("b.JPE", "JPEG"), ("c.pgm", "PPM"),
                       ("d.jp2", "JPEG2000"), ("e.tga", "TGA"), ("no_suffix", "PNG")):  # fmt: skip
        picture.convert("L" if kind == "PPM" else "RGB").save(tmp_path / name, kind)
    for name in ("1.heic", "2.HEIC", "3.cr2", "notes.txt", "list.csv", ".DS_Store", "LICENSE"):
        (tmp_path / name).write_bytes(b"nothing to see")
    os.mkfifo(tmp_path / "pipe")  # would be waited for
    data = load(tmp_path)
    assert len(data) == 8 and not data.skipped
    said = capsys.readouterr().out
    if ".heic" not in Image.registered_extensions():
        assert "2 .heic, 1 .cr2 (HEIC is read after: pip install pillow-heif)" in said
    assert ".txt" not in said and ".csv" not in said and "LICENSE" not in said


def test_a_folder_that_cannot_be_read_is_named(make, tmp_path, capsys, monkeypatch):
    make("open", 3)
    make("closed", 3)
    scan = os.scandir

    def scandir(path):  # as root nothing is forbidden
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(list_pictures(tmp_path)) == 3
    assert "folders that cannot be read: closed" in capsys.readouterr().out


def test_accents_and_case_of_a_class_may_differ_between_splits(make, tmp_path):
    name = "café"
    make(f"train/{unicodedata.normalize('NFC', name)}", 4)
    make("train/Tea", 4)
    make(f"val/{unicodedata.normalize('NFD', name)}", 2)
    make("val/tea", 1)
    assert counts(load(tmp_path, "val")) == [1, 2]  # Tea, café


def test_a_held_out_part_without_folders_has_no_labels_and_is_not_scored(
    make, tmp_path, monkeypatch, capsys
):
    """As ImageNet's val is unpacked."""
    for place, n in (("train/cat", 6), ("train/dog", 6), ("val", 6)):
        make(place, n)
    assert counts(load(tmp_path)) == [6, 6] and load(tmp_path, "val").labels is None
    assert "no labels in val: of no class in train: no folder" in capsys.readouterr().out
    assert main(["knn", "minidino_things", "--data", str(tmp_path)]) == 2
    assert "held-out pictures are not in folders named as in train" in capsys.readouterr().err


def test_an_empty_folder_is_no_class(make, tmp_path, capsys):
    make("cat", 5)
    make("dog", 5)
    (tmp_path / "bird").mkdir()
    assert counts(load(tmp_path)) == [4, 4]
    assert "2 classes: cat, dog" in capsys.readouterr().out


def test_fewer_pictures_than_neighbours(make, tmp_path, capsys):
    for colour, name in ((0, "dark"), (200, "bright")):
        make(name, 2)
        for file in (tmp_path / name).iterdir():
            Image.fromarray(np.asarray(Image.open(file)) // 5 + np.uint8(colour)).save(file)
    assert main(["knn", "minidino_things", "--data", str(tmp_path), "--k", "50"]) == 0
    said = capsys.readouterr().out
    assert "k = 2," in said and " px to learn from, 2 tested)" in said


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode there")
def test_names_that_are_no_unicode(make, tmp_path, capsys):
    """As an archive of another system leaves them: Latin-1's u with an umlaut, and e acute."""
    make("red", 5)
    make(os.fsdecode(b"gr\xfcn"), 5, os.fsdecode(b"\xe9{}.png"))
    (tmp_path / os.fsdecode(b"gr\xfcn") / os.fsdecode(b"\xe9.png")).write_bytes(b"broken")
    assert counts(load(tmp_path)) == [4, 4]
    said = capsys.readouterr().out
    assert r"gr\udcfcn" in said and r"unreadable picture" in said
    assert said.encode("utf-8")  # can be shown


def test_of_a_file_it_is_told_what_to_give_in_its_place(tmp_path):
    for name, words in [
        ("x.zip", "unpack it"),
        ("x.tar.xz", "unpack it"),
        ("x.JPG", "give the folder it is in"),
        ("train.parquet", "give a folder of picture files"),
    ]:
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(UserError, match=f"is a file; {words}"):
            load(tmp_path / name)


# ------------------------------------------------------------------ a fifth held out


def test_of_every_class_a_fifth_is_held_out(make, tmp_path, capsys):
    for name, n in (("a", 10), ("b", 1), ("c", 2), ("d", 4)):
        make(name, n)
    assert counts(load(tmp_path)) == [8, 1, 1, 3]
    assert counts(load(tmp_path, "test")) == [2, 0, 1, 1]
    said = capsys.readouterr().out
    assert "4 classes: a, b, c, d; 4 are held out" in said and "too small for it: b" in said


@pytest.mark.parametrize(
    ("layout", "by"), [("{c}/clip{k}", "folder"), ("{c}", r"clip\d"), ("{c}", r"clip(\d)_")]
)
def test_what_belongs_together_is_held_out_together(make, tmp_path, layout, by):
    """A clip's pictures are named by it; a bracket alone tells clips of both classes as one."""
    for c in "ab":
        for k in range(5):
            make(layout.format(c=c, k=k), 4, f"clip{k}_{{}}.png")
    parts = [load(tmp_path, s, reading=Reading(group_by=by)) for s in ("labelled", "test")]
    clips = [{str(f.parent) + f.name[:5] for f in part.files} for part in parts]
    assert [len(p) for p in parts] == [32, 8] and not clips[0] & clips[1]
    assert counts(parts[1]) == [4, 4]


def test_a_patient_of_two_classes_is_on_one_side(make, tmp_path):
    for c in "ab":
        make(c, 10, "patient{}.png")
    sides = [
        {f.name for f in load(tmp_path, s, reading=Reading(group_by=r"patient\d")).files}
        for s in ("labelled", "test")
    ]
    assert not sides[0] & sides[1] and len(sides[1]) >= 2


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"group_by": "("}, r'--group-by "\(" is no pattern'),
        ({"range": "5"}, "give LOW,HIGH"),
        ({"range": "9,9"}, "give LOW,HIGH"),
        ({"range": "0,nan"}, "give LOW,HIGH"),
        ({"fit": "crop"}, "must be one of square, pad, keep"),
        ({"keep_truncated": "yes"}, "must be of type bool"),
    ],
)
def test_readings_that_cannot_be(how, words):
    with pytest.raises(UserError, match=words):
        Reading(**how)


def test_a_pattern_that_is_nowhere(make, tmp_path):
    make("a", 5)
    make("b", 5)
    with pytest.raises(UserError, match='"clip" is found in no name, such as a/0'):
        load(tmp_path, reading=Reading(group_by="clip"))


# ------------------------------------------------------------------ settings that reach the loader


def test_old_settings_have_the_usual_reading():
    old = TrainConfig().to_dict()
    for name in ("fit", "keep_truncated", "group_by", "range"):
        del old[name]
    assert TrainConfig.from_dict(old).reading == Reading()
    assert TrainConfig.from_dict(TrainConfig(fit="pad", range="0,9").to_dict()).reading == Reading(
        fit="pad", range="0,9"
    )


def test_a_run_reads_as_it_began_when_it_goes_on_and_is_scored(
    make, tmp_path, monkeypatch, capsys, tiny_config
):
    make("set/a", 10)
    make("set/b", 10)
    seen = []
    read = folders.from_folder

    def from_folder(folder, split, size, n, reading):
        seen.append(reading)
        return read(folder, split, size, n, reading)

    monkeypatch.setattr("minidino.data.from_folder", from_folder)
    out, data = str(tmp_path / "run"), str(tmp_path / "set")
    small = "--epochs 1 --batch-size 4 --depth 1 --embed-dim 24 --num-heads 2 --out-dim 8"
    command = ["train", "--data", data, "--out", out, "--device", "cpu", *small.split()]
    asked = ["--fit", "pad", "--group-by", r"\d", "--keep-truncated"]
    assert main([*command, *asked]) == 0
    assert main(["knn", out, "--device", "cpu"]) == 0
    assert main(["train", "--out", out, "--resume", "--device", "cpu"]) == 0
    kept = Reading(fit="pad", group_by=r"\d", keep_truncated=True)
    assert len(seen) >= 5 and set(seen) == {kept}
    seen.clear()
    other = ["--device", "cpu", "--fit", "square", "--no-keep-truncated"]
    assert main(["linear", out, "--epochs", "1", *other]) == 0
    assert set(seen) == {Reading(group_by=r"\d")}
    capsys.readouterr()
    assert main(["train", "--out", out, "--resume", "--fit", "keep"]) == 2
    assert "fit was pad, asked for keep" in capsys.readouterr().err


def test_a_run_keeps_the_range_of_its_folder(tmp_path, tiny_config):
    """A picture alone, and one of a folder, is scaled as in training, not by its own values."""
    (tmp_path / "deep").mkdir()
    for i in range(6):
        ramp = np.linspace(0, 4095 if i == 0 else 1000, 400).astype(np.uint16)
        Image.fromarray(ramp.reshape(20, 20)).save(tmp_path / f"deep/{i}.png")
    small = {"batch_size": 4, "epochs": 1, "depth": 1, "knn_evals": 0, "snapshots": 0}
    config = replace(tiny_config, data=str(tmp_path / "deep"), max_images=None, **small)
    out = tmp_path / "run"
    assert train(config, out, progress=False).config.range == "0.0,4095.0"
    again = train(config, out, resume=True, progress=False)  # the same command
    assert again.config.range == "0.0,4095.0"
    reading = load_trained(out).reading
    (alone,) = Examples(str(tmp_path / "deep/3.png"), 6, 24, reading=reading)
    assert alone.image.max() == 62  # 1000 / 16 = 62.5
    with pytest.raises(UserError, match=r"range was 0.0,4095.0, asked for 0,9"):
        train(replace(config, range="0,9"), out, resume=True, progress=False)
    state = load_checkpoint(out)
    state["config"]["range"] = None  # as earlier versions saved it
    save_checkpoint(out / "checkpoint.pt", state)
    assert train(config, out, resume=True, progress=False).config.range is None
    (alone,) = Examples(str(tmp_path / "deep/3.png"), 6, 24, reading=load_trained(out).reading)
    assert alone.image.max() == 255


def test_another_fifth_than_was_held_out_is_told_and_not_trained_on(
    make, tmp_path, capsys, tiny_config
):
    """A picture more in front of the others moves all that come after it."""
    make("set/a", 10, "{}.png")
    make("set/b", 10, "{}.png")
    small = {"batch_size": 4, "epochs": 2, "depth": 1, "knn_evals": 0, "snapshots": 0}
    config = replace(tiny_config, data=str(tmp_path / "set"), max_images=None, **small)
    out = tmp_path / "run"
    train(config, out, progress=False)
    knn = ["knn", str(out), "--device", "cpu"]
    assert main(knn) == 0
    assert "other pictures to train on" not in capsys.readouterr().out
    make("set/a", 1, "+{}.png")
    assert main(knn) == 0
    assert (
        "set has other pictures to train on than it had in the training" in capsys.readouterr().out
    )
    assert main([*knn, "--data", str(tmp_path / "set/../set")]) == 0
    assert "other pictures to train on" in capsys.readouterr().out
    with pytest.raises(UserError, match="were added, taken away or renamed since the run began"):
        train(config, out, resume=True, progress=False)
    (tmp_path / "set/a/+0.png").unlink()
    (tmp_path / "around").mkdir()
    (tmp_path / "set").rename(tmp_path / "around/set")  # the same pictures, elsewhere
    train(replace(config, data=str(tmp_path / "around")), out, resume=True, progress=False)
    (tmp_path / "around/set").rename(tmp_path / "set")
    state = load_checkpoint(out)
    del state["names_digest"]  # as earlier versions saved it
    save_checkpoint(out / "checkpoint.pt", state)
    make("set/a", 1, "+{}.png")
    train(config, out, resume=True, progress=False)


def test_a_run_finds_its_folder_from_everywhere(make, tmp_path, monkeypatch, capsys, tiny_config):
    """Elsewhere a folder of the same name has other pictures."""
    make("here/set/a", 5)
    make("here/set/b", 5)
    make("there/set/c", 10)
    make("there/set/d", 10)
    small = {"batch_size": 4, "epochs": 1, "depth": 1, "knn_evals": 0, "snapshots": 0}
    config = replace(tiny_config, data="set", max_images=None, **small)
    monkeypatch.chdir(tmp_path / "here")
    train(config, "run", progress=False)
    train(config, "run", resume=True, progress=False)
    monkeypatch.chdir(tmp_path / "there")
    assert main(["knn", "../here/run", "--device", "cpu"]) == 0
    assert "10 pictures; 2 classes: a, b" in capsys.readouterr().out
    (tmp_path / "here/set").rename(tmp_path / "here/moved")
    assert main(["knn", "../here/run", "--device", "cpu"]) == 2
    assert "what these weights were trained on, is gone; give --data" in capsys.readouterr().err


def test_things_are_drawn_and_not_read(capsys, monkeypatch):
    monkeypatch.setattr(folders, "_said", set())
    drawn = load_data("things", "val", 24, max_images=4)
    again = load_data("things", "val", 24, max_images=4, reading=Reading(fit="pad"))
    assert torch.equal(drawn.images, again.images)
    assert "things is read as it is" in capsys.readouterr().out
