"""Pictures that can be read are read right, by values worked out by hand; others are refused."""

import os
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from minidino.data import load_data
from minidino.data.pictures import MAX_PIXELS, UnreadablePicture, decode_square, open_picture


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


def test_other_numbers_are_refused_in_words(tmp_path):
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(tmp_path / "wide.tif")
    for name, words in [("float.tif", "floating-point"), ("wide.tif", "more than 16 bits")]:
        with pytest.raises(UnreadablePicture, match=f"{name}: .*{words}"):
            open_picture(tmp_path / name)


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


@pytest.mark.parametrize("orientation", SHOWN)
def test_turned_upright_by_exif(tmp_path, orientation):
    stored = Image.new("RGB", (4, 2))
    stored.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "x.png", exif=exif)
    shown = open_picture(tmp_path / "x.png")
    assert shown.size == ((4, 2) if orientation < 5 else (2, 4))
    assert shown.getpixel(SHOWN[orientation]) == (255, 255, 255)
    assert np.array(shown).sum() == 3 * 255


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


def test_what_cannot_be_read_is_named_and_counted(tmp_path, capsys):
    Image.new("RGB", (9, 9)).save(tmp_path / "good.png")
    paths = [path for path in damaged(tmp_path) if not path.is_dir() and path.name != "good.png"]
    data = load_data(str(tmp_path), "train", 8)
    assert len(data) == 1 and sorted(data.skipped) == paths
    out = capsys.readouterr().out
    assert all(path.name in out for path in paths[:5])
    assert f"skipped {len(paths)} unreadable pictures in all" in out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
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
