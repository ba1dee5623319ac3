"""Segmentation against scikit-learn's PCA, hand-made features and a picture known by heart."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from minidino import cli
from minidino.run.checkpoint import save_checkpoint
from minidino.trainer import Trainer
from minidino.using.segment import Seen, Split, look, mask_paths, pictures_of
from minidino.vit import VisionTransformer


def pca_masks(features, attention):
    seen = (Seen("", (1, 1), a, f) for f, a in zip(features, attention, strict=True))
    split = Split(seen)  # takes them one at a time
    return [split.mask(f) for f in features]


def test_pca_masks_are_the_sign_of_scikit_learns_first_component():
    g = torch.Generator().manual_seed(0)
    stretch = torch.tensor([1.0, 0.5, 3.0, 1.0, 2.0])
    features = [
        torch.randn(h, w, 5, generator=g) * stretch + 4 for h, w in ((6, 9), (8, 8), (3, 7))
    ]
    attention = [torch.rand(f.shape[:2], generator=g) for f in features]
    pca = PCA(1).fit(torch.cat([f.flatten(0, 1) for f in features]).numpy())
    along = [pca.transform(f.flatten(0, 1).numpy())[:, 0] for f in features]
    attended = sum(
        (a.flatten() / a.sum()).numpy() @ s for a, s in zip(attention, along, strict=True)
    )
    for mask, s in zip(pca_masks(features, attention), along, strict=True):
        assert mask.dtype == torch.bool
        assert (mask.flatten().numpy() == (s * np.sign(attended) > 0)).all()


def test_the_thing_is_the_side_that_is_attended_to():
    """Two kinds of patches in two pictures: whichever [CLS] looks at is white in both."""
    thing = torch.zeros(2, 5, 6, dtype=torch.bool)
    thing[0, 1:3, 2:5] = thing[1, 3:, :2] = True
    kinds = torch.tensor([[1.0, 0.0, 2.0], [-1.0, 3.0, 2.0]])
    features = kinds[thing.long()]
    for white in (thing, ~thing):
        masks = pca_masks(list(features), list(white.float() + 0.1))
        assert torch.equal(torch.stack(masks), white)


def square_picture(folder, suffix=".png"):
    """A bright square at rows 32 to 64 and columns 64 to 128 of a dark picture."""
    pixels = np.full((96, 160, 3), 30, np.uint8)
    pixels[32:64, 64:128] = (240, 200, 40)
    path = folder / f"photo{suffix}"
    Image.fromarray(pixels).save(path)
    return path


def test_pca_finds_a_bright_square_with_any_weights(tmp_path):
    """Where two colours are all there is, the patches vary along one direction, learned or not."""
    torch.manual_seed(0)
    model = VisionTransformer(96, 16, embed_dim=48, depth=1, num_heads=2).eval()
    (seen,) = look(model, [square_picture(tmp_path)], 96)
    assert seen.size == (96, 160)
    assert seen.attention.shape == (6, 10) and seen.features.shape == (6, 10, 48)
    square = torch.zeros(6, 10, dtype=torch.bool)
    square[2:4, 4:8] = True
    (mask,) = pca_masks([seen.features], [square.float() + 0.01])
    assert torch.equal(mask, square)


# ------------------------------------------------------------------ files


def test_masks_go_beside_the_pictures_or_below_out(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.jpg", "a.png", "deep/b.jpg", "old.mask.png"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    files = pictures_of(tmp_path)
    assert [f.name for f in files] == ["a.jpg", "a.png", "b.jpg"]
    names = ["a.jpg.mask.png", "a.png.mask.png", "deep/b.mask.png"]
    assert mask_paths(files, tmp_path, None) == [tmp_path / n for n in names]
    out = tmp_path / "out"
    assert mask_paths(files, tmp_path, out) == [out / n for n in names]
    alone = tmp_path / "deep" / "b.jpg"
    assert mask_paths(pictures_of(alone), alone, out) == [out / "b.mask.png"]


@pytest.fixture
def run(tiny_config, tmp_path):
    """Weights as they are before training."""
    (tmp_path / "run").mkdir()
    state = Trainer(tiny_config, 6, torch.device("cpu")).state_dict()
    save_checkpoint(tmp_path / "run" / "checkpoint.pt", state)
    return tmp_path / "run"


def minidino(*argv, capsys):
    code = cli.main([str(a) for a in argv])
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize("by", ["attention", "pca"])
def test_command_writes_a_mask_as_large_as_the_picture(run, tmp_path, capsys, by):
    photo = square_picture(tmp_path, ".jpg")
    before = photo.read_bytes()
    for _ in range(2):  # its own mask it may replace
        code, out, err = minidino("segment", run, "--data", photo, "--by", by, capsys=capsys)
        assert code == 0, err
        assert f"{photo} -> {tmp_path / 'photo.mask.png'}" in out
    mask = np.array(Image.open(tmp_path / "photo.mask.png"))
    assert mask.shape == (96, 160) and set(np.unique(mask)) == {0, 255}
    assert photo.read_bytes() == before


def test_a_folder_is_done_whole_and_twice_the_same(run, tmp_path, capsys):
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    square_picture(photos, ".jpg")
    square_picture(photos / "deep")
    (photos / "broken.png").write_bytes(b"x")
    for _ in range(2):
        code, out, err = minidino("segment", run, "--data", photos, "--by", "pca", capsys=capsys)
        assert code == 0, err
        assert "skipped unreadable" in out and out.count("->") == 2
    assert len(list(photos.rglob("*.mask.png"))) == 2


def test_a_file_that_is_not_ours_is_never_replaced(run, tmp_path, capsys):
    photo = square_picture(tmp_path)
    Image.new("L", (5, 5)).save(tmp_path / "photo.mask.png")
    before = (tmp_path / "photo.mask.png").read_bytes()
    code, _, err = minidino("segment", run, "--data", photo, capsys=capsys)
    assert code == 2 and "change --out" in err
    assert (tmp_path / "photo.mask.png").read_bytes() == before
    code, _, _ = minidino("segment", run, "--data", photo, "--out", tmp_path / "o", capsys=capsys)
    assert code == 0 and (tmp_path / "o/photo.mask.png").exists()


MISTAKES = {
    "no picture": (["RUN", "--data", "none.jpg"], "no picture or folder at"),
    "empty folder": (["RUN", "--data", "EMPTY"], "no pictures in"),
    "unreadable": (["RUN", "--data", "bad.png"], "could be read"),
    "no checkpoint": (["NONE", "--data", "photo.png"], "no checkpoint at"),
    "no such way": (["RUN", "--data", "photo.png", "--by", "magic"], "magic"),
    "too small": (["RUN", "--data", "photo.png", "--size", "3"], "at least a patch"),
    "out is a file": (["RUN", "--data", "photo.png", "--out", "bad.png"], "cannot write"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_line(name, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run.rename(tmp_path / "RUN")
    (tmp_path / "EMPTY").mkdir()
    square_picture(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"x")
    argv, words = MISTAKES[name]
    before = {f: f.read_bytes() for f in tmp_path.rglob("*.png")}
    code, _, err = minidino("segment", *argv, capsys=capsys)
    assert code == 2 and words in err
    assert err.startswith("minidino: ") and len(err.strip().splitlines()) == 1, err
    assert {f: f.read_bytes() for f in tmp_path.rglob("*.png")} == before
