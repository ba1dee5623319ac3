"""Features in a file: those of timm's ViT, however often it was stopped; and near-copies."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score
from test_distributed import in_processes

from minidino import cli
from minidino.data.things import ThingsOnStuff
from minidino.using import embed as embedding
from minidino.using import index as indexing
from minidino.using.copies import (
    average_precision,
    copy_detection,
    find_copies,
    make_copies,
    whiten,
)
from minidino.using.embed import embed
from minidino.using.index import load_index
from minidino.vit import VisionTransformer
from minidino.weights.export import export_backbone
from minidino.weights.file import fingerprint
from minidino.weights.pretrained import load_trained

SIDE = 32


@pytest.fixture(scope="module")
def theirs():
    """timm's ViT of 3 blocks, and its weights are what is embedded with."""
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_small_patch16_224", img_size=SIDE, patch_size=8, embed_dim=48, depth=3, num_heads=2,
        num_classes=0,
    )  # fmt: skip
    return model.eval()


@pytest.fixture(scope="module")
def weights(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    torch.save(theirs.state_dict(), folder / "vit.pth")
    trained = load_trained(folder / "vit.pth", num_heads=2)
    export_backbone(trained.backbone, "safetensors", folder / "vit.safetensors")
    return folder / "vit.safetensors"


@pytest.fixture
def photos(tmp_path):
    """70 pictures of 32 px in two folders; of the 9th and the last of all only the name is one."""
    rng = np.random.default_rng(0)
    for i in range(70):
        file = tmp_path / "photos" / "ab"[i % 2] / f"{i:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    (tmp_path / "photos/a/16.png").write_bytes(b"x")
    (tmp_path / "photos/b/69.png").write_bytes(b"x")
    return tmp_path / "photos"


def good_files(photos: Path) -> list[Path]:
    return [f for f in sorted(photos.rglob("*.png")) if f.stat().st_size > 1]


def normalised(files: list[Path]) -> torch.Tensor:
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = np.stack([(np.asarray(Image.open(f)) / 255 - mean) / std for f in files])
    return torch.tensor(pixels, dtype=torch.float32).permute(0, 3, 1, 2)


def minidino(*argv, capsys):
    code = cli.main([str(a) for a in argv])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_a_file_holds_timms_tokens(weights, theirs, photos, tmp_path, capsys):
    out = tmp_path / "f.npz"
    code, said, err = minidino(
        "embed", weights, "--data", photos, "--out", out, "--patches", "--layers", 2, capsys=capsys
    )
    assert code == 0, err
    assert "68 pictures, cls 48, layers 2 x 48, patches 4 x 4 x 48; 2 files could not" in said
    files = good_files(photos)
    with np.load(out) as found, torch.no_grad():
        assert found["names"].tolist() == [f.relative_to(photos).as_posix() for f in files]
        x = normalised(files)
        tokens = theirs.forward_features(x).numpy()
        np.testing.assert_allclose(found["cls"], tokens[:, 0], atol=1e-5)
        assert found["patches"].dtype == np.float16
        np.testing.assert_allclose(found["patches"].reshape(68, 16, 48), tokens[:, 1:], atol=4e-3)
        layers = theirs.get_intermediate_layers(x, 2, return_prefix_tokens=True, norm=True)
        for ours, (_, prefix) in zip(found["layers"].transpose(1, 0, 2), layers, strict=True):
            np.testing.assert_allclose(ours, prefix[:, 0].numpy(), atol=1e-5)
        assert json.loads(str(found["about"]))["left_out"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.npz", "photos"]  # no parts are left


def test_a_csv_has_the_same_numbers_to_the_last_bit(weights, photos, tmp_path):
    (photos / "a/00.png").rename(photos / 'a/with, "comma".png')
    trained = load_trained(weights)
    embed(trained, photos, tmp_path / "f.npz", layers=2)
    embed(trained, photos, tmp_path / "f.csv", layers=2)
    with (tmp_path / "f.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    found = np.load(tmp_path / "f.npz")
    assert [row[0] for row in rows] == found["names"].tolist()
    numbers = np.array([row[1:] for row in rows], dtype=np.float32)
    assert (numbers[:, :48] == found["cls"]).all()
    assert (numbers[:, 48:].reshape(-1, 2, 48) == found["layers"]).all()
    assert head[1] == "cls_0" and head[49] == "block-2_0" and head[-1] == "block-1_47"


@pytest.mark.parametrize("at", [1, 2])
def test_a_stop_saves_what_is_ready_and_the_same_command_goes_on(
    weights, photos, tmp_path, monkeypatch, capsys, at
):
    monkeypatch.setattr(embedding, "images_at_once", lambda *_: 16)
    argv = ("embed", weights, "--data", photos, "--out", tmp_path / "f.npz")
    seen, real = [], embedding.embed_images

    def stopping(model, images, *args):
        seen.append(len(images))
        if len(seen) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return real(model, images, *args)

    monkeypatch.setattr(embedding, "embed_images", stopping)
    code, _, err = minidino(*argv, capsys=capsys)
    assert code == 130 and f"stopped by Ctrl-C after {16 * at} of 70 pictures" in err
    assert not (tmp_path / "f.npz").exists()
    code, said, _ = minidino(*argv, capsys=capsys)
    assert code == 0 and f"going on: {16 * at} pictures are done" in said
    assert sum(seen) == 68  # none was computed twice
    monkeypatch.setattr(embedding, "embed_images", real)
    embed(load_trained(weights), photos, tmp_path / "whole.npz")
    a, b = (np.load(tmp_path / name) for name in ("f.npz", "whole.npz"))
    assert (a["names"] == b["names"]).all()
    np.testing.assert_allclose(a["cls"], b["cls"], atol=1e-6)  # other batches round otherwise


def test_a_kill_costs_what_was_not_yet_written(weights, photos, tmp_path, monkeypatch):
    """Parts follow the clock: here each batch is one, and the third dies half written."""
    monkeypatch.setattr(embedding, "images_at_once", lambda *_: 16)
    monkeypatch.setattr(indexing, "PART_SECONDS", 0.0)
    real, written = np.savez, []

    def dying(file, **arrays):
        written.append(len(arrays["good"]))
        if len(written) == 3:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        real(file, **arrays)

    monkeypatch.setattr(np, "savez", dying)
    with pytest.raises(OSError):
        embed(load_trained(weights), photos, tmp_path / "f.npz")
    embed(load_trained(weights), photos, tmp_path / "f.npz")
    assert written[:2] == [15, 16] and sum(written) - written[2] == 68
    assert len(np.load(tmp_path / "f.npz")["cls"]) == 68


def in_two(weights: Path, photos: Path, out: Path) -> tuple:
    done = embed(load_trained(weights), photos, out, device="cpu")
    return done.pictures, done.left_out


def test_two_processes_write_what_one_does(weights, photos, tmp_path):
    told = in_processes(2, tmp_path / "two", in_two, weights, photos, tmp_path / "f.npz")
    assert told == [(68, 2)] * 2
    embed(load_trained(weights), photos, tmp_path / "one.npz")
    a, b = (np.load(tmp_path / name) for name in ("f.npz", "one.npz"))
    assert (a["names"] == b["names"]).all() and a["about"] == b["about"]
    np.testing.assert_allclose(a["cls"], b["cls"], atol=1e-6)


def test_shares_are_all_that_is_left_and_nothing_twice(monkeypatch):
    chance = random.Random(0)
    for _ in range(50):
        n, world = chance.randint(1, 60), chance.randint(1, 5)
        cuts = sorted(chance.sample(range(n + 1), min(4, n + 1) // 2 * 2))
        done = [(a, b - 1) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
        monkeypatch.setattr(embedding.distributed, "world_size", lambda w=world: w)
        shares = []
        for rank in range(world):
            monkeypatch.setattr(embedding.distributed, "rank", lambda r=rank: r)
            batches = embedding._my_share(done, n, 7)
            assert all(len(b) and (b.diff() == 1).all() for b in batches)
            shares += [i for b in batches for i in b.tolist()]
        ready = {i for a, b in done for i in range(a, b + 1)}
        assert shares == [i for i in range(n) if i not in ready]


def test_the_fingerprint_is_of_numbers_and_heads(weights, tmp_path):
    trained = load_trained(weights)
    own = fingerprint(trained.backbone)
    torch.save(trained.backbone.state_dict(), tmp_path / "same.pth")
    assert fingerprint(load_trained(tmp_path / "same.pth", 2).backbone) == own
    assert fingerprint(load_trained(tmp_path / "same.pth", 4).backbone) != own
    trained.backbone.norm.bias.data[3] += 1e-6
    assert fingerprint(trained.backbone) != own


# ------------------------------------------------------------------ an index is asked


def test_an_index_answers_as_the_folder_does_without_reading_it(
    weights, photos, tmp_path, monkeypatch, capsys
):
    query = photos / "b/21.png"
    argv = ("retrieve", weights, query, "--k", 4, "--out", tmp_path / "r.png")
    code, folder_said, _ = minidino(*argv, "--data", photos, capsys=capsys)
    embed(load_trained(weights), photos, tmp_path / "f.npz")
    capsys.readouterr()
    read = []
    real = embedding.StreamedFolder.__getitem__
    monkeypatch.setattr(
        embedding.StreamedFolder, "__getitem__", lambda s, i: read.append(i) or real(s, i)
    )
    code, said, _ = minidino(*argv, "--index", tmp_path / "f.npz", capsys=capsys)
    assert code == 0 and not read
    pick = [line for line in folder_said.splitlines() if line[:2] in ("0.", "1.")]
    assert said.splitlines()[:4] == pick and str(query) not in said
    photos.rename(tmp_path / "moved")
    query = tmp_path / "moved/b/21.png"
    argv = ("retrieve", weights, query, "--k", 4, "--out", tmp_path / "r.png")
    code, said, _ = minidino(*argv, "--index", tmp_path / "f.npz", capsys=capsys)
    assert code == 0 and "4 of its pictures have moved" in said
    moved = ("--index", tmp_path / "f.npz", "--data", tmp_path / "moved")
    code, said, _ = minidino(*argv, *moved, capsys=capsys)
    assert "have moved" not in said and str(tmp_path / "moved") in said


def test_what_is_gone_or_changed_since_an_index_was_made_is_told(weights, photos, tmp_path, capsys):
    Image.open(photos / "a/10.png").save(photos / "b/10.png")  # a copy that stays
    embed(load_trained(weights), photos, tmp_path / "f.npz")
    query = photos / "a/10.png"
    argv = ("retrieve", weights, query, "--k", 3, "--out", tmp_path / "r.png")
    index = ("--index", tmp_path / "f.npz")
    duplicates = ("retrieve", weights, "--duplicates", "--out", tmp_path / "d.png")
    capsys.readouterr()
    _, said, _ = minidino(*argv, *index, capsys=capsys)
    assert "are gone" not in said and "anew" not in said and f"1.000  {photos / 'b/10.png'}" in said
    (photos / "a/12.png").unlink()
    Image.new("RGB", (SIDE, SIDE)).save(photos / "a/14.png")
    for one in (argv, duplicates):
        code, said, err = minidino(*one, *index, capsys=capsys)
        assert code == 0, err
        first, second = said.splitlines()[:2]
        assert first == "left out, as they are gone: 1 of 69 (a/12.png)"
        assert second.startswith("written anew since ") and second.endswith("1 of 69 (a/14.png)")
        assert "68 pictures" in said or one is argv
    copied = shutil.copytree(photos, tmp_path / "copied", copy_function=shutil.copyfile)
    _, said, _ = minidino(*argv, *index, "--data", copied, capsys=capsys)
    assert "1 of 69 (a/14.png)" in said  # by its bytes: of copies all times are new
    with np.load(tmp_path / "f.npz") as whole:  # as files were before
        np.savez(tmp_path / "old.npz", **{key: whole[key] for key in ("about", "names", "cls")})
    _, said, _ = minidino(*argv, "--index", tmp_path / "old.npz", capsys=capsys)
    assert "1 of 69 (a/12.png)" in said and "does not tell which pictures have changed" in said


def test_a_query_whose_folder_has_moved_is_not_counted(weights, photos, tmp_path, capsys):
    Image.open(photos / "a/10.png").save(photos / "b/10.png")
    embed(load_trained(weights), photos, tmp_path / "f.npz")
    photos.rename(tmp_path / "moved")
    query = tmp_path / "moved/a/10.png"
    argv = ("retrieve", weights, query, "--index", tmp_path / "f.npz", "--out", tmp_path / "r.png")
    capsys.readouterr()
    code, said, err = minidino(*argv, capsys=capsys)
    assert code == 0, err
    told = f"none of the 69 pictures of {tmp_path / 'f.npz'} is in {photos}; --data tells"
    assert said.startswith(told)
    assert f"left out, as it is the query where it was: {photos / 'a/10.png'}\n" in said
    assert f"1.000  {photos / 'b/10.png'}\n" in said and "1.000  " + str(photos / "a") not in said


def test_no_sheet_of_an_earlier_call_is_taken_for_this_ones(weights, photos, tmp_path, capsys):
    argv = ("retrieve", weights, "--duplicates", "--data", photos, "--out", tmp_path / "d.png")
    for threshold, words in (
        (0.999, "no sheet was written\n"),
        (-1, "wrote"),
        (0.999, "is of an earlier call"),
    ):
        code, said, err = minidino(*argv, "--threshold", threshold, capsys=capsys)
        assert code == 0 and words in said, err


def test_the_query_by_other_names_takes_nobodys_place(weights, photos, tmp_path, capsys):
    query = photos / "b/21.png"
    for name in ("again.png", "once more.png"):
        (photos / name).symlink_to(query)
    embed(load_trained(weights), photos, tmp_path / "f.npz")
    capsys.readouterr()
    argv = ("retrieve", weights, query, "--k", 3, "--out", tmp_path / "r.png")
    code, said, _ = minidino(*argv, "--index", tmp_path / "f.npz", capsys=capsys)
    assert code == 0 and len(said.splitlines()) == 3 + 1, said
    assert "again" not in said and "more" not in said


def test_duplicates_of_a_folder_and_of_an_index(weights, photos, tmp_path, capsys):
    picture = Image.open(photos / "a/10.png")
    picture.save(photos / "a/10.again.png")
    pixels = np.array(picture) // 4 * 4 + 2
    Image.fromarray(pixels).save(photos / "b/edited.png")
    out = tmp_path / "d.png"
    argv = ("retrieve", weights, "--duplicates", "--threshold", 0.9, "--out", out)
    code, said, err = minidino(*argv, "--data", photos, capsys=capsys)
    assert code == 0, err
    pairs = [line.split()[1:] for line in said.splitlines() if line[:2] in ("0.", "1.")]
    names = {frozenset(Path(p).name for p in pair) for pair in pairs}
    copies = ["10.png", "10.again.png", "edited.png"]
    assert names == {frozenset(copies) - {name} for name in copies}
    assert "3 pairs among 70 pictures" in said and Image.open(out).width > 300
    embed(load_trained(weights), photos, tmp_path / "f.npz")
    capsys.readouterr()
    code, again, _ = minidino(*argv, "--index", tmp_path / "f.npz", capsys=capsys)
    assert [x for x in again.splitlines() if x[:2] in ("0.", "1.")] == [
        x for x in said.splitlines() if x[:2] in ("0.", "1.")
    ]


MISTAKES = {
    "no such suffix": (["embed", "W", "--data", "photos", "--out", "x.pt"], ".npz or .csv"),
    "patches in a table": (
        ["embed", "W", "--data", "photos", "--out", "x.csv", "--patches"], "too many for .csv"),
    "too many layers": (
        ["embed", "W", "--data", "photos", "--out", "x.npz", "--layers", "4"], "has 3"),
    "fewer than no layers": (
        ["embed", "W", "--data", "photos", "--out", "x.npz", "--layers", "-1"], "has 3"),
    "no multiple": (
        ["embed", "W", "--data", "photos", "--out", "x.npz", "--size", "30"], "multiple of the"),
    "no size": (["embed", "W", "--data", "photos", "--out", "x.npz", "--size", "0"], "--size is 0"),
    "fewer than no workers": (
        ["embed", "W", "--data", "photos", "--out", "x.npz", "--workers", "-1"], "at least 0"),
    "no folder": (["embed", "W", "--data", "gone", "--out", "x.npz"], "no picture or folder"),
    "no pictures": (["embed", "W", "--data", "empty", "--out", "x.npz"], "no pictures in empty"),
    "none readable": (["embed", "W", "--data", "bad", "--out", "x.npz"], "none of the 1 pictures"),
    "it is there": (["embed", "W", "--data", "photos", "--out", "f.npz"], "f.npz is there"),
    "parts in the way": (
        ["embed", "W", "--data", "photos", "--out", "mine.npz"], "not of an index"),
    "begun otherwise": (
        ["embed", "W", "--data", "photos", "--out", "begun.npz"], "begun with other layers"),
    "others' index": (
        ["retrieve", "minidino_things", "photos/b/21.png", "--index", "f.npz"], "of other weights"),
    "no index": (["retrieve", "W", "photos/b/21.png", "--index", "gone.npz"], "no file of feat"),
    "not an index": (["retrieve", "W", "photos/b/21.png", "--index", "other.npz"], "no file of f"),
    "cut short": (["retrieve", "W", "photos/b/21.png", "--index", "cut.npz"], "no file of feat"),
    "a table": (["retrieve", "W", "photos/b/21.png", "--index", "f.csv"], "no file of features"),
    "read otherwise": (
        ["retrieve", "W", "photos/b/21.png", "--index", "f.npz", "--fit", "pad"], "otherwise"),
    "nowhere to look": (["retrieve", "W", "photos/b/21.png"], "give --data"),
    "nothing to look for": (["retrieve", "W", "--data", "photos"], "give the picture"),
    "both": (["retrieve", "W", "photos/b/21.png", "--duplicates", "--data", "photos"], "leave out"),
    "a cosine for a query": (["retrieve", "W", "photos/b/21.png", "--data", "photos",
                              "--threshold", "0.5"], "--threshold is for --duplicates"),
    "so many pairs": (
        ["retrieve", "W", "--duplicates", "--data", "photos", "--k", "5"], "--k is for a query"),
    "one picture": (["retrieve", "W", "--duplicates", "--data", "one"], "no two pictures in one"),
    "no cosine": (
        ["retrieve", "W", "--duplicates", "--data", "photos", "--threshold", "2"], "--threshold"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_line(name, weights, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "bad", "one", "begun.npz.parts", "mine.npz.parts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine.npz.parts/list.txt").write_text("of a person")
    (tmp_path / "bad/a.png").write_bytes(b"x")
    Image.new("RGB", (9, 9)).save(tmp_path / "one/a.png")
    embed(load_trained(weights), photos, tmp_path / "f.npz")
    np.savez(tmp_path / "other.npz", cls=np.zeros((2, 3)))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "f.npz").read_bytes()[:5000])
    (tmp_path / "f.csv").write_text("name,cls_0\n")
    if name == "begun otherwise":
        monkeypatch.setattr(indexing.Parts, "join", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            embed(load_trained(weights), photos, tmp_path / "begun.npz", layers=1)
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
    argv, words = MISTAKES[name]
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    capsys.readouterr()
    code, _, err = minidino(*[str(weights) if a == "W" else a for a in argv], capsys=capsys)
    said = [line for line in err.splitlines() if line.startswith("minidino: ")]
    assert code == 2 and len(said) == 1 and words in said[0], err
    assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before


def test_the_written_file_is_numpys_own(weights, photos, tmp_path):
    """Stored, not packed, so that it can be mapped; every array is whole."""
    embed(load_trained(weights), photos, tmp_path / "f.npz", patches=True)
    with zipfile.ZipFile(tmp_path / "f.npz") as archive:
        assert archive.testzip() is None
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
    assert load_index(tmp_path / "f.npz").features.shape == (68, 48)


# ------------------------------------------------------------------ near-copies


def test_average_precision_is_scikit_learns():
    rng = np.random.default_rng(0)
    for digits in (1, 2, 8):  # few digits make ties
        scores = rng.normal(size=500).round(digits)
        truth = rng.random(500) < 0.1 + 0.1 * (scores > 0)
        ours = average_precision(torch.tensor(scores), torch.tensor(truth))
        assert ours == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


def test_whitening_is_scikit_learns_where_no_ridge_matters(monkeypatch):
    monkeypatch.setattr("minidino.using.copies.RIDGE", 0.0)
    # Directions that vary unlike each other, and none so little that what is added counts.
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0)) @ torch.ones(5, 5).tril()
    theirs = PCA(whiten=True).fit_transform(x.double().numpy())
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    ours = whiten(x, of=x.repeat(10_000, 1)).numpy()  # of so many that nothing is added
    # Axes may be in another order and of another sign; cosines are not touched by that.
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=2e-4)


def test_pairs_are_all_that_reach_the_threshold(monkeypatch):
    x = torch.randn(2500, 6, generator=torch.Generator().manual_seed(0))
    cosines = (w := whiten(x)) @ w.T
    expected = {(i, j) for i, j in (cosines >= 0.98).nonzero().tolist() if i < j}
    found = find_copies(x, 0.98)
    assert {(p.first, p.second) for p in found} == expected and len(expected) > 50
    assert [p.cosine for p in found] == sorted((p.cosine for p in found), reverse=True)
    monkeypatch.setattr("minidino.using.copies.AT_MOST", 20)
    assert [p.cosine for p in find_copies(x, 0.98)] == [p.cosine for p in found[:20]]


def test_of_a_few_pictures_copies_stand_out_all_the_same():
    """Fewer pictures than numbers: full whitening would put all of them equally far apart."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(12, 96, generator=g)
    x[7] = x[2] + 0.01 * torch.randn(96, generator=g)
    (pair,) = find_copies(x)
    assert (pair.first, pair.second) == (2, 7) and pair.cosine > 0.99


def test_pictures_that_are_the_same_are_copies_if_there_are_no_others():
    """They are all at the mean, but for rounding, and have no direction from there."""
    g = torch.Generator().manual_seed(0)
    for n in (2, 3, 4, 40):
        x = torch.randn(1, 96, generator=g) * (1 + 1e-7 * torch.randn(n, 96, generator=g))
        found = find_copies(x)
        assert {(p.first, p.second) for p in found} == {(i, j) for j in range(n) for i in range(j)}
        assert all(p.cosine == 1 for p in found)
    a, b = torch.randn(2, 96, generator=g)  # two at the mean of two others
    (pair,) = find_copies(torch.stack([a + b, a, a, a - b]))
    assert (pair.first, pair.second, pair.cosine) == (1, 2, 1)
    assert not find_copies(torch.randn(2, 96, generator=g))


def thumbnails(pictures) -> torch.Tensor:
    small = [np.asarray(picture.resize((8, 8), Image.Resampling.BOX)) for picture in pictures]
    return torch.tensor(np.stack(small)).flatten(1).float()


def test_copies_are_found_by_what_knows_them_and_not_by_chance():
    images = ThingsOnStuff(60, 60, seed=5).images
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    made = make_copies(pictures[0], random.Random(0))
    assert 0.49 * 60 < made["crop"].width < 0.81 * 60 and made["rotation"].width > 60
    assert made["jpeg"].size == made["text"].size == (60, 60)
    written = (np.asarray(made["text"]) != np.asarray(pictures[0])).any(axis=2).mean()
    assert 0.02 < written < 0.5
    found = copy_detection(thumbnails, pictures, copied=30)
    assert set(found) == {"crop", "jpeg", "rotation", "text", "all", "precision", "recall"}
    assert found["jpeg"] > 0.95 and found["jpeg"] > found["rotation"] + 0.2
    g = torch.Generator().manual_seed(0)
    chance = copy_detection(lambda some: torch.randn(len(some), 20, generator=g), pictures, 30)
    assert all(value < 0.1 for value in chance.values())


def test_copy_detection_by_hand():
    """Crops and JPEGs have their picture's feature, turned ones another's, text the opposite."""
    x = torch.randn(40, 200, generator=torch.Generator().manual_seed(0))
    answers = iter([x, x[:10], x[:10], x[1:11], -x[:10]])
    pictures = [Image.new("RGB", (20, 20))] * 40
    found = copy_detection(lambda _: next(answers), pictures, copied=10)
    assert found["crop"] == found["jpeg"] == 1 and found["rotation"] < 0.5 and found["text"] < 0.1
    assert found["precision"] == pytest.approx(2 / 3) and found["recall"] == 0.5


MEMORY = """
import resource, sys
from pathlib import Path
from minidino.using import index
from minidino.using.embed import embed
from minidino.weights.pretrained import load_trained

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def run(name, photos):
    embed(trained, photos, Path(f"{name}.npz"), size=128, patches=True, workers=0)
    return peak()

trained = load_trained("w.safetensors")
index.PART_BYTES = 2**20
few = run("few", Path("photos/few"))
many = run("many", Path("photos"))
index.PART_BYTES, index.PART_SECONDS = 2**40, 1e9  # everything waits for the end
print("KIB", many - few, run("waiting", Path("photos")) - many)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="counts memory as Linux does")
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    """The 860 more have 80 MiB of patches."""
    torch.manual_seed(0)
    vit = VisionTransformer(32, 8, embed_dim=192, depth=1, num_heads=3)
    export_backbone(vit, "safetensors", tmp_path / "w.safetensors")
    (tmp_path / "photos/few").mkdir(parents=True)
    Image.new("RGB", (16, 16), "red").save(tmp_path / "photos/few/0.png")
    for i in range(1, 900):
        shutil.copy(tmp_path / "photos/few/0.png", tmp_path / f"photos/{'few/' * (i < 40)}{i}.png")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown, waiting = (int(n) / 1024 for n in done.stdout.split("KIB")[1].split())
    assert grown < 20, f"{grown} MiB"
    assert waiting > 40, f"{waiting} MiB: this test would not have seen it"
