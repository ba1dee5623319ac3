"""Attention from any patch of any block, components, similarity: against whole matrices,
scikit-learn and cases made by hand; and ``attend``, which draws them."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

from minidino import cli
from minidino.attention import attention_maps, queries_and_keys
from minidino.convnet import ConvNet
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.successors.vit_v3 import VisionTransformerV3
from minidino.using.figures import outlined, overlay, painted, stretched
from minidino.using.patches import PatchPCA, Seen, patch_features, patch_keys, similarity
from minidino.vit import VisionTransformer

KINDS = {
    "dino": lambda: VisionTransformer(32, 8, embed_dim=24, depth=3, num_heads=3),
    "v2": lambda: VisionTransformerV2(32, 8, embed_dim=24, depth=3, num_heads=3, registers=2),
    "v3": lambda: VisionTransformerV3(32, 8, embed_dim=24, depth=3, num_heads=3, registers=4),
}


@pytest.fixture(params=KINDS)
def model(request):
    torch.manual_seed(0)
    vit = KINDS[request.param]().eval()
    for p in vit.parameters():  # weights large enough that attention is far from uniform
        torch.nn.init.normal_(p, std=0.3)
    return vit


@torch.no_grad()
def whole_matrix(model, x, layer):
    """Attention of a block without registers: that of the last block of a shorter network."""
    blocks, model.blocks = model.blocks, model.blocks[:layer]
    try:
        return model.get_last_selfattention(x)
    finally:
        model.blocks = blocks


def test_a_patch_of_any_block_looks_as_its_row_of_the_matrix_says(model):
    x = torch.randn(2, 3, 24, 40)  # 3 rows, 5 columns
    for layer in (1, 2, 3):
        matrix = whole_matrix(model, x, layer)
        for patch, row in (((0, 0), 1), ((1, 3), 1 + 5 + 3), ((2, 4), 15), (None, 0)):
            maps = attention_maps(model, x, layer, patch)
            assert maps.shape == (2, 3, 3, 5)
            torch.testing.assert_close(maps.flatten(2), matrix[:, :, row, 1:])
    torch.testing.assert_close(attention_maps(model, x), attention_maps(model, x, layer=3))
    torch.testing.assert_close(
        attention_maps(model, x, patch=(1, 3)), attention_maps(model, x, 3, (1, 3))
    )


def test_what_is_not_there_is_refused(model):
    x = torch.randn(1, 3, 24, 40)
    for layer in (0, 4, -1):
        with pytest.raises(ValueError, match=f"no layer {layer}; the blocks are 1 to 3"):
            attention_maps(model, x, layer)
    for patch in ((3, 0), (0, 5), (-1, 0)):
        with pytest.raises(ValueError, match="outside: there are 3 rows and 5 columns"):
            attention_maps(model, x, patch=patch)
    with pytest.raises(ValueError, match="ResNet"):
        attention_maps(ConvNet("resnet18", 32), x, layer=1)


def test_features_and_keys_lie_where_their_patches_are(model):
    """A change of one patch's pixels moves its own key of the first block alone."""
    x = torch.randn(1, 3, 24, 40)
    changed = x.clone()
    changed[..., 8:16, 24:32] += 1  # row 1, column 3
    model.blocks = model.blocks[:1]
    model.depth = 1
    with torch.no_grad():
        moved = (patch_keys(model, changed) - patch_keys(model, x)).abs().sum(-1)[0]
        features = patch_features(model, x)
        tokens = model.forward_features(x)
    assert moved[1, 3] > 0.1 and (moved > 1e-5).sum() == 1
    assert features.shape == (1, 3, 5, 24)
    torch.testing.assert_close(features[0, 2, 1], tokens[0, 1 + 2 * 5 + 1])
    _, keys = queries_and_keys(model, x)
    torch.testing.assert_close(patch_keys(model, x)[0, 2, 1], keys[0, :, -4].flatten())


def test_components_are_scikit_learns_with_the_side_that_is_attended_to():
    g = torch.Generator().manual_seed(0)
    stretch = torch.tensor([1.0, 0.5, 3.0, 1.5, 2.0])
    features = [torch.randn(h, w, 5, generator=g) * stretch + 4 for h, w in ((6, 9), (8, 8))]
    attention = [torch.rand(f.shape[:2], generator=g) for f in features]
    ours = PatchPCA(Seen("", (1, 1), *pair) for pair in zip(attention, features, strict=True))
    flat = [f.flatten(0, 1).double().numpy() for f in features]
    theirs = PCA(3).fit(np.concatenate(flat))
    n = sum(map(len, flat))
    spread = (theirs.explained_variance_ * (n - 1) / n) ** 0.5
    torch.testing.assert_close(ours.spread, torch.from_numpy(spread), rtol=1e-6, atol=0)
    along = [theirs.transform(f) for f in flat]
    weights = [(a / a.sum()).flatten().double().numpy() for a in attention]
    signs = np.sign(sum(w @ s for w, s in zip(weights, along, strict=True)))
    for f, s in zip(features, along, strict=True):
        projected = ours.project(f)
        assert np.allclose(projected.flatten(0, 1), s * signs, atol=1e-5)
        expected = (np.clip(s * signs / (2 * spread), -1, 1) + 1) * 127.5
        colours = ours.colours(f)
        assert colours.dtype == torch.uint8 and colours.shape == (3, *f.shape[:2])
        assert np.abs(colours.flatten(1).T.numpy() - expected).max() <= 0.51


def test_one_thing_has_one_colour_in_every_picture():
    kinds = torch.tensor([[1.0, 0.0, 2.0], [-1.0, 3.0, 2.0]])
    where = torch.zeros(2, 5, 6, dtype=torch.long)
    where[0, 1:3, 2:5] = where[1, 3:, :2] = 1
    pca = PatchPCA([Seen("", (1, 1), (w + 0.1).float(), kinds[w]) for w in where])
    pictures = [pca.colours(kinds[w]) for w in where]
    for kind in (0, 1):
        colours = torch.cat([p[:, w == kind] for p, w in zip(pictures, where, strict=True)], 1)
        assert (colours == colours[:, :1]).all()
    assert pictures[0][0, 1, 2] > 128 > pictures[0][0, 0, 0]  # red is where attention is


def test_similarity_is_scikit_learns_cosine():
    features = torch.randn(4, 5, 7)
    found = similarity(features, features[2, 3])
    expected = cosine_similarity(features.flatten(0, 1), features[2, 3][None])[:, 0]
    assert np.allclose(found.flatten(), expected, atol=1e-6) and found[2, 3] == pytest.approx(1)


def test_drawing_over_a_picture():
    image = torch.full((3, 8, 12), 128, dtype=torch.uint8)
    over = overlay(image, torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.5]]))
    bright = over.float().mean(0)
    assert over.shape == (3, 8, 12) and over.dtype == torch.uint8
    assert (bright[:4, 4:8] > bright[4:, 8:].max()).all()
    assert (bright[4:, 8:] > bright[4:, :8].max()).all() and bright[:, :4].std() == 0
    framed = outlined(image, (1, 2), 4)
    changed = (framed != image).any(0)
    assert changed.sum() == 12 and changed[4, 8:].all() and not changed[5:7, 9:11].any()
    assert stretched(torch.tensor([-1.0, 0.0, 3.0])).tolist() == [0, 0.25, 1]
    labels = torch.zeros(8, 12, dtype=torch.long)
    labels[2:6, 2:6] = 3
    palette = np.zeros((256, 3), np.uint8)
    palette[3] = (255, 0, 0)
    drawn = painted(image, labels, palette)
    assert drawn[:, 2, 2].tolist() == [255, 0, 0] and drawn[:, 0, 0].tolist() == [128] * 3
    assert drawn[0, 3, 3] > 190 and drawn[1, 3, 3] < 80


# ------------------------------------------------------------------ attend


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for i, (w, h) in enumerate(((60, 60), (90, 60), (60, 60))):
        pixels = np.full((h, w, 3), 30 + 40 * i, np.uint8)
        pixels[20:40, 25:50] = (240, 200, 40)
        Image.fromarray(pixels).save(tmp_path / f"photos/{i}.png")
    return tmp_path / "photos"


def attend(photos, *argv, capsys):
    out = photos.parent / "out"
    base = ["attend", "minidino_things", "--data", photos, "--out", out, "--size", 60]
    code = cli.main([str(a) for a in [*base, *argv]])
    said = capsys.readouterr()
    return code, {str(f.relative_to(out)) for f in out.rglob("*.png")}, said.err


def test_attend_from_a_patch_of_a_block_with_every_head(photos, capsys):
    argv = ["--layer", 2, "--patch", "4,5", "--heads", "each", "--threshold", 0.3]
    code, files, err = attend(photos, *argv, capsys=capsys)
    assert code == 0, err
    kinds = ("attention", "mask", "overlay")
    heads = ["", *(f".head{i:02d}" for i in range(1, 13))]
    expected = {f"maps/{n}{h}.{k}.png" for n in range(3) for h in heads for k in kinds}
    assert files == expected | {"attention.png"}
    mask = np.array(Image.open(photos.parent / "out/maps/1.mask.png"))
    assert mask.shape == (60, 90) and set(np.unique(mask)) == {0, 255}
    assert 0.05 < (mask > 0).mean() < 0.35  # 30% of the mass lies in fewer than 30% of patches


@pytest.mark.parametrize("show", ["pca", "similarity"])
def test_attend_shows_what_patches_say(photos, show, capsys):
    argv = ["--show", show] + (["--patch", "4,5"] if show == "similarity" else [])
    code, files, err = attend(photos, *argv, capsys=capsys)
    assert code == 0, err
    assert files == {f"{show}.png", *(f"maps/{i}.{show}.png" for i in range(3))}
    drawn = np.array(Image.open(photos.parent / f"out/maps/1.{show}.png")).astype(int)
    assert drawn.shape == (60, 90, 3)
    thing, stuff = drawn[26:34, 32:44].reshape(-1, 3), drawn[:6, 60:].reshape(-1, 3)
    assert np.abs(thing.mean(0) - stuff.mean(0)).max() > 40


MISTAKES = {
    "no such layer": (["--layer", 4], "the blocks are 1 to 3"),
    "layer 0": (["--layer", 0], "the blocks are 1 to 3"),
    "no patch": (["--patch", "here"], "not row,column"),
    "patch outside of one": (["--patch", "3,12"], "0.png: patch 3,12 is outside: there are 10"),
    "outside, alike": (["--show", "similarity", "--patch", "3,12"], "0.png: patch 3,12 is outside"),
    "no registers": (["--register", 1], "these weights have none"),
    "like what": (["--show", "similarity"], "needs a patch"),
    "threshold": (["--threshold", 1.5], "in (0, 1]"),
    "of no use": (["--show", "pca", "--heads", "each"], "makes no use of --heads"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_line(name, photos, capsys):
    argv, words = MISTAKES[name]
    code, _, err = attend(photos, *argv, capsys=capsys)
    assert code == 2 and words in err
    assert err.startswith("minidino: ") and len(err.strip().splitlines()) == 1, err
