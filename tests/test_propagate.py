"""Label propagation against float64 loops and a clip made by hand; J and F against SciPy."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from sklearn.metrics import jaccard_score

from minidino import cli
from minidino.config import USUAL
from minidino.data.moving import moving_things
from minidino.errors import UserError
from minidino.using.clips import PALETTE, find_clips, read_labels, save_labels
from minidino.using.davis import boundary, boundary_f, j_and_f
from minidino.using.propagate import carry, decided, near, propagate, shares

# ------------------------------------------------------------------ labels


def carried_by_hand(features, sources, h, w, radius, top, temperature):
    """The definition, patch by patch in double precision."""
    unit = [f / np.linalg.norm(f, axis=-1, keepdims=True) for f, _ in sources]
    out = np.zeros((h * w, sources[0][1].shape[1]))
    for i in range(h * w):
        mine = features[i] / np.linalg.norm(features[i])
        pairs = []
        for theirs, (_, labels) in zip(unit, sources, strict=True):
            for j in range(h * w):
                if abs(i // w - j // w) <= radius and abs(i % w - j % w) <= radius:
                    pairs.append((mine @ theirs[j], labels[j]))
        pairs.sort(key=lambda pair: -pair[0])
        weights = [math.exp(cosine / temperature) for cosine, _ in pairs[:top]]
        kept = zip(weights, pairs[:top], strict=True)
        out[i] = sum(weight * label for weight, (_, label) in kept) / sum(weights)
    return out


@pytest.mark.parametrize("radius, top", [(1, 5), (2, 3), (12, 5), (0, 5)])
def test_labels_are_those_of_the_most_alike_in_double_precision(radius, top):
    rng, h, w = np.random.default_rng(0), 4, 5
    sources = [(rng.normal(size=(h * w, 6)), rng.random((h * w, 3))) for _ in range(3)]
    features = rng.normal(size=(h * w, 6))
    expected = carried_by_hand(features, sources, h, w, radius, top, 0.1)
    unit = torch.nn.functional.normalize
    ours = carry(
        unit(torch.tensor(features), dim=1),
        [(unit(torch.tensor(f), dim=1), torch.tensor(s)) for f, s in sources],
        near(h, w, radius),
        top,
    )
    assert np.allclose(ours, expected, atol=1e-10)


def test_the_first_frame_and_the_last_seven_are_asked(monkeypatch):
    """Frames 1 to 11 alike: the second is asked by frames 3 to 9, and by none after them."""
    asked = []

    def watched(features, sources, allowed):
        asked.append([int(f[0, 0] > 0.99) for f, _ in sources])
        return carry(features, sources, allowed)

    monkeypatch.setattr("minidino.using.propagate.carry", watched)
    features = torch.zeros(11, 1, 2, 4)
    features[..., 1] = 1
    features[1, 0, 0] = torch.tensor([1.0, 0, 0, 0])  # by which it is known
    found = list(propagate(features, torch.eye(2).view(2, 1, 2)))
    assert len(found) == 11 and [len(a) for a in asked] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert [sum(a) for a in asked] == [0, 1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_a_square_that_moves_a_patch_a_frame_is_followed_exactly():
    """By hand: features tell what moves; its mask moves along, and a twin far away is no thing."""
    h, w, frames = 3, 30, 6
    features = torch.zeros(frames, h, w, 3)
    features[..., 0] = 1
    truth = torch.zeros(frames, h, w, dtype=torch.bool)
    for t in range(frames):
        for column in (2 + t, 3 + t, 25):  # the last one stands still, out of reach
            features[t, 1, column] = torch.tensor([0.0, 1.0, 0.0])
        truth[t, 1, 2 + t : 4 + t] = True
    found = torch.stack(list(propagate(features, torch.stack([~truth[0], truth[0]]).float())))
    assert torch.equal(found[:, 1] > 0.5, truth)
    assert found.sum(1).allclose(torch.ones(frames, h, w))


def test_masks_become_shares_of_patches_and_pixels_again():
    labels = torch.zeros(12, 16, dtype=torch.uint8)
    labels[4:8, 8:12] = 7
    small = shares(labels, [7], (3, 4))
    assert small[1].tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert torch.equal(small[0], 1 - small[1])
    back = decided(small, [7], (12, 16))
    assert set(back.unique().tolist()) == {0, 7} and back[5:7, 9:11].eq(7).all()
    # Stretched: a label that is nowhere more than 0.4 still wins where it is largest.
    weak = torch.stack([1 - 0.4 * small[1], 0.4 * small[1]])
    assert torch.equal(decided(weak, [7], (12, 16)), back)


# ------------------------------------------------------------------ J and F


def f_by_scipy(mask, truth, tolerance=0.008):
    """Boundaries by shifts, distances by the Euclidean distance transform."""

    def edge(m):
        m = m.astype(int)
        others = (np.pad(m, ((0, y), (0, x)), "edge")[y:, x:] for y, x in ((0, 1), (1, 0), (1, 1)))
        return np.any([m != other for other in others], axis=0)

    a, b = edge(mask), edge(truth)
    if not a.any() or not b.any():
        return float(a.any() == b.any())
    reach = math.ceil(tolerance * np.linalg.norm(mask.shape))
    precision = (ndimage.distance_transform_edt(~b) <= reach)[a].mean()
    recall = (ndimage.distance_transform_edt(~a) <= reach)[b].mean()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def test_f_is_what_distances_say():
    rng = np.random.default_rng(0)
    blobs = [ndimage.gaussian_filter(rng.normal(size=(60, 90)), 6) > 0.01 for _ in range(4)]
    blobs += [np.zeros((60, 90), bool), np.ones((60, 90), bool), np.roll(blobs[0], 2, 1)]
    for a in blobs:
        for b in blobs:
            ours = boundary_f(torch.from_numpy(a), torch.from_numpy(b))
            assert ours == pytest.approx(f_by_scipy(a, b), abs=1e-6)


def test_boundary_and_f_of_a_square_by_hand():
    mask = torch.zeros(6, 6, dtype=torch.bool)
    mask[2:4, 2:4] = True
    ring = torch.zeros(6, 6, dtype=torch.bool)
    ring[1:4, 1:4] = True  # each pixel that differs from its right, lower or diagonal neighbour
    ring[2, 2] = False
    assert torch.equal(boundary(mask), ring)
    # The diagonal is 8.5 px, so one pixel is near enough; three are not.
    assert boundary_f(mask, mask.roll(1, 1)) == 1.0
    far = torch.zeros(40, 40, dtype=torch.bool)
    far[2:6, 2:6] = True
    assert boundary_f(far, far.roll(20, 0)) == 0.0


def test_j_and_f_leave_out_the_ends_and_average_things():
    rng = np.random.default_rng(1)
    truth = [torch.from_numpy(rng.integers(0, 3, (20, 30))) for _ in range(5)]
    found = [torch.from_numpy(rng.integers(0, 3, (20, 30))) for _ in range(5)]
    found[0], found[-1] = truth[0], truth[-1]  # would lift the mean
    ours = j_and_f(found, truth, [1, 2])
    pairs = [(f == i, t == i) for i in (1, 2) for f, t in zip(found, truth, strict=True)]
    pairs = pairs[1:4] + pairs[6:9]
    j = np.mean([jaccard_score(t.flatten(), f.flatten()) for f, t in pairs])
    f = np.mean([f_by_scipy(f.numpy(), t.numpy()) for f, t in pairs])
    assert ours == pytest.approx({"J": j, "F": f, "J&F": (j + f) / 2}, abs=1e-6)
    with pytest.raises(ValueError, match="nothing is left"):
        j_and_f(found[:2], truth[:2], [1])


# ------------------------------------------------------------------ clips


def test_moving_things_move_a_little_each_frame_and_stay_inside():
    frames, masks = moving_things(frames=16, size=48, seed=3)
    assert frames.shape == (16, 3, 48, 48) and frames.dtype == masks.dtype == torch.uint8
    assert masks.unique().tolist() == [0, 1, 2]
    centres = torch.stack([(m == 2).nonzero().float().mean(0) for m in masks])
    steps = (centres[1:] - centres[:-1]).norm(dim=1)  # the second is in front, always whole
    assert 0.3 < steps.median() < 2.5 and (centres[-1] - centres[0]).norm() > 3
    sizes = torch.stack([(m == 2).sum() for m in masks]).float()
    assert sizes.std() < 0.06 * sizes.mean()
    again, _ = moving_things(frames=16, size=48, seed=3)
    other, _ = moving_things(frames=16, size=48, seed=4)
    assert torch.equal(frames, again) and not torch.equal(frames, other)
    inside = (masks[0] == 2)[None]
    assert frames[0][:, inside[0]].float().std() > 5


def write_clip(folder, frames=4, size=(60, 90), step=6, twin=0):
    """A yellow square that moves to the right on gray, ``step`` px a frame; masks of two labels
    with a palette. A twin below it, if it has a label."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for t in range(frames):
        pixels = np.full((*size, 3), 60, np.uint8)
        labels = np.zeros(size, np.uint8)
        for top, label in ((18, 2), (40, twin))[: 1 + bool(twin)]:
            where = slice(top, top + 18), slice(12 + step * t, 30 + step * t)
            pixels[where], labels[where] = (240, 200, 40), label
        Image.fromarray(pixels).save(folder / f"images/frame{t + 8}.png")  # 8, 9, 10, 11
        mask = Image.fromarray(labels, mode="P")
        mask.putpalette([0, 0, 0, 9, 9, 200, 250, 120, 10])
        mask.save(folder / f"masks/frame{t + 8}.png")
    return folder


def minidino(*argv, capsys):
    code = cli.main([str(a) for a in argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_command_follows_a_square_and_keeps_the_palette(tmp_path, capsys):
    clip, out = write_clip(tmp_path / "clip"), tmp_path / "out"
    argv = ["propagate", "minidino_things", "--frames", clip / "images", "--out", out]
    argv += ["--size", 60]
    for mask in (clip / "masks", clip / "masks/frame8.png"):
        code, said, err = minidino(*argv, "--mask", mask, capsys=capsys)
        assert code == 0, err
        for t in (8, 9, 10, 11):
            found, true = (Image.open(p / f"frame{t}.png") for p in (out, clip / "masks"))
            assert found.mode == "P" and found.size == (90, 60)
            assert found.getpalette()[:9] == true.getpalette()[:9]
            found, true = np.asarray(found), np.asarray(true)
            assert set(np.unique(found)) == {0, 2}
            assert jaccard_score(true.ravel() > 0, found.ravel() > 0) > 0.7
        assert ("J&F" in said) == mask.is_dir()
    scores = json.loads((out / "scores.json").read_text())["clips"]["images"]
    assert set(scores) == {"trained", "random weights", "first mask"}
    # By hand: in frames 9 and 10 the copy shares 12 and 6 columns of 18.
    assert scores["first mask"]["J"] == pytest.approx((12 / 24 + 6 / 30) / 2, abs=1e-6)
    assert scores["trained"]["J"] > 0.7
    assert Image.open(out / "propagate.png").width > 500


# By hand: a copy of the first mask shares 12 columns of 24 with frame 1, and 6 of 30 with frame 2.
KNOWN = {(0, 1): [12 / 24], (0, 1, 2): [12 / 24, 6 / 30], (0, 2, 5): [6 / 30]}
KNOWN |= {(0, 5): [], (0,): []}


@pytest.mark.parametrize("known", KNOWN)
def test_the_clips_first_and_last_frame_are_left_out_and_no_other(known, tmp_path, capsys):
    write_clip(tmp_path, frames=6)
    for t in set(range(6)) - set(known):
        (tmp_path / f"masks/frame{t + 8}.png").unlink()
    argv = ["--frames", tmp_path / "images", "--mask", tmp_path / "masks", "--out", tmp_path / "o"]
    code, said, err = minidino("propagate", "minidino_things", *argv, "--size", 60, capsys=capsys)
    assert code == 0, err
    expected = KNOWN[known]
    assert (tmp_path / "o/scores.json").exists() == bool(expected)
    assert said.count("not scored") == (known == (0, 5))
    if expected:
        assert f"{len(expected)} of 6 frames scored" in said
        scores = json.loads((tmp_path / "o/scores.json").read_text())["mean"]
        assert scores["first mask"]["J"] == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("mask", ["known", "known/frame8.png", "frame8_mask.png", "frame8.tif"])
def test_masks_among_the_frames_are_no_frames(mask, tmp_path, capsys):
    images = write_clip(tmp_path, frames=3) / "images"
    if mask.startswith("known"):
        (tmp_path / "masks").rename(images / "known")
        for other in ("frame9.png", "frame10.png") * (mask != "known"):
            (images / "known" / other).unlink()
    else:
        Image.open(tmp_path / "masks/frame8.png").save(images / mask)
    (clip,) = find_clips(images, images / mask, USUAL)
    assert clip.names == ["frame8", "frame9", "frame10"] and clip.first.unique().tolist() == [0, 2]
    count = 3 if mask == "known" else 1
    assert f"left out, as masks: {count} at {images / mask}" in capsys.readouterr().out


def test_frames_are_as_large_as_they_are_upright(tmp_path):
    images = write_clip(tmp_path, frames=3) / "images"
    turned, tag = (
        Image.open(images / "frame9.png").transpose(Image.Transpose.ROTATE_90),
        Image.Exif(),
    )
    tag[0x0112] = 6  # to be turned back
    turned.save(images / "frame9.png", exif=tag)
    (clip,) = find_clips(images, tmp_path / "masks", USUAL)
    assert clip.size == (60, 90)
    Image.open(images / "frame10.png").save(images / "frame10.png", exif=tag)
    with pytest.raises(UserError, match=r"frame8.png has 90 x 60 px, frame10.png 60 x 90"):
        find_clips(images, tmp_path / "masks", USUAL)


def test_each_mask_is_kept_as_soon_as_it_is_there(tmp_path, monkeypatch, capsys):
    def stopped(model, frames, first, size):
        yield from (first, first)
        raise KeyboardInterrupt

    monkeypatch.setattr("minidino.commands.propagate.follow", stopped)
    write_clip(tmp_path)
    argv = ["--frames", tmp_path / "images", "--mask", tmp_path / "masks", "--out", tmp_path / "o"]
    code, _, _ = minidino("propagate", "minidino_things", *argv, capsys=capsys)
    assert code == 130
    assert {f.name for f in (tmp_path / "o").iterdir()} == {"frame8.png", "frame9.png"}


def test_the_mean_over_clips_is_over_their_things(tmp_path, capsys):
    """By hand: a copy has 12 columns of 24 of what moves in one clip, and both things that stand
    still in the other: (1/2 + 1 + 1) / 3. Over clips that would be 3/4."""
    for name, how in (("a", {}), ("b", {"step": 0, "twin": 1})):
        write_clip(tmp_path / name, frames=3, **how)
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / name / kind).rename(tmp_path / kind / name)
    argv = ["--frames", tmp_path / "images", "--mask", tmp_path / "masks", "--out", tmp_path / "o"]
    code, said, err = minidino("propagate", "minidino_things", *argv, "--size", 60, capsys=capsys)
    assert code == 0 and "over 3 things of 2 clips" in said, err
    scores = json.loads((tmp_path / "o/scores.json").read_text())["mean"]
    assert scores["first mask"]["J"] == pytest.approx((1 / 2 + 1 + 1) / 3, abs=1e-6)


def test_what_an_earlier_call_left_is_named_and_stays(tmp_path, capsys):
    for name in ("long", "short"):
        write_clip(tmp_path / name, frames=3 + (name == "long"))
    (tmp_path / "o/deep").mkdir(parents=True)
    (tmp_path / "o/deep/scores.json").write_text('{"of": "a person"}')
    Image.new("L", (5, 5)).save(tmp_path / "o/deep/mine.png")

    def call(name, mask):
        folder = tmp_path / name
        argv = ["--frames", folder / "images", "--mask", folder / mask, "--out", tmp_path / "o"]
        code, said, err = minidino("propagate", "minidino_things", *argv, capsys=capsys)
        assert code == 0, err
        return said

    assert "of an earlier call" not in call("long", "masks")
    scores = (tmp_path / "o/scores.json").read_bytes()
    told = f"of an earlier call, and still in {tmp_path / 'o'}: frame11.png, scores.json\n"
    assert told in call("short", "masks/frame8.png")
    assert (tmp_path / "o/scores.json").read_bytes() == scores


def test_a_thing_that_comes_later_is_in_no_score_and_that_is_said(tmp_path, capsys):
    write_clip(tmp_path, twin=1)
    first = np.array(Image.open(tmp_path / "masks/frame8.png"))
    save_labels(torch.from_numpy(first * (first == 2)), PALETTE, tmp_path / "masks/frame8.png")
    argv = ["--frames", tmp_path / "images", "--mask", tmp_path / "masks", "--out", tmp_path / "o"]
    code, said, err = minidino("propagate", "minidino_things", *argv, "--size", 60, capsys=capsys)
    assert code == 0, err
    assert "in no score, as the first mask has them not: 1 of the labels (1)" in said


def test_drawn_things_need_no_mask(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("minidino.using.clips.DRAWN_CLIPS", 2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "things").mkdir()
    code, said, err = minidino(
        "propagate", "minidino_things", "--frames", "things", "--out", tmp_path, capsys=capsys
    )
    assert code == 0, err
    assert "for the folder write ./things" in said
    assert len(list(tmp_path.glob("things1/0*.png"))) == 24
    assert said.count("random weights J&F") == 3 and "wrote 48 masks" in said  # two, and the mean


def test_masks_are_read_by_value(tmp_path):
    white = np.zeros((8, 9), np.uint8)
    white[2:4] = 255
    Image.fromarray(white).save(tmp_path / "white.png")
    labels, palette = read_labels(tmp_path / "white.png", (8, 9))
    assert torch.equal(labels, torch.from_numpy(white // 255)) and palette is PALETTE
    for mode in ("P", "L"):
        numbers = np.zeros((8, 9), np.uint8)
        numbers[1], numbers[2], numbers[3] = 1, 5, 255
        mask = Image.fromarray(numbers, mode=mode)
        if mode == "P":
            mask.putpalette([*range(200)] * 3 + [0] * 168)  # a short one has fewer bits
        mask.save(tmp_path / "numbers.png")
        labels, _ = read_labels(tmp_path / "numbers.png", (8, 9))
        assert labels[1:4, 0].tolist() == [1, 5, 0]  # 255 is void


TWO = np.zeros((24, 36), np.uint8)
TWO[3:12, 4:16], TWO[14:22, 20:32] = 1, 2
ONE = np.uint8(TWO == 1)
COLOURS = np.array([(0, 0, 0), (200, 0, 0), (0, 200, 0)], np.uint8)
SOFT = np.asarray(Image.fromarray(255 * ONE).resize((90, 60)).resize((36, 24), 2))  # bilinear
SHADES = np.arange(256).repeat(3)
GRAYS = [0] * 3 + [130] * 3 + [255] * 3
PHOTO = np.random.default_rng(0).integers(0, 256, (24, 36, 3), np.uint8)


def with_palette(indices, colours):
    picture = Image.fromarray(indices, mode="P")
    picture.putpalette(np.asarray(colours, np.uint8).tobytes())
    return picture


# What two things are, whatever they are written as; of None, that they cannot be told apart.
WRITTEN = {
    "numbers": (TWO, TWO),
    "a palette": (with_palette(TWO, COLOURS), TWO),
    "three grays in a palette": (with_palette(TWO, GRAYS), TWO),
    "the second of three grays": (with_palette(ONE * 2, GRAYS), ONE * 2),
    "all grays in a palette": (with_palette(TWO, SHADES), TWO),
    "light grays in a palette": (with_palette(TWO * 100, SHADES), TWO * 100),
    "16 bits": (TWO.astype(np.uint16), TWO),
    "gray as RGB": (np.dstack([TWO] * 3), TWO),
    "colours": (COLOURS[TWO], None),
    "colours, and no background": (COLOURS[1 + ONE], None),
    "dark colours": (COLOURS[TWO] // 200, None),
    "colours on nothing": (np.dstack([COLOURS[TWO], 255 * (TWO > 0).astype(np.uint8)]), None),
    "gray and lighter gray": (TWO * 100, None),
    "gray and white": (np.array([0, 127, 255], np.uint8)[TWO], None),
    "two light grays": (np.array([0, 200, 255], np.uint8)[TWO], None),
    "one dark, one light": (np.array([0, 1, 200], np.uint8)[TWO], None),
    "gray and lighter gray of 16 bits": (TWO.astype(np.uint16) * 30_000, None),
    "large numbers": (TWO.astype(np.uint16) * 1000, None),
    "numbers beyond 8 bits": (TWO.astype(np.uint16) * 300, None),
    "one thing": (ONE, ONE),
    "white": (255 * ONE, ONE),
    "white in a palette": (with_palette(255 * ONE, SHADES), ONE),
    "white before black": (with_palette(1 - ONE, [255] * 3 + [0] * 3), ONE),
    "light gray": (200 * ONE, ONE),
    "one colour": (COLOURS[ONE], ONE),
    "cut out of a photograph": (np.dstack([PHOTO, 255 * ONE]), ONE),
    "soft": (SOFT, SOFT > 127),
    "soft in a palette": (with_palette(SOFT, SHADES), SOFT > 127),
    "soft in one colour": (np.dstack([SOFT, 0 * SOFT, 0 * SOFT]), SOFT > 16),
    "white of 16 bits": (ONE.astype(np.uint16) * 65535, ONE),
}  # fmt: skip


@pytest.mark.parametrize("how", WRITTEN)
def test_things_are_told_apart_or_that_is_refused(how, tmp_path):
    picture, expected = WRITTEN[how]
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    picture.save(tmp_path / "m.png")
    if expected is None:
        with pytest.raises(UserError, match=r"m.png has several colours or grays.*palette"):
            read_labels(tmp_path / "m.png", TWO.shape)
        return
    labels, palette = read_labels(tmp_path / "m.png", TWO.shape)
    assert (labels.numpy() == expected).all() and labels.dtype == torch.uint8
    if how == "a palette":
        assert (palette[:3] == COLOURS).all()


def test_noise_of_jpeg_is_no_second_thing(tmp_path):
    """White as JPEG leaves it, kept as PNG; and gray beside white, which is one."""
    for light, refused in ((255, False), (127, True)):
        big = np.array([0, light, 255], np.uint8)[TWO].repeat(7, 0).repeat(7, 1)
        Image.fromarray(big).save(tmp_path / "m.jpg", quality=40)
        Image.open(tmp_path / "m.jpg").save(tmp_path / "m.png")
        if refused:
            with pytest.raises(UserError, match="several colours or grays"):
                read_labels(tmp_path / "m.png", big.shape)
        else:
            labels, _ = read_labels(tmp_path / "m.png", big.shape)
            assert (labels.numpy() == big // 255).mean() > 0.99


def break_clip(folder, how):
    images, masks = folder / "images", folder / "masks"
    if how == "several sizes":
        Image.new("RGB", (80, 60)).save(images / "frame9.png")
    elif how == "several shapes":
        Image.new("RGB", (60, 90)).save(images / "frame9.png")
    elif how == "mask of another size":
        Image.open(masks / "frame8.png").resize((180, 120)).save(masks / "frame8.png")
    elif how == "mask of another shape":
        Image.open(masks / "frame8.png").resize((60, 60)).save(masks / "frame8.png")
    elif how == "empty mask":
        Image.new("L", (90, 60)).save(masks / "frame8.png")
    elif how == "no first mask":
        (masks / "frame8.png").unlink()
    elif how == "unreadable":
        (images / "frame9.png").write_bytes(b"x")
    elif how == "two of a name":
        Image.open(images / "frame9.png").save(images / "frame9.jpg")
    elif how == "colours":
        mask = Image.open(masks / "frame8.png").convert("RGB")
        mask.paste((9, 200, 9), (40, 40, 60, 50))
        mask.save(masks / "frame8.png")
    elif how == "two clips":
        write_clip(folder / "images/more")
    elif how == "in the way":
        (folder / "out").mkdir()
        Image.new("L", (5, 5)).save(folder / "out/frame9.png")
    elif how == "scores in the way":
        (folder / "out").mkdir()
        (folder / "out/scores.json").write_text('{"mine": 1}')


MISTAKES = {
    "several sizes": ("frames of several sizes: frame8.png has 90 x 60 px, frame9.png 80 x 60", {}),
    "several shapes": ("frame8.png has 90 x 60 px, frame9.png 60 x 90", {}),
    "scores in the way": ("scores.json is there and holds no scores", {}),
    "mask of another size": ("has 180 x 120 pixels, its frame 90 x 60", {}),
    "mask of another shape": ("another shape", {}),
    "empty mask": ("nothing to follow", {}),
    "no first mask": ("no mask of the first frame", {}),
    "unreadable": ("cannot read the frame", {}),
    "two of a name": ("frame9.jpg and frame9.png: their masks would be one file", {}),
    "colours": ("has several colours or grays", {}),
    "two clips": ("2 clips", {"--mask": "masks/frame8.png"}),
    "in the way": ("was not written by minidino", {}),
    "no mask given": ("--mask is needed", {"--mask": None}),
    "mask nowhere": ("no mask or folder at", {"--mask": "nowhere"}),
    "frames nowhere": ("no folder of frames", {"--frames": "nowhere"}),
    "small": ("a patch) to 4,096", {"--size": 3}),
    "no size": ("--size is 0", {"--size": 0}),
    "own masks": ("have their own masks", {"--frames": "things"}),
}


@pytest.mark.parametrize("how", MISTAKES)
def test_a_mistake_costs_one_line_and_nothing_is_lost(how, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path)
    break_clip(tmp_path, how)
    words, changed = MISTAKES[how]
    argv = {"--frames": "images", "--mask": "masks", "--out": "out", "--size": 60} | changed
    before = {f: f.read_bytes() for f in tmp_path.rglob("*.*")}
    given = [a for pair in argv.items() if pair[1] is not None for a in pair]
    code, _, err = minidino("propagate", "minidino_things", *given, capsys=capsys)
    assert code == 2 and words in err, err
    assert err.startswith("minidino: ") and len(err.strip().splitlines()) == 1, err
    assert {f: f.read_bytes() for f in tmp_path.rglob("*.*")} == before
