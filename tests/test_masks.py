"""Masks as data sets have them: written by PIL value for value, read and scored by ``attend``."""

import json
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

from minidino import cli
from minidino.commands.attend import _told
from minidino.errors import UserError
from minidino.using.attend import Chosen, Looked
from minidino.using.examples import Examples, averaged, distinct
from minidino.using.masks import find_masks, load_mask, without_masks

DARK = [0, 0, 0, 128, 0, 0, 0, 128, 0, *[0] * (252 * 3), 224, 224, 192]  # as DAVIS's, and VOC's
THING = np.zeros((8, 12), np.uint8)
THING[2:6, 3:9] = 1
TWO = THING.copy()
TWO[4:6, 3:9] = 2
BORDER = TWO.copy()
BORDER[1, 3:9] = 255
ONES = THING.astype(bool)
CELLS = np.where(ONES, 241 + np.arange(96).reshape(8, 12), 0).astype(np.int32)  # 255 is one, too
NOISE = np.random.default_rng(0).integers(0, 90, THING.shape, np.uint8)
ALPHA = np.dstack([np.full((8, 12, 3), 7, np.uint8), 255 * THING])
COLOURS = np.array([(0, 0, 0), (128, 0, 0), (0, 0, 64)] + [(0, 0, 0)] * 252 + [(224, 224, 192)])


def palette(indices, colours=DARK):
    picture = Image.fromarray(indices).convert("P")
    picture.putdata(indices.flatten().tolist())
    picture.putpalette(colours)
    return picture


# name: picture, the words it is read by, is there void
MASKS = {
    "davis.png": (palette(THING), "indices of a palette", False),
    "davis2.png": (palette(TWO), "indices of a palette", False),
    "davis.gif": (palette(TWO), "indices of a palette", False),
    "voc.png": (palette(BORDER), "indices of a palette, 0 is background, 255 void", True),
    "one object of index 255.png": (palette(255 * THING), "indices of a palette", False),
    "0 is white.png": (palette(1 - THING, [0] * 3 + [255] * 3), "brightness", None),
    "1 is black.png": (palette(1 - THING, [255] * 3 + [0] * 3), "brightness", False),
    "0 and 1.png": (Image.fromarray(THING), "labels", False),
    "labels.png": (Image.fromarray(TWO * 40), "labels", False),
    "labels with void.png": (Image.fromarray(BORDER), "labels, 0 is background, 255 void", True),
    "bright.png": (Image.fromarray(255 * THING), "brightness", False),
    "soft.png": (Image.fromarray(NOISE + 160 * THING), "brightness", False),
    "noisy.jpg": (Image.fromarray(NOISE // 8 + 230 * THING), "brightness", False),
    "bilevel.png": (Image.fromarray(255 * THING).convert("1"), "brightness", False),
    "16 bits.png": (Image.fromarray(THING.astype(np.uint16) * 65535), "brightness", False),
    "16-bit labels.png": (Image.fromarray(TWO.astype(np.uint16)), "labels", False),
    "16-bit instances of Cityscapes.png": (
        Image.fromarray(np.where(ONES, 26_001, 7).astype(np.uint16)), "labels", False),
    "300 cells.png": (Image.fromarray(CELLS.astype(np.uint16)), "numbers of objects", False),
    "300 cells.tif": (Image.fromarray(CELLS.astype(np.int32)), "numbers of objects", False),
    "panoptic.tif": (
        Image.fromarray(np.where(ONES, 256 * 256 * CELLS, 0)), "numbers of objects", False),
    "12 bits.png": (Image.fromarray(THING.astype(np.uint16) * 4095), "labels", False),
    "red 1.png": (Image.fromarray(np.dstack([THING, 0 * THING, 0 * THING])), "labels", False),
    "red tags of CARLA.png": (
        Image.fromarray(np.dstack([TWO * 6, 0 * TWO, 0 * TWO, 0 * TWO + 255])), "labels", False),
    "blue.png": (Image.fromarray(np.dstack([0 * TWO, 0 * TWO, TWO])), "labels", False),
    "rgb.png": (Image.fromarray(255 * THING).convert("RGB"), "brightness", False),
    "rgb labels.png": (Image.fromarray(TWO).convert("RGB"), "labels", False),
    "colours.png": (Image.fromarray(COLOURS[BORDER].astype(np.uint8)), "colours", True),
    "cut out.png": (Image.fromarray(ALPHA), "transparency", False),
    "white.png": (Image.fromarray(255 * THING).convert("RGBA"), "brightness", False),
    "pets.png": (Image.fromarray(np.where(BORDER == 255, 3, 2 - ONES).astype(np.uint8)),
                 "trimaps", True),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_read_by_value(name, tmp_path):
    picture, words, void = MASKS[name]
    options = {"quality": 95} if name.endswith("jpg") else {}
    picture.save(tmp_path / name, **options)
    thing, valid, how = load_mask(tmp_path / name, (80, 120))
    assert how.startswith(words)
    assert (thing.numpy() == (~ONES if void is None else ONES)).all()
    assert (valid is None) == (not void)
    assert valid is None or (valid.numpy() == (BORDER != 255)).all()


def test_a_mask_of_another_shape_is_refused_and_of_another_size_not(tmp_path):
    Image.fromarray(THING).save(tmp_path / "a.png")
    load_mask(tmp_path / "a.png", (333, 500))  # 12 x 8 is as near as that comes
    with pytest.raises(UserError, match=r"a.png has 12 x 8 pixels, its picture 80 x 120"):
        load_mask(tmp_path / "a.png", (120, 80))


# ------------------------------------------------------------------ whose mask


def pictures(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (12, 8)).save(folder / name)
    return {name: folder / name for name in names}


def test_a_mask_is_found_by_name_in_another_case_or_with_an_ending(tmp_path, capsys):
    photos = pictures(tmp_path / "p", *(f"{n}.jpg" for n in ("a", "Bee", "c_seg", "d", "e/f", "g")))
    fitting = ("a.png", "bee_mask.gif", "c_seg.png", "D-Segmentation.PNG", "E/f.jpg", "g.PNG")
    masks = pictures(tmp_path / "m", *fitting, "c.png", "a_mask.png", "gg.png")
    found = find_masks(tmp_path / "m", photos)
    assert found == {p: masks[m] for p, m in zip(photos, fitting, strict=True)}
    said = capsys.readouterr().out
    assert "Bee.jpg -> bee_mask.gif" in said and "a.jpg" not in said and "no mask" not in said


def test_missing_and_ambiguous_masks_are_named(tmp_path, capsys):
    photos = pictures(tmp_path / "p", *(f"{i}.jpg" for i in range(18)))
    pictures(tmp_path / "m", *(f"{i}.png" for i in range(10)), "10_mask.png", "10_gt.png")
    assert len(find_masks(tmp_path / "m", photos)) == 10
    said = capsys.readouterr().out
    assert "no mask, so not scored: 10.jpg (2 fit), 11.jpg" in said and "and 3 more" in said
    photos |= pictures(tmp_path / "p", *(f"x{i}.jpg" for i in range(3)))
    with pytest.raises(UserError, match=r"no mask for 10.jpg.*\(11 of 21 pictures have none\)"):
        find_masks(tmp_path / "m", photos)
    with pytest.raises(UserError, match="is the picture itself"):
        find_masks(tmp_path / "p", photos)


def test_masks_that_lie_among_the_pictures_are_none_of_them(tmp_path, capsys):
    photos = list(pictures(tmp_path / "p", "a.png", "b/c.png").values())
    masks = list(pictures(tmp_path / "p", "a_mask.png", "few/a.png", "few/b/c.png").values())
    assert without_masks([*photos, *masks], tmp_path / "p/few") == [*photos, masks[0]]
    assert without_masks([*photos, masks[0]], masks[0]) == photos
    assert capsys.readouterr().out.count("left out, as masks: ") == 2
    for elsewhere in (tmp_path / "q", tmp_path / "p", tmp_path):
        assert without_masks(photos, elsewhere) == photos
    masks[0].unlink()
    examples = Examples(str(tmp_path / "p"), 4, 8, masks=str(tmp_path / "p/few"))
    assert examples.names == ["a.png", "b/c.png"]
    assert capsys.readouterr().out.count("left out") == 1


# ------------------------------------------------------------------ the command


def folder_of(folder, n=3, size=(72, 48)):
    """Pictures in two subfolders, without masks."""
    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(path)
    return sorted((folder / "images").rglob("*.png"))


def mask_files(folder, mask):
    """The same mask for all pictures."""
    for path in (folder / "images").rglob("*.png"):
        to = folder / "masks" / path.relative_to(folder / "images")
        to.parent.mkdir(parents=True, exist_ok=True)
        mask.save(to)


def attend(folder, *more, masks=True, capsys):
    argv = ["attend", "minidino_things", "--data", folder / "images", "--out", folder / "out",
            "--size", 48, "--device", "cpu", *more]  # fmt: skip
    argv += ["--masks", folder / "masks"] if masks else []
    code = cli.main([str(a) for a in argv])
    out = capsys.readouterr()
    assert code == 0, out.err
    file = folder / "out/scores.json"
    return out.out, json.loads(file.read_text()) if file.exists() else None


def test_scores_are_scikit_learns_of_the_pixels_that_are_not_void(tmp_path, capsys):
    files = folder_of(tmp_path)
    large = np.kron(BORDER, np.ones((6, 6), np.uint8))
    mask_files(tmp_path, palette(large))
    said, scores = attend(tmp_path, capsys=capsys)
    assert "masks: indices of a palette, 0 is background, 255 void" in said
    known, by_folder = large != 255, {"a": [], "b": []}
    for file in files:
        mask = np.array(Image.open(tmp_path / f"out/maps/{file.parent.name}/{file.stem}.mask.png"))
        score = jaccard_score(large[known] > 0, mask[known] > 127)
        by_folder[file.parent.name].append(score)
    expected = np.mean([np.mean(s) for s in by_folder.values()])
    assert 0 < scores["trained"]["jaccard_mean"] == pytest.approx(expected, abs=1e-6)


def test_a_mean_over_folders_is_called_that(tmp_path, capsys):
    folder_of(tmp_path)
    mask_files(tmp_path, Image.fromarray(255 * THING))
    said, scores = attend(tmp_path, capsys=capsys)
    assert "of 3 images, mean of 2 folders' means\n" in said
    assert scores["of"] == "3 images, mean of 2 folders' means" and scores["images"] == 3
    assert averaged(["a/0.png", "a/1.png"], "pictures") == "2 pictures"


def test_a_map_replaces_none_of_a_persons_pictures(tmp_path, monkeypatch, capsys):
    folder_of(tmp_path)
    monkeypatch.setattr("minidino.commands.attend._attention", lambda *_: 1 / 0)
    for name in ("0.mask.png", "2.head12.overlay.png", "2.pca.png"):
        mine = tmp_path / "out/maps/a" / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (5, 5)).save(mine)
        show = ["--show", "pca"] if "pca" in name else ["--heads", "each"]
        argv = ["attend", "minidino_things", "--data", tmp_path / "images", "--out",
                tmp_path / "out", *show]  # fmt: skip
        assert cli.main([str(a) for a in argv]) == 2
        assert f"{name} is there and was not written by minidino" in capsys.readouterr().err
        assert Image.open(mine).size == (5, 5)
        mine.unlink()


def test_what_an_earlier_call_left_is_named_and_stays(tmp_path, capsys):
    files = folder_of(tmp_path)
    mask_files(tmp_path, Image.fromarray(255 * THING))
    assert "of an earlier call" not in attend(tmp_path, capsys=capsys)[0]
    assert "of an earlier call" not in attend(tmp_path, capsys=capsys)[0]  # all is written again
    scores = (tmp_path / "out/scores.json").read_bytes()
    files[0].unlink()
    said, _ = attend(tmp_path, masks=False, capsys=capsys)
    assert (
        f"of an earlier call, and still in {tmp_path / 'out'}: scores.json, "
        "maps/a/0.attention.png, maps/a/0.mask.png, maps/a/0.overlay.png\n"
    ) in said
    assert (tmp_path / "out/scores.json").read_bytes() == scores


def test_labels_score_as_the_same_things_in_white_do(tmp_path, capsys):
    folder_of(tmp_path)
    found = []
    for mask in (Image.fromarray(255 * THING), palette(TWO), Image.fromarray(THING)):
        mask_files(tmp_path, mask)
        found.append(attend(tmp_path, capsys=capsys)[1])
    assert found[0] == found[1] == found[2]


def test_empty_masks_are_told_and_if_all_are_nothing_is_scored(tmp_path, capsys):
    files = folder_of(tmp_path)
    mask_files(tmp_path, Image.fromarray(0 * THING))
    said, scores = attend(tmp_path, capsys=capsys)
    assert "nothing to score: the thing is in none of the 3 masks" in said and scores is None
    Image.fromarray(THING).save(tmp_path / "masks" / files[0].relative_to(tmp_path / "images"))
    said, scores = attend(tmp_path, capsys=capsys)
    assert "2 of 3 masks are empty" in said and scores["images"] == 3


def test_zero_with_any_weights_is_called_suspicious(capsys):
    nothing = [torch.zeros(4)]
    _told(Looked(names=["a"], scores=nothing, floor=nothing, ways=Counter(["labels"])))
    assert "exactly 0, with random weights too: the masks are probably" in capsys.readouterr().out
    _told(Looked(names=["a"], scores=nothing, floor=[nothing[0] + 0.1], ways=Counter(["labels"])))
    assert "exactly 0" not in capsys.readouterr().out


def test_pictures_without_a_mask_are_drawn_and_not_scored(tmp_path, capsys):
    files = folder_of(tmp_path)
    mask_files(tmp_path, Image.fromarray(THING))
    (tmp_path / "masks" / files[1].relative_to(tmp_path / "images")).unlink()
    said, scores = attend(tmp_path, capsys=capsys)
    assert "no mask, so not scored: a/2.png" in said and scores["images"] == 2
    assert len(list((tmp_path / "out/maps").rglob("*.mask.png"))) == 3


def test_every_picture_has_its_map_and_no_two_the_same(tmp_path, capsys):
    """11 pictures, of which 2 are drawn; one name in two folders, and with two suffixes."""
    files = folder_of(tmp_path, 9)
    for other in ("b/0.png", "a/0.jpg"):
        Image.open(files[0]).save(tmp_path / "images" / other)
    for _ in range(2):  # what it wrote is no picture the next time
        out = tmp_path / "images/out"
        attend(tmp_path, "--pictures", 2, "--out", out, masks=False, capsys=capsys)
        found = {p.relative_to(out / "maps").as_posix() for p in (out / "maps").rglob("*.mask.png")}
        names = ["a/0.jpg", "a/0.png", "b/0"] + [f"{'ab'[i % 2]}/{i}" for i in range(1, 9)]
        assert found == {f"{name}.mask.png" for name in names}


def test_names_stay_apart_on_any_system():
    names = ["a.png", "A.jpg", "b.png", "c.jpg", "c.jpg.png", "00001"]
    kept = dict(zip(names, ["a.png", "A.jpg", "b", "c", "c.jpg.png", "00001"], strict=True))
    assert distinct(names) == kept


@pytest.mark.parametrize("n", [1, 7, 8, 9, 31, 1000])
def test_what_is_drawn_is_spread_over_all_that_come(n):
    chosen = Chosen(8)
    for i in range(n):
        chosen.offer(i)
        assert len(chosen.kept) < 16
    steps = np.diff(chosen.items)
    assert len(chosen.items) == min(n, 8) and chosen.items[0] == 0
    assert len(set(steps.tolist())) <= 1 and chosen.items[-1] >= min(n - 1, n * 0.4)


def test_a_picture_too_large_for_this_machine_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minidino.using.examples.available_ram", lambda: 2**20)
    for command in ("attend", "segment"):
        files = folder_of(tmp_path, 1, (600, 60))
        argv = [command, "minidino_things", "--data", files[0], "--out", tmp_path / "out"]
        assert cli.main([*map(str, argv), "--device", "cpu"]) == 2
        assert "0.png at 600 x 60 px takes" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["attend", "segment", "explore"])
def test_one_line_of_pixels_does_not_end_the_command(command, tmp_path, monkeypatch, capsys):
    """At 60 px it would be 1,200,000 long; it is left out before it is resized."""
    monkeypatch.setattr("minidino.using.examples.available_ram", lambda: 2**30)
    resized, resize = [], Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, *a: resized.append(self.width) or resize(self, *a)
    )
    folder_of(tmp_path, 2)
    Image.new("L", (20_000, 1)).save(tmp_path / "images/a/00.png")
    out = tmp_path / ("out.html" if command == "explore" else "out")
    argv = [command, "minidino_things", "--data", tmp_path / "images", "--out", out]
    assert cli.main([*map(str, argv), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"skipped (?!unreadable).*00.png at 1200000 x 60 px takes \d", said)
    assert resized and max(resized) < 20_000
    if command != "explore":
        assert len(list(out.rglob("*.mask.png"))) == 2


@pytest.mark.slow
def test_memory_is_bounded_however_many_numbers_attention_has(tmp_path):
    """Written out, the attention of 10 such pictures would be 2 x 1.1 GiB a block."""
    if sys.platform == "win32":
        pytest.skip("no such count of memory there")
    folder_of(tmp_path, 10, (240, 240))
    code = (
        "import resource, sys; from minidino import cli; before ="
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; assert not cli.main(sys.argv[1:]);"
        "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    argv = ["attend", "minidino_things", "--data", str(tmp_path / "images"), "--size", "240",
            "--out", str(tmp_path / "out"), "--device", "cpu", "--pictures", "1"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout.split("PEAK")[1]) * unit < 2**30
