"""Near-duplicates on both sides of a split are told; what merely looks alike is not."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from minidino.data import load_data
from minidino.data.pictures import to_tensor
from minidino.data.twins import find_twins, tell_twins


def test_frames_of_a_clip_on_both_sides_are_told(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for c in "ab":
        for clip in range(2):
            scene = rng.integers(0, 256, (30, 30, 3)).astype(int)
            for i in range(5):
                noisy = (scene + rng.integers(-4, 5, scene.shape)).clip(0, 255).astype(np.uint8)
                (tmp_path / c).mkdir(exist_ok=True)
                Image.fromarray(noisy).save(tmp_path / c / f"clip{clip}_{i}.png")
    parts = [load_data(str(tmp_path), s, 30) for s in ("labelled", "test")]
    tell_twins(*parts)
    said = capsys.readouterr().out.splitlines()[-1]
    assert (
        said.startswith("4 of 4 held-out pictures have a near-duplicate") and "--group-by" in said
    )
    assert f"{tmp_path}/a/clip0_4.png and {tmp_path}/a/clip0_" in said


def test_other_pictures_are_not(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(10):
            coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
            coarse.resize((30, 30)).save(tmp_path / c / f"{i}.png")
    tell_twins(*(load_data(str(tmp_path), s, 30) for s in ("labelled", "test")))
    assert "near-duplicate" not in capsys.readouterr().out


@pytest.mark.parametrize("change", ["jpeg", "brighter", "a pixel aside"])
def test_photographs_changed_a_little_are_found_and_others_are_not(shared_data, change):
    with zipfile.ZipFile(shared_data / "imagenette128.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith(".webp")][::100]
        photos = [Image.open(archive.open(n)).convert("RGB").resize((64, 64)) for n in names]

    def changed(photo):
        if change == "jpeg":
            photo.save(written := io.BytesIO(), "JPEG", quality=40)
            return Image.open(written)
        if change == "brighter":
            return photo.point(lambda v: v * 1.05)
        return photo.crop((1, 0, 64, 64)).resize((64, 64))

    bank = torch.stack([to_tensor(p) for p in photos])
    again = torch.stack([to_tensor(changed(p)) for p in photos])
    found = find_twins(bank, again)
    assert len(found) > 0.95 * len(bank) and all(i == j for i, j in found)
    assert find_twins(bank[::2], bank[1::2]) == []
