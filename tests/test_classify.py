"""Classifiers that are kept, what they say of new pictures, and what accuracy hides."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier

from minidino import cli
from minidino.data.pictures import decode_square
from minidino.evaluate import extract_features, knn_predict, knn_votes
from minidino.using.classify import load_classifier
from minidino.using.confusion import as_text, balanced_accuracy, confusion, per_class
from minidino.vit import VisionTransformer
from minidino.weights.export import export_backbone
from minidino.weights.pretrained import load_trained

SIZES = {"red": 40, "green": 15, "blue": 10}  # pictures a class


def paint(path: Path, channel: int, rng, size: int = 60) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 120, (size, size, 3), dtype=np.uint8)
    pixels[..., channel] += rng.integers(90, 136, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    for c, (name, n) in enumerate(SIZES.items()):
        for i in range(n):
            paint(folder / name / f"{i:02d}.png", c, rng)
    return folder


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """Twelve pictures, in no class's folder; one is none."""
    folder, rng = tmp_path_factory.mktemp("new") / "new", np.random.default_rng(1)
    for i in range(12):
        paint(folder / f"deep/{i:02d}.png", i % 3, rng, size=80)
    (folder / "broken.png").write_bytes(b"x")
    return folder


def minidino(*argv, capsys):
    code = cli.main([str(a) for a in argv])
    out = capsys.readouterr()
    return code, out.out, out.err


def rows_of(file: Path) -> list[dict]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.parametrize("kind", ["knn", "linear"])
def test_what_is_saved_says_the_same_of_new_pictures(kind, photos, new, tmp_path, capsys):
    saved = tmp_path / "colours.safetensors"
    extra = ("--epochs", 20) if kind == "linear" else ("--k", 5)
    code, said, err = minidino(
        kind, "minidino_things", "--data", photos, "--save", saved, *extra, capsys=capsys
    )
    assert code == 0 and f"minidino predict {saved} --data NEW" in said, err
    code, said, err = minidino("predict", saved, "--data", new, capsys=capsys)
    assert code == 0, err
    assert "12 pictures" in said and "1 files could not be read" in said
    rows = rows_of(tmp_path / "predictions.csv")
    files = sorted((new / "deep").iterdir())
    assert [row["name"] for row in rows] == [f"deep/{f.name}" for f in files]
    # By hand, from the numbers in the file.
    model = load_trained("minidino_things").backbone
    images = torch.stack([decode_square(file, 60) for file in files])  # its own size
    numbers = load_file(saved)
    if kind == "knn":
        x = extract_features(model, images).double()
        bank = numbers["features"].double()
        cosine = (x / x.norm(dim=1, keepdim=True)) @ bank.T
        best = cosine.topk(5)
        expected = torch.zeros(12, 3, dtype=torch.float64)
        weight = (best.values / 0.07).exp()
        expected.scatter_add_(1, numbers["labels"][best.indices], weight)
        expected /= expected.sum(dim=1, keepdim=True)
    else:
        x = extract_features(model, images, n_last_blocks=4).double()
        x = (x - numbers["mean"]) / numbers["std"]
        expected = (x @ numbers["weight"].double() + numbers["bias"]).softmax(dim=1)
    classes = load_classifier(saved).classes
    assert classes == ("blue", "green", "red")
    assert [row["label"] for row in rows] == [classes[i] for i in expected.argmax(dim=1)]
    confidence = torch.tensor([float(row["confidence"]) for row in rows]).double()
    torch.testing.assert_close(confidence, expected.amax(dim=1), atol=2e-4, rtol=0)
    # Given again it replaces its own table; a picture alone is a table of one row.
    code, _, _ = minidino("predict", saved, "--data", files[4], capsys=capsys)
    assert code == 0 and rows_of(tmp_path / "predictions.csv")[0]["label"] == rows[4]["label"]


def test_votes_are_scikit_learns_probabilities():
    g = torch.Generator().manual_seed(0)
    bank, queries = torch.randn(80, 6, generator=g), torch.randn(30, 6, generator=g)
    labels = torch.randint(0, 4, (80,), generator=g)
    theirs = KNeighborsClassifier(
        9, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.1), algorithm="brute"
    ).fit(bank.numpy(), labels.numpy())
    ours = knn_votes(bank, labels, queries, k=9, temperature=0.1)
    np.testing.assert_allclose(ours.numpy(), theirs.predict_proba(queries.numpy()), atol=1e-5)
    assert (ours.argmax(dim=1) == knn_predict(bank, labels, queries, 9, 0.1)).all()


def test_new_pictures_of_12_bits_are_scaled_by_one_range_which_is_said(photos, tmp_path, capsys):
    """As the same pictures in 8 bits, 16 levels to one: the dark ones stay dark."""
    rng, saved = np.random.default_rng(2), tmp_path / "c.safetensors"
    for i in range(12):
        values = rng.integers(0, 4096 if i % 2 else 700, (60, 60)).astype(np.uint16)
        values[0, :2] = (0, 4095) if i == 1 else values[0, :2]
        for name, array in (("deep", values), ("bytes", (values >> 4).astype(np.uint8))):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / name / f"{i:02d}.png")
    argv = ["knn", "minidino_things", "--data", photos, "--save", saved, "--k", 5]
    assert minidino(*argv, capsys=capsys)[0] == 0
    found = {}
    for name, more in (("deep", ()), ("bytes", ()), ("fixed", ("--range", "0,699"))):
        data, out = tmp_path / name.replace("fixed", "deep"), tmp_path / f"{name}.csv"
        argv = ["predict", saved, "--data", data, "--out", out, *more]
        code, said, err = minidino(*argv, capsys=capsys)
        assert code == 0, err
        found[name] = (rows_of(out), [line for line in said.splitlines() if "8 bits" in line])
    assert found["deep"][0] == found["bytes"][0] != found["fixed"][0]
    (told,), (fixed,) = found["deep"][1], found["fixed"][1]
    assert told.startswith("12 of 12 pictures looked at") and "0 becomes black, 4095 white" in told
    assert "0 becomes black, 699 white" in fixed and not found["bytes"][1]


# ------------------------------------------------------------------ what accuracy hides


def test_counts_and_rates_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.choice(5, 400, p=[0.6, 0.2, 0.1, 0.1, 0.0])  # of the last there is no picture
    predicted = np.where(rng.random(400) < 0.6, truth, rng.integers(0, 5, 400))
    counts = confusion(torch.tensor(truth), torch.tensor(predicted), 5)
    assert (counts.numpy() == metrics.confusion_matrix(truth, predicted, labels=range(5))).all()
    expected = metrics.recall_score(truth, predicted, average=None, labels=range(4)).mean()
    assert balanced_accuracy(counts) == pytest.approx(100 * expected)
    rows = per_class(counts, "abcde")
    assert {row["class"] for row in rows} == set("abcd")
    for row in rows:
        i = "abcde".index(row["class"])
        of_class = {"labels": [i], "average": None, "zero_division": 0}
        recall = metrics.recall_score(truth, predicted, **of_class)[0]
        assert row["recall"] == pytest.approx(100 * recall, abs=0.01)
        precision = metrics.precision_score(truth, predicted, **of_class)[0]
        assert row["precision"] == pytest.approx(100 * precision, abs=0.01)
    assert [row["recall"] for row in rows] == sorted(row["recall"] for row in rows)


def test_of_classes_of_one_size_both_accuracies_are_the_same_number():
    """87 of 160 are 54.375%; of single precision one was printed as 54.37%, the other as 54.38%."""
    rng = np.random.default_rng(0)
    for right in [(23, 20, 21, 23), *rng.integers(0, 41, (200, 4)).tolist()]:
        counts = torch.diag(torch.tensor(right))
        counts[range(4), [1, 2, 3, 0]] = 40 - counts.diagonal()
        assert balanced_accuracy(counts) == 100 * sum(right) / 160


def test_who_says_the_larger_class_always_is_found_out():
    """90 and 10 pictures by hand: 90% of all are right, and half of the classes."""
    counts = torch.tensor([[90, 0], [10, 0]])
    assert balanced_accuracy(counts) == 50
    small, large = per_class(counts, ["large", "small"])
    assert small == {
        "class": "small", "pictures": 10, "recall": 0.0, "precision": None, "taken_for": "large"
    }  # fmt: skip
    assert large["precision"] == 90.0 and large["taken_for"] is None
    lines = as_text([small, large]).splitlines()
    assert len(lines) == 3 and lines[1].split() == ["small", "10", "0.0%", "--", "large"]


def test_scores_of_an_imbalanced_folder(photos, tmp_path, capsys):
    picture = tmp_path / "confusion.png"
    code, said, err = minidino(
        "knn", "minidino_things", "--data", photos, "--json", tmp_path / "s.json", "--confusion",
        picture, "--k", 5, capsys=capsys,
    )  # fmt: skip
    assert code == 0, err
    scores = json.loads((tmp_path / "s.json").read_text())
    assert (
        f"balanced accuracy (every class counts alike): {scores['balanced_trained']:.2f}%" in said
    )
    assert [c["pictures"] for c in sorted(scores["classes"], key=lambda c: c["class"])] == [2, 3, 8]
    assert "mostly taken for" in said and Image.open(picture).width > 300


def test_of_a_streamed_folder_is_told_what_was_read(photos, tmp_path, monkeypatch, capsys):
    """The same counts and scores as in memory, where unreadable files are not counted either."""
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    for name in ("red/01.png", "red/39.png", "blue/09.png", "blue/03.png"):
        (folder / name).write_bytes(b"x")
    argv = ["knn", "minidino_things", "--data", folder, "--json", tmp_path / "s.json"]
    told = []
    for held in (2**32, 1000):
        monkeypatch.setattr("minidino.data.folders.IN_MEMORY_BYTES", held)
        code, said, err = minidino(*argv, capsys=capsys)
        assert code == 0, err
        assert ("near-duplicates of held-out pictures" in said) == (held == 1000)
        told.append(json.loads((tmp_path / "s.json").read_text()))
    memory, streamed = told
    assert memory["train_images"] + memory["test_images"] == sum(SIZES.values()) - 4
    assert streamed == memory


def test_a_class_with_nothing_to_learn_from_is_told(photos, capsys):
    argv = ["knn", "minidino_things", "--data", photos]
    code, said, err = minidino(*argv, "--max-images", 2, capsys=capsys)
    assert code == 0, err
    lines = [line for line in said.splitlines() if "no picture to learn from" in line]
    assert len(lines) == 1 and lines[0].endswith(": 1 of 3 classes (green)")
    assert "no picture to learn from" not in minidino(*argv, capsys=capsys)[1]


def test_whatever_classes_are_called_they_are_drawn(tmp_path, capsys, recwarn):
    """Formulas that are none, no UTF-8, letters the font lacks; in names of files, too."""
    folder, rng = tmp_path / "$p_$q", np.random.default_rng(0)
    for c, name in enumerate(("$1_$5", "$5_$^", "猫", os.fsdecode(b"gr\xfcn"))):
        for i in range(4):
            paint(folder / name / f"$_{i}_$^.png", c % 3, rng)
    out = [tmp_path / name for name in ("a.png", "b.png", "c.png", "d.safetensors", "e/e.csv")]
    use = "minidino_things", "--data", folder
    for argv in (
        ("data", folder, "--out", out[0]),
        ("retrieve", use[0], folder / "$1_$5/$_0_$^.png", *use[1:], "--out", out[1]),
        ("knn", *use, "--confusion", out[2], "--save", out[3], "--k", 3),
        ("predict", out[3], *use[1:], "--out", out[4]),  # in a folder that is made
        ("predict", out[3], *use[1:], "--out", out[4]),  # its own table it may replace
    ):
        code, _, err = minidino(*argv, capsys=capsys)
        assert code == 0, err
    assert all(file.stat().st_size for file in out)
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_a_picture_that_fails_loses_nothing_that_was_learned(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minidino.commands.score.confusion_figure", lambda *_: 1 / 0)
    given = {"--save": "c.safetensors", "--json": "s.json", "--confusion": "c.png"}
    argv = [part for k, v in given.items() for part in (k, tmp_path / v)]
    with pytest.raises(ZeroDivisionError):
        minidino("knn", "minidino_things", "--data", photos, *argv, capsys=capsys)
    assert load_classifier(tmp_path / "c.safetensors").classes and (tmp_path / "s.json").exists()


def test_no_more_blocks_are_told_than_there_are(photos, new, tmp_path, capsys):
    torch.manual_seed(0)
    vit = VisionTransformer(32, 8, embed_dim=48, depth=3, num_heads=2)
    export_backbone(vit, "safetensors", tmp_path / "w.safetensors")
    code, said, err = minidino(
        "linear", tmp_path / "w.safetensors", "--data", photos, "--size", 32, "--epochs", 2,
        "--json", tmp_path / "s.json", "--save", tmp_path / "c.safetensors", capsys=capsys,
    )  # fmt: skip
    assert code == 0 and "linear probe (3 blocks, 2 epochs)" in said, err
    assert json.loads((tmp_path / "s.json").read_text())["what"] in said
    code, _, err = minidino("predict", tmp_path / "c.safetensors", "--data", new, capsys=capsys)
    assert code == 0, err


# ------------------------------------------------------------------ bad input


def test_weights_that_were_moved_are_told_how_to_be_found(photos, new, tmp_path, capsys):
    export_backbone(
        load_trained("minidino_things").backbone, "safetensors", tmp_path / "w.safetensors"
    )
    argv = [
        "knn",
        tmp_path / "w.safetensors",
        "--data",
        photos,
        "--save",
        tmp_path / "c.safetensors",
    ]
    assert minidino(*argv, capsys=capsys)[0] == 0
    (tmp_path / "w.safetensors").rename(tmp_path / "moved.safetensors")
    argv = ["predict", tmp_path / "c.safetensors", "--data", new]
    for _ in range(2):
        code, _, err = minidino(*argv, capsys=capsys)
        assert code == 2 and len(err.splitlines()) == 1 and "--backbone" in err, err
        (tmp_path / "w.safetensors").write_bytes(b"x")  # then something else is there
    code, _, err = minidino(*argv, "--backbone", tmp_path / "moved.safetensors", capsys=capsys)
    assert code == 0, err


@pytest.fixture(scope="module")
def saved(photos, tmp_path_factory):
    file = tmp_path_factory.mktemp("saved") / "c.safetensors"
    assert cli.main(["knn", "minidino_things", "--data", str(photos), "--save", str(file)]) == 0
    return file


MISTAKES = {
    "another backbone": (["predict", "C", "--data", "NEW", "--backbone", "OTHER"], "another back"),
    "of another size": (
        ["predict", "C", "--data", "NEW", "--backbone", "minidino_photos"], "another backbone"),
    "backbone gone": (["predict", "C", "--data", "NEW", "--backbone", "gone"], "no checkpoint at"),
    "no classifier": (["predict", "gone.pt", "--data", "NEW"], "--save gone.safetensors"),
    "weights": (["predict", "OTHER", "--data", "NEW"], "is no classifier"),
    "of wrong shapes": (["predict", "bent.safetensors", "--data", "NEW"], "is no classifier"),
    "no pictures": (["predict", "C", "--data", "empty"], "no pictures in empty"),
    "no folder": (["predict", "C", "--data", "gone"], "no picture or folder at gone"),
    "none readable": (
        ["predict", "C", "--data", "NEW/broken.png"],
        "none of the 1 pictures could be read, as NEW/broken.png: cannot identify image file"),
    "over a file": (["predict", "C", "--data", "NEW", "--out", "mine.csv"], "holds no predict"),
    "no such folder": (
        ["knn", "minidino_things", "--data", "P", "--save", "gone/c.safetensors"], "no folder g"),
    "over a classifier": (["knn", "minidino_things", "--data", "P", "--save", "C"], "is kept"),
    "no such suffix": (["linear", "minidino_things", "--data", "P", "--save", "c.pt"], "must end"),
    "over a picture": (
        ["knn", "minidino_things", "--data", "P", "--confusion", "mine.png"], "not written by"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_line(name, saved, photos, new, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.csv").write_text("name,price\n")
    Image.new("RGB", (9, 9)).save(tmp_path / "mine.png")
    other = load_trained("minidino_things").random()
    weights = {k: v.contiguous() for k, v in other.state_dict().items()}
    save_file(weights, tmp_path / "other.safetensors", {"num_heads": "12"})

    with safe_open(saved, framework="pt") as file:
        bent = {"features": file.get_tensor("features"), "labels": torch.arange(3)}
        save_file(bent, tmp_path / "bent.safetensors", file.metadata())
    places = {"C": saved, "NEW": new, "P": photos, "OTHER": "other.safetensors"}
    places["NEW/broken.png"] = new / "broken.png"
    argv, words = MISTAKES[name]
    capsys.readouterr()
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    code, _, err = minidino(*(places.get(a, a) for a in argv), capsys=capsys)
    words = words.replace("NEW", str(new))
    said = [line for line in err.splitlines() if line.startswith("minidino: ")]
    assert code == 2 and len(said) == 1 and words in said[0], err
    assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before
    assert not (saved.parent / "predictions.csv").exists()
