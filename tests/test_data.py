"""Data: what a spec means, folders of every layout, and bad pictures named and left out."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from minidino.data import downloads, folders, load_data, pictures
from minidino.data.pictures import Pictures, decode_square, open_picture
from minidino.data.streamed import StreamedFolder
from minidino.data.things import ThingsOnStuff
from minidino.errors import UserError
from minidino.using.examples import Examples


def paint(path, color, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


@pytest.fixture
def folder(tmp_path):
    """Three classes of ten one-coloured pictures; the colour's red says which."""
    for c, name in enumerate(["ant", "bee", "cat"]):
        for i in range(10):
            paint(tmp_path / "set" / name / f"{i}.png", (80 * c, 10 * i, 0))
    return tmp_path / "set"


def red(images):
    return images[:, 0].float().mean(dim=(1, 2)).round().long()


def test_things_splits_are_different_images_and_validation_ignores_the_seed():
    sets = {s: load_data("things", s, 24, max_images=40, seed=3) for s in ("train", "val", "test")}
    assert not torch.equal(sets["train"].images, sets["val"].images)
    assert not torch.equal(sets["val"].images, sets["test"].images)
    again = load_data("things", "val", 24, max_images=40, seed=4)
    assert torch.equal(again.images, sets["val"].images)
    assert torch.equal(sets["train"].images, ThingsOnStuff(40, 24, seed=3).images)
    assert sets["test"].masks.shape == (40, 24, 24)
    telling = load_data("things-telling", "train", 24, max_images=40, seed=3)
    assert torch.equal(telling.masks, sets["train"].masks)
    assert not torch.equal(telling.images, sets["train"].images)


def test_a_folder_per_class_holds_out_every_fifth(folder):
    train, test = (load_data(str(folder), s, 16) for s in ("labelled", "test"))
    assert list(train.classes) == ["ant", "bee", "cat"] and len(train) == 24 and len(test) == 6
    for part in (train, test):
        assert torch.equal(red(part.images), 80 * part.labels)
    both = torch.cat([train.images, test.images]).flatten(1)
    assert len(both.unique(dim=0)) == 30  # every picture is in exactly one part


def test_train_and_val_folders_are_used_as_they_are(folder, tmp_path):
    (tmp_path / "split").mkdir()
    folder.rename(tmp_path / "split/train")
    paint(tmp_path / "split/val/bee/x.png", (1, 2, 3))
    data = str(tmp_path / "split")
    assert len(load_data(data, "train", 16)) == 30
    assert len(load_data(data, "val", 16)) == len(load_data(data, "test", 16)) == 1


def test_a_flat_folder_has_pictures_and_no_labels(tmp_path):
    for i in range(5):
        paint(tmp_path / "flat" / f"{i}.jpg", (i, i, i))
    (tmp_path / "flat/notes.txt").write_text("no picture")
    (tmp_path / "flat/.hidden.png").write_text("no picture")
    data = load_data(str(tmp_path / "flat"), "train", 16)
    assert len(data) == 5 and data.labels is None


def test_max_images_keeps_every_class(folder):
    data = load_data(str(folder), "labelled", 16, max_images=9)
    assert data.labels.bincount().tolist() == [3, 3, 3]


def test_unreadable_pictures_are_named_and_left_out(folder, capsys):
    (folder / "ant/0.png").write_bytes(b"not a picture")
    cut = (folder / "bee/0.png").read_bytes()
    (folder / "bee/0.png").write_bytes(cut[: len(cut) // 2])
    data = load_data(str(folder), "labelled", 16)
    assert len(data) == len(data.labels) == 22 and len(data.skipped) == 2
    assert torch.equal(red(data.images), 80 * data.labels)
    said = capsys.readouterr().out
    assert "ant/0.png" in said and "bee/0.png" in said


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "neither a folder nor one of things"),
        (lambda p: p.mkdir(), "no pictures in"),
        (lambda p: p.write_text("x"), "is a file"),
        (lambda p: (p.mkdir(), (p / "a.png").write_text("x")), "none of the 1 pictures"),
        (lambda p: paint(p / "train/a/x.png", (1, 1, 1)), "no val or test folder"),
    ],
    ids=["missing", "empty", "a file", "all damaged", "no val"],
)
def test_folders_that_cannot_be_used_are_named(tmp_path, make, words):
    make(tmp_path / "x")
    with pytest.raises(UserError, match=words):
        load_data(str(tmp_path / "x"), "val", 16)


def test_pictures_are_upright_rgb_and_squared_from_the_middle(tmp_path):
    wide = Image.new("RGB", (60, 20), (255, 0, 0))
    wide.paste((0, 255, 0), (20, 0, 40, 20))  # green in the middle
    wide.save(tmp_path / "wide.png")
    assert decode_square(tmp_path / "wide.png", 10)[:, 5, 5].tolist() == [0, 255, 0]
    assert decode_square(tmp_path / "wide.png", 10)[0, :, 1:-1].max() == 0  # no red left
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: stored lying, shown standing
    wide.save(tmp_path / "turned.jpg", exif=exif)
    assert open_picture(tmp_path / "turned.jpg").size == (20, 60)
    for mode in ("L", "CMYK", "RGBA", "P", "1"):
        path = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (20, 20)).save(path)
        assert decode_square(path, 8).shape == (3, 8, 8)


def test_streaming_gives_the_same_batches_as_memory(folder, monkeypatch):
    index = list(torch.randperm(24).split(5))
    memory = load_data(str(folder), "train", 16)
    monkeypatch.setattr(folders, "IN_MEMORY_BYTES", 100)
    stream = load_data(str(folder), "train", 16)
    assert isinstance(memory, Pictures) and isinstance(stream, StreamedFolder)
    stream.workers = 2
    for a, b in zip(memory.batches(index), stream.batches(index), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(memory.labels, stream.labels)


def test_streaming_passes_over_a_bad_picture_and_counts_it(folder, monkeypatch, capsys):
    monkeypatch.setattr(folders, "IN_MEMORY_BYTES", 100)
    stream = load_data(str(folder), "train", 16)
    stream.workers = 0
    stream.files[3].write_bytes(b"broken")
    batch = next(stream.batches([torch.tensor([3, 4])]))
    assert torch.equal(batch[0], batch[1])  # the next one stands in
    assert stream.skipped == [stream.files[3]]
    assert str(stream.files[3]) in capsys.readouterr().out


# ------------------------------------------------------------------ torchvision


def test_cifar10_is_read_as_torchvision_stores_it(tmp_path, monkeypatch):
    """A batch folder in CIFAR's own layout; the checksums are those of the real files."""
    base = tmp_path / "cifar-10-batches-py"
    base.mkdir()
    rng = np.random.default_rng(0)
    pixels = {}
    for i, name in enumerate([*(f"data_batch_{j}" for j in range(1, 6)), "test_batch"]):
        pixels[name] = rng.integers(0, 256, (8, 3072), dtype=np.uint8)
        entry = {"data": pixels[name], "labels": [(i + j) % 10 for j in range(8)]}
        (base / name).write_bytes(pickle.dumps(entry))
    names = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    train, test = (load_data("cifar10", s, 32, root=tmp_path) for s in ("train", "test"))
    assert len(train) == 40 and len(test) == 8 and list(train.classes) == names
    expected = pixels["test_batch"].reshape(8, 3, 32, 32)
    assert torch.equal(test.images, torch.from_numpy(expected))
    assert train.labels[:3].tolist() == [0, 1, 2]


def test_a_download_that_fails_says_where_the_files_belong(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("Network is unreachable")

    for name, class_name in [("cifar10", "CIFAR10"), ("stl10", "STL10"),
                             ("imagenette", "Imagenette"), ("pets", "OxfordIIITPet")]:  # fmt: skip
        monkeypatch.setattr(torchvision.datasets, class_name, offline)
        with pytest.raises(UserError, match=f"could not get {name}.*unreachable"):
            load_data(name, "train", 32, root=tmp_path)


def test_a_data_sets_name_counts_before_a_folder_of_that_name(tmp_path, monkeypatch, capsys):
    """For every command: attend and explore read the folder, and knn drew things."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "_said", set())
    save_picture(tmp_path / "things/1.png")
    for name in ("things/1.png", "pets/1.png"):
        save_picture(tmp_path / name)
    drawn = load_data("things", "test", 24, max_images=4)
    assert torch.equal(Examples("things", 6, 24, most=4).data.images, drawn.images)
    said = "things is the data set of that name; for the folder write ./things\n"
    assert capsys.readouterr().out == said  # once
    with pytest.raises(UserError, match="could not get pets"):
        load_data("pets", "train", 24, root=tmp_path / "things/1.png")
    assert "for the folder write ./pets" in capsys.readouterr().out
    assert len(load_data("./things", "train", 24)) == 1
    assert Examples("./things", 6, 24).names == ["1.png"]
    with pytest.raises(UserError, match=r"things is no file or folder \(./things is\)"):
        Examples("things", 6, 24, masks="masks")


def test_where_downloads_go(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDINO_DATA", str(tmp_path))
    assert downloads.data_root() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MINIDINO_DATA", "~/data")
    assert downloads.data_root() == tmp_path / "data"
    monkeypatch.delenv("MINIDINO_DATA")
    assert downloads.data_root().name == "minidino"


def test_real_photographs(shared_data, tmp_path):
    with zipfile.ZipFile(shared_data / "imagenette128.zip") as archive:
        wanted = [n for n in archive.namelist() if n.endswith(".webp")][::300]
        archive.extractall(tmp_path, wanted)
    data = load_data(str(tmp_path / "imagenette128"), "train", 128)
    assert data.images.shape[1:] == (3, 128, 128) and len(data.classes) > 1 and not data.skipped
    assert 60 < data.images.float().mean() < 190


def test_a_class_has_one_number_in_all_splits(tmp_path):
    """val lacks b: c is still the third class there."""
    for place in ("train/a", "train/b", "train/c", "val/a", "val/c"):
        save_picture(tmp_path / place / "1.png")
    (tmp_path / "val/b").mkdir()
    train, val = (load_data(str(tmp_path), split, 16) for split in ("train", "val"))
    assert train.labels.tolist() == [0, 1, 2] and list(train.classes) == ["a", "b", "c"]
    assert val.labels.tolist() == [0, 2] and list(val.classes) == ["a", "b", "c"]
    save_picture(tmp_path / "val/d/1.png")
    assert load_data(str(tmp_path), "val", 16).labels is None


def test_which_folder_is_held_out_for_what(tmp_path):
    """Choices must not be made on the pictures that results are told of."""
    for place, n in (("train/a", 4), ("valid/a", 2), ("test/a", 3)):
        for i in range(n):
            save_picture(tmp_path / place / f"{i}.png")
    assert [len(load_data(str(tmp_path), split, 16)) for split in ("val", "test")] == [2, 3]


def save_picture(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), "red").save(file)


def test_imagenette_that_was_not_unpacked_to_its_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "Imagenette", lambda *_, **__: [None] * 5)
    with pytest.raises(UserError, match=r"5 of 9,469 pictures for train.* Remove the folder"):
        load_data("imagenette", "train", 32, root=tmp_path)


def test_a_damaged_picture_of_a_downloaded_set_is_named(tmp_path, monkeypatch):
    class Damaged(list):
        def __getitem__(self, i):
            raise OSError("Truncated File Read")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", lambda *_, **__: Damaged([None] * 5))
    with pytest.raises(UserError, match=r"of cifar10, train, in .*Truncated File Read"):
        load_data("cifar10", "train", 32, root=tmp_path)


def test_imagenette_is_fetched_as_large_as_it_is_wanted(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(torchvision.datasets, "Imagenette", lambda *a, **_: asked.append(a[2]))
    for size in (60, 160, 256):
        with pytest.raises(UserError):  # None has no pictures
            load_data("imagenette", "train", size, root=tmp_path)
    assert asked == ["160px", "160px", "320px"]


def test_more_than_the_machine_holds_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_torchvision_set", lambda *_: [None] * 1000)
    monkeypatch.setattr(pictures, "installed_ram", lambda: 10**6)
    with pytest.raises(UserError, match="1,000 images of 32 px do not fit in memory"):
        load_data("stl10", "train", 32, root=tmp_path)
