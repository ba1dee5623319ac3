"""Segmentation against scikit-learn and SciPy, hand-made features, a picture known by heart."""

import re

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image
from scipy import ndimage
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import jaccard_score

from minidino import cli
from minidino.data.pictures import open_picture
from minidino.run.checkpoint import save_checkpoint
from minidino.trainer import Trainer
from minidino.using import segment as segmenting
from minidino.using.cut import cut, largest_piece, pieces, second_eigenvector
from minidino.using.few import FromExamples, logistic_regression
from minidino.using.segment import Seen, Split, boxed, look, mask_paths, pictures_of, score
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
    "too small": (["RUN", "--data", "photo.png", "--size", "3"], "a patch) to 4,096"),
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


# ------------------------------------------------------------------ cut, examples, scores


def test_the_second_eigenvector_is_scipys():
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(5, 6, 8)) + (np.arange(30).reshape(5, 6, 1) % 6 < 3) * 2.0
    unit = keys.reshape(30, 8) / np.linalg.norm(keys.reshape(30, 8), axis=1, keepdims=True)
    ties = np.where(unit @ unit.T > 0.2, 1.0, 1e-5)
    degrees = np.diag(ties.sum(1))
    _, vectors = scipy.linalg.eigh(degrees - ties, degrees)
    ours = second_eigenvector(torch.from_numpy(keys)).flatten().numpy()
    cosine = ours @ vectors[:, 1] / np.linalg.norm(ours) / np.linalg.norm(vectors[:, 1])
    assert abs(cosine) == pytest.approx(1, abs=1e-8)


def test_cut_takes_the_piece_that_stands_out_by_hand():
    """Of 48 patches seven are of another kind; six of them lie together."""
    keys = torch.tensor([1.0, 0.0, 0.1]).repeat(6, 8, 1)
    thing = torch.zeros(6, 8, dtype=torch.bool)
    thing[2:4, 3:6] = True
    apart = torch.zeros_like(thing)
    apart[0, 7] = True
    keys[thing] = torch.tensor([0.0, 1.0, 0.1])
    assert torch.equal(cut(keys), thing)
    keys[apart] = torch.tensor([0.0, 1.0, 0.1])
    found = cut(keys)
    assert torch.equal(found, thing) or torch.equal(found, apart)  # one piece, whichever
    assert cut(keys[:1, :1]).all()  # of one patch there is nothing to cut off


def test_pieces_are_scipys():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.3, 0.55, 0.7, 1.0):
        mask = rng.random((9, 13)) < share
        theirs, count = ndimage.label(mask)
        ours = pieces(torch.from_numpy(mask)).numpy()
        assert len(set(zip(ours[mask], theirs[mask], strict=True))) == count
        assert len(np.unique(ours[mask])) == count and (ours[~mask] == 0).all()
        if count:
            largest = largest_piece(torch.from_numpy(mask)).numpy()
            assert largest.sum() == np.bincount(theirs[mask]).max()
            assert len(np.unique(theirs[largest])) == 1 and mask[largest].all()
        else:
            assert not largest_piece(torch.from_numpy(mask)).any()


def test_logistic_regression_is_scikit_learns():
    x, y = make_classification(400, 20, n_informative=6, flip_y=0.1, random_state=0)
    for strength in (1.0, 0.05):
        theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(x, y)
        w, b = logistic_regression(torch.from_numpy(x), torch.from_numpy(y > 0), strength)
        assert np.allclose(w, theirs.coef_[0], atol=1e-4)
        assert b.item() == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_few_masks_teach_by_patches_that_count():
    """Void says the opposite of the truth here, so it must not be listened to."""
    kinds = torch.tensor([[1.0, 0.0], [-1.0, 0.5]])
    where = torch.zeros(4, 6, dtype=torch.bool)
    where[1:3, 1:4] = True
    features = kinds[where.long()] + 0.1 * torch.randn(4, 6, 2)
    mask = where.repeat_interleave(5, 0).repeat_interleave(5, 1)
    valid = torch.ones_like(mask)
    valid[:5] = False
    mask[:5] = True
    learned = FromExamples.fit([(features, mask, valid)])
    assert torch.equal(learned.mask(features), where)
    with pytest.raises(ValueError, match="no patch is of a thing"):
        FromExamples.fit([(features, torch.zeros_like(mask), None)])


def test_scores_by_hand():
    truth = torch.zeros(8, 8, dtype=torch.bool)
    truth[2:6, 2:6] = True
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1:3, 1] = True  # pixels (2:6, 2:4): half of the thing
    assert score(mask, truth).tolist() == [0.5, 1.0]
    mask[3, 3] = True  # a piece of its own: its box does not count, its 4 pixels do
    assert score(mask, truth).tolist() == pytest.approx([8 / 20, 1.0])
    mask[:, 1] = True  # too long: 8 of 24 pixels of boxes
    assert score(mask, truth)[1] == 0
    valid = torch.ones(8, 8, dtype=torch.bool)
    valid[6:] = valid[:2] = False
    assert score(mask, truth, valid)[0] == 0.5
    assert score(torch.zeros(4, 4, dtype=torch.bool), truth).tolist() == [0, 0]
    assert torch.equal(boxed(truth | torch.eye(8, dtype=torch.bool)), torch.ones(8, 8) > 0)


@pytest.fixture
def many(tmp_path):
    """Six pictures with a square each, and their masks; of three of them again in few/."""
    for folder in ("photos", "masks", "few"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        pixels, mask = np.full((60, 60, 3), 60, np.uint8), np.zeros((60, 60), np.uint8)
        top, left = 6 * (i % 3) + 6, 6 * i + 6
        pixels[top : top + 18, left : left + 18] = (240, 200, 40)
        mask[top : top + 18, left : left + 18] = 255
        Image.fromarray(pixels).save(tmp_path / f"photos/{i}.png")
        for folder in ("masks", *(["few"] if i % 2 == 0 else [])):
            Image.fromarray(mask).save(tmp_path / folder / f"{i}.png")
    return tmp_path


def scores_in(out):
    values = re.findall(r"(Jaccard|CorLoc) +([\d.]+) +random weights ([\d.]+)", out)
    return {name: (float(ours), float(floor)) for name, ours, floor in values}


def test_cut_is_scored_beside_random_weights(many, capsys):
    argv = ["minidino_things", "--data", many / "photos", "--masks", many / "masks"]
    code, out, err = minidino("segment", *argv, "--by", "cut", capsys=capsys)
    assert code == 0, err
    assert len(list((many / "photos").glob("*.mask.png"))) == 6
    assert set(scores_in(out)) == {"Jaccard", "CorLoc"} and "(6 pictures)" in out
    files = [(many / "photos" / f"{i}.mask.png", many / f"masks/{i}.png") for i in range(6)]
    pairs = [[np.asarray(Image.open(f)).ravel() > 0 for f in pair] for pair in files]
    expected = np.mean([jaccard_score(true, found) for found, true in pairs])
    assert scores_in(out)["Jaccard"][0] == pytest.approx(expected, abs=6e-4)


def test_the_floor_of_pca_is_learned_from_all_pictures_too(many, capsys):
    """A picture's score is the same whichever others are scored, so halves average to the whole."""
    rng, found = np.random.default_rng(0), {}
    for i in range(6):  # noise, and each half varies in other colours
        pixels = rng.integers(0, 256, (60, 60, 3), np.uint8)
        pixels[:, : 10 * (i + 1), : 1 + i // 3] //= 8
        Image.fromarray(pixels).save(many / f"photos/{i}.png")
    for some in ("012345", "012", "345"):
        (many / some).mkdir()
        for i in some:
            Image.open(many / f"masks/{i}.png").save(many / some / f"{i}.png")
        argv = ["minidino_things", "--data", many / "photos", "--masks", many / some, "--by", "pca"]
        code, out, err = minidino("segment", *argv, capsys=capsys)
        assert code == 0, err
        found[some] = np.array(scores_in(out)["Jaccard"])  # trained, random
    np.testing.assert_allclose((found["012"] + found["345"]) / 2, found["012345"], atol=1e-3)


@pytest.mark.parametrize("few", ["few", "photos/few"])
def test_three_masks_teach_the_rest(few, many, capsys):
    (many / "few").rename(many / few)
    argv = ["minidino_things", "--data", many / "photos", "--masks", many / few]
    argv += ["--by", "examples", "--truth", many / "masks"]
    code, out, err = minidino("segment", *argv, capsys=capsys)
    assert code == 0, err
    names = {f.name for f in (many / "photos").glob("*.mask.png")}
    assert names == {f"{i}.mask.png" for i in (1, 3, 5)}  # three are learned from
    assert "learning from 3 of 6" in out and "(3 pictures)" in out
    assert scores_in(out)["Jaccard"][0] > 0.45  # of few pictures: there and half right


def test_a_mask_of_an_earlier_call_is_named_and_stays(many, capsys):
    argv = ["minidino_things", "--data", many / "photos"]
    for _ in range(2):
        code, out, err = minidino("segment", *argv, capsys=capsys)
        assert code == 0 and "of an earlier call" not in out, err
    argv += ["--by", "examples", "--masks", many / "few"]
    code, out, err = minidino("segment", *argv, capsys=capsys)
    told = "0.mask.png, 2.mask.png, 4.mask.png"  # those that are learned from
    assert f"of an earlier call, and still in {many / 'photos'}: {told}\n" in out, err
    assert len(list((many / "photos").glob("*.mask.png"))) == 6


def test_a_mean_over_folders_is_called_that(many, capsys):
    for folder in ("photos", "masks"):
        (many / folder / "clip").mkdir()
        (many / folder / "5.png").rename(many / folder / "clip/5.png")
    argv = ["minidino_things", "--data", many / "photos", "--masks", many / "masks"]
    code, out, err = minidino("segment", *argv, capsys=capsys)
    assert code == 0 and "(6 pictures, mean of 2 folders' means)" in out, err


def test_all_pictures_of_16_bits_have_one_range(many, monkeypatch, capsys):
    """Learned from and looked at, trained and random: what is white in one is so in all."""
    for i in range(6):
        values = np.asarray(Image.open(many / f"photos/{i}.png").convert("L"), np.uint16)
        Image.fromarray(values * (i + 1)).save(many / f"photos/{i}.png")
    ranges = set()
    monkeypatch.setattr(
        segmenting, "open_picture", lambda f, how: ranges.add(how.range) or open_picture(f, how)
    )
    argv = ["minidino_things", "--data", many / "photos", "--masks", many / "few"]
    argv += ["--by", "examples", "--truth", many / "masks"]
    code, out, err = minidino("segment", *argv, capsys=capsys)
    assert code == 0, err
    assert len(ranges) == 1 and None not in ranges
    assert out.count("more than 8 bits") == 1


@pytest.mark.parametrize(
    "argv, words",
    [
        (["--by", "examples"], "give --masks"),
        (["--by", "cut", "--truth", "masks"], "scored with --masks"),
        (["--by", "examples", "--masks", "masks"], "nothing is left"),
        (["--by", "examples", "--masks", "nowhere"], "no mask for"),
        (["--by", "cut", "--masks", "empty"], "no mask for"),
        (["--by", "examples", "--masks", "empty"], "no patch is of a thing"),
    ],
)
def test_masks_that_are_no_use_cost_one_line(argv, words, many, monkeypatch, capsys):
    monkeypatch.chdir(many)
    (many / "empty").mkdir()
    Image.new("L", (60, 60)).save(many / "empty/0.png")
    code, _, err = minidino("segment", "minidino_things", "--data", "photos", *argv, capsys=capsys)
    assert code == 2 and words in err
    assert err.startswith("minidino: ") and len(err.strip().splitlines()) == 1, err
