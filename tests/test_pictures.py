"""Pictures that can be read are read right, by values worked out by hand; others are refused."""

import os
import struct
import subprocess
import sys
import time
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile, PngImagePlugin

from minidino.config import Reading
from minidino.data import load_data
from minidino.data.listing import list_pictures
from minidino.data.pictures import (
    MAX_PIXELS,
    ORIENTATION,
    UnreadablePicture,
    decode_square,
    open_picture,
)
from minidino.errors import UserError
from minidino.using.examples import Examples
from minidino.using.masks import load_mask

FITS = ("square", "pad", "keep")


def pixel(path, at=(0, 0)):
    return open_picture(path).getpixel(at)


def test_cmyk_is_what_is_left_of_white(tmp_path):
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "cyan.tif")
    Image.new("CMYK", (16, 16), (0, 51, 102, 51)).save(tmp_path / "mixed.tif")
    assert pixel(tmp_path / "cyan.tif") == (0, 255, 255)
    # (1 - ink) * (1 - black) * 255: 204, 0.8 * 204 = 163.2, 0.6 * 204 = 122.4
    assert np.abs(np.subtract(pixel(tmp_path / "mixed.tif"), (204, 163, 122))).max() <= 1
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "cyan.jpg")
    assert np.abs(np.subtract(pixel(tmp_path / "cyan.jpg"), (0, 255, 255))).max() <= 3


def test_sixteen_bits_are_scaled_and_not_clipped_to_white(tmp_path):
    values = np.array([[0, 255, 256, 32768], [40000, 65279, 65280, 65535]], dtype=np.uint16)
    for name in ("gray.png", "gray.tif"):
        Image.fromarray(values).save(tmp_path / name)
        seen = np.array(open_picture(tmp_path / name))[..., 0]
        assert seen.tolist() == [[0, 0, 1, 128], [156, 254, 255, 255]]


def test_any_numbers_are_scaled_by_the_range_that_is_used(tmp_path):
    """Black to white in 256 equal steps: floor(256 (v - low) / (high - low [+ 1 of integers]))."""
    for name, values, expected in [
        ("signed", np.array([[-300, -45, 467, 723]], np.int32), [0, 63, 191, 255]),
        ("wide", np.array([[0, 70_000, 140_000]], np.int32), [0, 127, 255]),
        ("float", np.array([[0, 0.25, 0.5, 1, np.nan]], np.float32), [0, 64, 128, 255, 0]),
        ("endless", np.array([[0, 1, -np.inf, np.inf]], np.float32), [0, 255, 0, 255]),
        ("flat", np.full((1, 2), 0.5, np.float32), [0, 0]),
        ("twelve", np.array([[0, 15, 16, 4095]], np.uint16), [0, 0, 1, 255]),
    ]:
        Image.fromarray(values).save(tmp_path / f"{name}.tif")
        with warnings.catch_warnings(action="error"):
            seen = np.array(open_picture(tmp_path / f"{name}.tif"))[0]
        assert seen[:, 0].tolist() == expected and (seen == seen[:, :1]).all(), name


def tiff(path, values, extra=None, order="<", packed=False, planes=1):
    """A TIFF of one strip; ``values`` (H, W, bands) of 8 or 16 bits, ``extra``: ExtraSamples."""
    h, w, bands = values.shape
    bits = 8 * values.dtype.itemsize
    body = values.astype(values.dtype.newbyteorder(order)).tobytes()
    body = zlib.compress(body) if packed else body
    at = 8 + len(body) + len(body) % 2
    depths = struct.pack(f"{order}{bands}H", *[bits] * bands)
    entries = [(256, 4, 1, w), (257, 4, 1, h), (258, 3, bands, at), (259, 3, 1, 8 if packed else 1),
               (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, bands), (278, 4, 1, h),
               (279, 4, 1, len(body)), (284, 3, 1, planes)]  # fmt: skip
    entries += [] if extra is None else [(338, 3, 1, extra)]
    out = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", at + len(depths))
    out += body + b"\0" * (len(body) % 2) + depths + struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        number = struct.pack(
            f"{order}HH" if short else f"{order}I", *([value, 0] if short else [value])
        )
        out += struct.pack(f"{order}HHI", tag, kind, count) + number
    path.write_bytes(out + b"\0" * 4)


def png16(path, values, clear=None):
    """A PNG of 16 bits; ``values`` (H, W, 1 to 4), ``clear``: those that are transparent."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    h, w, bands = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", w, h, 16, {1: 0, 2: 4, 3: 2, 4: 6}[bands], 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    if clear is not None:
        chunks.insert(1, (b"tRNS", struct.pack(f">{bands}H", *clear)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks))


@pytest.mark.parametrize("how", ["II", "MM", "II packed", "MM packed", "PNG"])
def test_both_bytes_of_colour_count(tmp_path, how):
    """12 bits in 16, in three bands. The higher byte alone would leave 16 levels."""
    values = np.random.default_rng(0).integers(0, 4096, (40, 30, 3)).astype(np.uint16)
    values[0, 0], values[0, 1] = 0, 4095
    if how == "PNG":
        png16(tmp_path / "x.png", values)
    else:
        order = "<" if how.startswith("II") else ">"
        tiff(tmp_path / "x.png", values, order=order, packed="packed" in how)
    assert np.array_equal(np.array(open_picture(tmp_path / "x.png")), values >> 4)


def test_sixteen_bits_in_separate_planes_are_refused(tmp_path):
    """Pillow would read every other byte as a pixel."""
    tiff(tmp_path / "x.tif", np.zeros((8, 8, 3), np.uint16), planes=2)
    with pytest.raises(UnreadablePicture, match="16 bits in separate planes"):
        open_picture(tmp_path / "x.tif")


def test_sixteen_bits_of_which_pillow_has_one_byte_are_refused(tmp_path):
    """Gray with alpha, and colours that alpha has dimmed: of 12 bits little would be left."""
    png16(tmp_path / "gray.png", np.full((8, 8, 2), 4095, np.uint16))
    tiff(tmp_path / "dimmed.tif", np.full((8, 8, 4), 4095, np.uint16), extra=1)
    for name in ("gray.png", "dimmed.tif"):
        with pytest.raises(UnreadablePicture, match="8 of 16 bits are read; save it without"):
            open_picture(tmp_path / name)


def test_sixteen_bits_with_transparency(tmp_path):
    values = np.array([[[4095, 0, 0, 65535], [0, 0, 0, 0]]], np.uint16)
    png16(tmp_path / "x.png", values)
    got = np.array(open_picture(tmp_path / "x.png")).tolist()
    assert got == [[[255, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("bands", [1, 3])
def test_one_value_of_sixteen_bits_that_is_transparent(tmp_path, bands):
    values = np.array([[0, 300, 301, 65535]], np.uint16)[..., None].repeat(bands, 2)
    png16(tmp_path / "x.png", values, clear=[300] * bands)  # 301 has the same higher byte
    assert np.array(open_picture(tmp_path / "x.png"))[0, :, 0].tolist() == [0, 255, 1, 255]


def test_held_out_pictures_of_12_bits_have_one_range_too(tmp_path, capsys):
    """Where those to learn from have 8 bits; and a range that changes nothing is told."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1000, (4, 8, 8)).astype(np.uint16)
    values[0, 0, :2] = 0, 4095
    for part in ("train", "val"):
        for c in "ab":
            (tmp_path / part / c).mkdir(parents=True)
    for i, v in enumerate(values):
        Image.fromarray(v).save(tmp_path / "val" / "ab"[i // 2] / f"{i}.png")
        Image.fromarray((v >> 4).astype(np.uint8)).save(tmp_path / f"train/{'ab'[i // 2]}/{i}.png")
    known, held = (load_data(str(tmp_path), split, 8) for split in ("labelled", "val"))
    assert torch.equal(known.images, held.images) and held.how.range == "0.0,4095.0"
    assert "0 becomes black, 4095 white" in capsys.readouterr().out
    load_data(str(tmp_path), "train", 8, reading=Reading(range="0,100"))
    said = capsys.readouterr().out
    assert "none of 4 pictures looked at has more than 8 bits; the range 0,100 changes none" in said


def test_the_range_is_that_of_the_folder_and_8_bits_stay(tmp_path, capsys):
    for i, top in enumerate((1000, 2000, 4095)):
        ramp = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
        Image.fromarray(ramp).save(tmp_path / f"{i}.png")
    Image.new("L", (8, 8), 77).save(tmp_path / "eight.png")
    data = load_data(str(tmp_path), "train", 8)
    assert data.images.amax(dim=(1, 2, 3)).tolist() == [62, 125, 255, 77]  # 1000 / 16 = 62.5
    assert "3 of 4 pictures looked at have more than 8 bits; 0 becomes black, 4095 white" in (
        capsys.readouterr().out
    )
    fixed = load_data(str(tmp_path), "train", 8, reading=Reading(range="0,1999"))
    assert fixed.images.amax(dim=(1, 2, 3)).tolist() == [128, 255, 255, 77]
    (example,) = Examples(str(tmp_path / "0.png"), 8, 8)
    assert example.image.max() == 255 and "1000 white" in capsys.readouterr().out  # its own


@pytest.mark.parametrize("extra", [None, 0])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_fourth_band_is_not_transparency(tmp_path, capsys, extra, dtype):
    """Near infrared at 0 would make everything white."""
    values = np.zeros((8, 8, 4), dtype)
    values[..., 0] = np.iinfo(dtype).max
    tiff(tmp_path / "nir.tif", values, extra)
    assert pixel(tmp_path / "nir.tif") == (255, 0, 0)
    load_data(str(tmp_path), "train", 8)
    assert "a fourth band that is not transparency; the first three" in capsys.readouterr().out
    tiff(tmp_path / "alpha.tif", values, 2)
    assert pixel(tmp_path / "alpha.tif") == (255, 255, 255)


def test_fit_decides_what_of_a_picture_is_seen(tmp_path):
    """60 x 20: red, green, blue thirds. Their mean is (85, 85, 85)."""
    wide = Image.new("RGB", (60, 20), (255, 0, 0))
    wide.paste((0, 255, 0), (20, 0, 40, 20))
    wide.paste((0, 0, 255), (40, 0, 60, 20))
    wide.save(tmp_path / "wide.png")
    at = {f: decode_square(tmp_path / "wide.png", 30, Reading(fit=f)) for f in FITS}
    colours = {f: [x[:, 15, c].tolist() for c in (4, 15, 25)] for f, x in at.items()}
    thirds = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert colours == {"square": [thirds[1]] * 3, "pad": thirds, "keep": thirds}
    assert at["pad"][:, 2, 4].tolist() == at["pad"][:, 27, 15].tolist() == [85, 85, 85]
    assert at["keep"][:, 2, 4].tolist() == thirds[0]
    Image.new("RGB", (2000, 1)).save(tmp_path / "line.png")
    assert decode_square(tmp_path / "line.png", 8, Reading(fit="pad")).shape == (3, 8, 8)


@pytest.mark.parametrize("fit", ["square", "pad", "keep"])
def test_fit_is_the_same_streamed(tmp_path, monkeypatch, fit):
    for i in range(3):
        Image.effect_noise((40 + 9 * i, 25), 90).save(tmp_path / f"{i}.png")
    memory = load_data(str(tmp_path), "train", 16, reading=Reading(fit=fit))
    monkeypatch.setattr("minidino.data.folders.IN_MEMORY_BYTES", 1)
    stream = load_data(str(tmp_path), "train", 16, reading=Reading(fit=fit))
    stream.workers = 0
    assert torch.equal(next(stream.batches([torch.arange(3)])), memory.images)


def test_jpegs_cut_short_are_counted_and_used_on_request(tmp_path, capsys):
    for i in range(3):
        noise = Image.effect_noise((64, 64), 90).convert("RGB")
        noise.save(tmp_path / f"{i}.jpg", progressive=i == 2)
    whole = open_picture(tmp_path / "1.jpg")
    for i, missing in ((1, 300), (2, 300)):
        data = (tmp_path / f"{i}.jpg").read_bytes()
        (tmp_path / f"{i}.jpg").write_bytes(data[:-missing])
    (tmp_path / "none.jpg").write_bytes(data[:20])
    assert len(load_data(str(tmp_path), "train", 64)) == 1
    assert "JPEG files cut short among them: 2; --keep-truncated" in capsys.readouterr().out
    kept = load_data(str(tmp_path), "train", 64, reading=Reading(keep_truncated=True))
    said = capsys.readouterr().out
    assert len(kept) == 3 and "used though cut short, the rest gray: 2 (1.jpg, 2.jpg)" in said
    assert np.array_equal(kept.images[1].permute(1, 2, 0)[:40], np.array(whole)[:40])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_transparent_becomes_white(tmp_path):
    image = Image.new("RGBA", (4, 1))
    image.putdata([(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 255, 51), (0, 0, 0, 0)])
    image.save(tmp_path / "rgba.png")
    got = [pixel(tmp_path / "rgba.png", (x, 0)) for x in range(4)]
    # a fifth of blue on white: 255 * 0.8 = 204
    assert got == [(255, 0, 0), (255, 255, 255), (204, 204, 255), (255, 255, 255)]
    palette = Image.new("P", (2, 1))
    palette.putpalette([200, 10, 10, 10, 200, 10])
    palette.putdata([0, 1])
    palette.save(tmp_path / "palette.png", transparency=1)
    assert pixel(tmp_path / "palette.png") == (200, 10, 10)
    assert pixel(tmp_path / "palette.png", (1, 0)) == (255, 255, 255)
    gray = Image.new("LA", (1, 1), (0, 102))
    gray.save(tmp_path / "la.png")
    assert pixel(tmp_path / "la.png") == (153, 153, 153)  # 255 * 0.6


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_of_an_animation_the_first_frame(tmp_path, suffix):
    first, second = (Image.new("RGB", (16, 16), c) for c in [(250, 0, 0), (0, 0, 250)])
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=[second])
    assert np.abs(np.subtract(pixel(tmp_path / f"a{suffix}"), (250, 0, 0))).max() < 8


# Where the stored picture's upper left corner is shown, by EXIF orientation (width 4, height 2).
SHOWN = {1: (0, 0), 2: (3, 0), 3: (3, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 3), 8: (0, 3)}


@pytest.mark.parametrize("kind", ["png", "png 16 bits", "tif", "tif 16 bits", "tif packed"])
@pytest.mark.parametrize("orientation", SHOWN)
def test_turned_upright_by_exif(tmp_path, orientation, kind):
    deep = "16" in kind
    values = np.zeros((2, 4), np.uint16 if deep else np.uint8)
    values[0, 0] = 4095 if deep else 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"exif": exif} if "png" in kind else {"tiffinfo": {274: orientation}}
    how |= {"compression": "tiff_lzw"} if "packed" in kind else {}
    path = tmp_path / f"x.{kind[:3]}"
    Image.fromarray(values).save(path, **how)
    shown = open_picture(path)
    assert shown.size == ((4, 2) if orientation < 5 else (2, 4))
    assert shown.getpixel(SHOWN[orientation]) == (255, 255, 255)
    assert np.array(shown).sum() == 3 * 255


def random_picture(seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    return values, Image.fromarray(values)


TIFF = b"Exif\0\0II*\0\x08\0\0\0"
BROKEN_EXIF = {
    "blank": b"Exif\0\0",
    "printed": b"Exif\0\0b'Exif\\x00",
    "cut": TIFF + b"\x20\0\x12\1\3\0",
    "elsewhere": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "text": TIFF + b"\1\0\x12\1\2\0\1\0\0\0A\0\0\0\0\0\0\0",
    "no such turn": TIFF + b"\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("name", BROKEN_EXIF)
def test_a_picture_is_not_lost_with_its_exif(tmp_path, name):
    values, picture = random_picture()
    for suffix, how in ((".png", {}), (".webp", {"lossless": True})):
        picture.save(tmp_path / f"a{suffix}", exif=BROKEN_EXIF[name], **how)
        assert (np.array(open_picture(tmp_path / f"a{suffix}")) == values).all()
        thing, _, _ = load_mask(tmp_path / f"a{suffix}", (20, 30))  # masks are opened, too
        assert thing.shape == (20, 30)
    deep = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    deep.save(tmp_path / "deep.png", exif=BROKEN_EXIF[name])
    assert (np.array(open_picture(tmp_path / "deep.png"))[..., 0] == values[..., 0]).all()


def test_broken_exif_is_not_spoken_of(tmp_path):
    random_picture()[1].save(tmp_path / "a.png", exif=BROKEN_EXIF["cut"])
    code = "import sys; from minidino.data import pictures; pictures.open_picture(sys.argv[1])"
    argv = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    assert subprocess.run(argv, capture_output=True, check=True).stderr == b""


@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_turned_by_exif_with_a_broken_tag_beside(tmp_path, bits):
    values, picture = random_picture()
    if bits == 16:
        picture = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
        values = values[..., :1].repeat(3, axis=-1)
    turned = b"\x12\1\3\0\1\0\0\0\6\0\0\0"
    broken = b"\x1a\1\5\0\1\0\0\0\xff\xff\xff\0"  # a resolution that lies outside
    picture.save(tmp_path / "a.png", exif=TIFF + b"\2\0" + turned + broken + bytes(4))
    assert (np.array(open_picture(tmp_path / "a.png")) == np.rot90(values, -1)).all()


def texts(n, size, **how):
    notes = PngImagePlugin.PngInfo()
    for i in range(n):
        notes.add_text(f"prompt {i}", "a" * size, **how)
    return {"pnginfo": notes}


LARGE = {
    "a profile": lambda: {"icc_profile": bytes(2**21)},
    "a text": lambda: texts(1, 2**21, zip=True),
    "many texts": lambda: texts(70, 2**20, zip=True),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_picture_is_not_lost_for_what_is_written_beside_it(tmp_path, name):
    values, picture = random_picture()
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    for file in ("a.png", "without a suffix"):
        picture.save(tmp_path / file, "PNG", exif=exif, **LARGE[name]())
        with pytest.raises(ValueError, match=r"(?i)too (large|much)"):
            Image.open(tmp_path / file)
        assert (np.array(open_picture(tmp_path / file)) == values[::-1, ::-1]).all()
    assert len(list_pictures(tmp_path)) == 2


def test_one_pixel_and_a_wrong_suffix(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "one.png")
    assert decode_square(tmp_path / "one.png", 8).flatten(1).unique(dim=1).T.tolist() == [[1, 2, 3]]
    Image.new("RGB", (5, 5), (9, 8, 7)).save(tmp_path / "really.png")
    (tmp_path / "really.png").rename(tmp_path / "said.jpg")
    assert pixel(tmp_path / "said.jpg") == (9, 8, 7)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_long_is_fine_and_vast_is_not(tmp_path):
    Image.new("RGB", (20_000, 50), (5, 6, 7)).save(tmp_path / "long.png")
    assert decode_square(tmp_path / "long.png", 8)[:, 4, 4].tolist() == [5, 6, 7]

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    for side, words in [
        (20_000, "bomb"),
        (10_001, f"more than {MAX_PIXELS:,}"),
        (10_000, "truncated"),
    ]:
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        (tmp_path / "vast.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        with pytest.raises(UnreadablePicture, match=words):
            open_picture(tmp_path / "vast.png")


def damaged(tmp_path):
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "whole.png").unlink()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    os.symlink("loop.png", tmp_path / "loop.png")
    os.symlink("nowhere", tmp_path / "dangling.png")
    os.mkfifo(tmp_path / "pipe.png")
    return sorted(p for p in tmp_path.iterdir() if p.suffix in (".png", ".jpg"))


def test_what_cannot_be_read_is_refused_at_once(tmp_path):
    began = time.monotonic()
    for path in damaged(tmp_path):
        with pytest.raises(UnreadablePicture, match=path.name):
            open_picture(path)
    with pytest.raises(UnreadablePicture, match="gone"):
        open_picture(tmp_path / "gone.png")
    assert time.monotonic() - began < 60  # a pipe would be waited for without end


def test_a_pointer_of_git_lfs_is_told(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    (tmp_path / "x.jpg").write_text(pointer)
    with pytest.raises(UserError, match=r"none of the 1 pictures.*git lfs pull"):
        load_data(str(tmp_path), "train", 8)


def test_eps_would_run_another_program_and_is_refused(tmp_path):
    head = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    (tmp_path / "x.jpg").write_bytes(head)
    with pytest.raises(UnreadablePicture, match="cannot identify"):
        open_picture(tmp_path / "x.jpg")


def test_what_cannot_be_read_is_named_and_counted(tmp_path, capsys):
    Image.new("RGB", (9, 9)).save(tmp_path / "good.png")
    paths = [path for path in damaged(tmp_path) if not path.is_dir() and path.name != "good.png"]
    data = load_data(str(tmp_path), "train", 8)
    assert len(data) == 1 and sorted(data.skipped) == paths
    out = capsys.readouterr().out
    assert all(path.name in out for path in paths[:5])
    assert f"skipped {len(paths)} unreadable pictures in all" in out


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_without_permission(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    (tmp_path / "x.png").chmod(0)
    with pytest.raises(UnreadablePicture, match=r"x\.png: Permission denied"):
        open_picture(tmp_path / "x.png")


def test_a_refusal_of_the_system_is_told(tmp_path, monkeypatch):
    """As root nothing is forbidden, so the system's answer is played."""
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", forbidden)
    with pytest.raises(UnreadablePicture, match=r"x\.png: Permission denied"):
        open_picture(tmp_path / "x.png")
