"""Retrieval against scikit-learn, and the command on pictures whose likeness is known."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from minidino import cli
from minidino.run.checkpoint import save_checkpoint
from minidino.trainer import Trainer
from minidino.using.retrieve import find_neighbours, nearest
from minidino.vit import VisionTransformer


def test_nearest_are_scikit_learns():
    g = torch.Generator().manual_seed(0)
    bank = torch.randn(200, 8, generator=g) * torch.rand(200, 1, generator=g).mul(9)
    theirs = NearestNeighbors(n_neighbors=12, metric="cosine").fit(bank.numpy())
    for query in torch.randn(5, 8, generator=g):
        cosines, rows = nearest(query, bank, 12)
        distances, expected = theirs.kneighbors(query[None].numpy())
        assert rows.tolist() == expected[0].tolist()
        np.testing.assert_allclose(cosines.numpy(), 1 - distances[0], atol=1e-5)


def test_nearest_gives_no_more_than_there_are():
    assert nearest(torch.ones(3), torch.ones(2, 3), 9)[0].shape == (2,)


@pytest.fixture
def colours(tmp_path):
    """Reds, greens and blues, a folder each, their shade and size varying."""
    for c, name in enumerate(("red", "green", "blue")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.full((40 + 7 * i, 60, 3), 20 + 5 * i, np.uint8)
            pixels[..., c] = 220 - 10 * i
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


def test_pictures_of_a_colour_find_each_other_and_not_themselves(colours, capsys):
    torch.manual_seed(0)
    model = VisionTransformer(32, 8, embed_dim=48, depth=1, num_heads=2).eval()
    (colours / "red" / "broken.png").write_bytes(b"x")
    files = sorted(colours.rglob("*.png"))
    for name in ("red", "green", "blue"):
        query = colours / name / "1.png"
        found = find_neighbours(model, query, files, 32, 3)
        assert {n.file for n in found} == {colours / name / f"{i}.png" for i in (0, 2, 3)}
        assert [n.cosine for n in found] == sorted((n.cosine for n in found), reverse=True)
    assert "broken.png" in capsys.readouterr().out


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


def test_command_prints_and_draws(run, colours, tmp_path, capsys):
    query = colours / "blue" / "0.png"
    before = query.read_bytes()
    code, out, err = minidino("retrieve", run, query, "--data", colours, "--k", 5, capsys=capsys)
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) == 6 and lines[-1] == f"wrote {run / 'retrieve.png'}"
    assert float(lines[0].split()[0]) <= 1.0 and lines[0].endswith(".png")
    assert str(query) not in out
    assert Image.open(run / "retrieve.png").width > 500
    assert query.read_bytes() == before
    code, _, _ = minidino(
        "retrieve", run, query, "--data", colours, "--out", tmp_path / "a/x.png", capsys=capsys
    )
    assert code == 0 and (tmp_path / "a/x.png").exists()


def test_a_query_of_12_bits_is_scaled_by_a_range_that_is_said(run, colours, tmp_path, capsys):
    """Its values reach 2047; with 0 to 4095 as black and white it is as in 8 bits, 16 to one."""
    values = np.random.default_rng(0).integers(0, 2048, (50, 50)).astype(np.uint16)
    values[0, :2] = 0, 2047
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray((values >> 4).astype(np.uint8)).save(tmp_path / "bytes.png")
    argv = ["embed", run, "--data", colours, "--out", tmp_path / "f.npz"]
    assert minidino(*argv, capsys=capsys)[0] == 0
    for among in (("--data", colours), ("--index", tmp_path / "f.npz")):
        found = {}
        for query, more in (("bytes", ()), ("deep", ("--range", "0,4095")), ("deep", ())):
            argv = ["retrieve", run, tmp_path / f"{query}.png", *among, *more]
            code, said, err = minidino(*argv, capsys=capsys)
            assert code == 0, err
            found[query, *more] = [line for line in said.splitlines() if line[1] == "."]
            told = [line for line in said.splitlines() if "8 bits" in line]
            assert len(told) == (query == "deep")
            assert not told or f"0 becomes black, {4095 if more else 2047} white" in told[0]
        assert found["deep", "--range", "0,4095"] == found["bytes",]
    # Where the index's pictures had a range of their own there is no other for the query.
    argv = ["embed", run, "--data", tmp_path / "deep.png", "--out", tmp_path / "deep.npz"]
    assert minidino(*argv, capsys=capsys)[0] == 0
    argv = ["retrieve", run, tmp_path / "deep.png", "--index", tmp_path / "deep.npz"]
    code, _, err = minidino(*argv, "--range", "0,4095", capsys=capsys)
    assert code == 2 and "were read otherwise" in err


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_folder_of_one_picture_many_times_is_all_copies(count, run, colours, tmp_path, capsys):
    (tmp_path / "same").mkdir()
    for i in range(count):
        shutil.copy(colours / "red/0.png", tmp_path / f"same/{i}.png")
    argv = ["embed", run, "--data", tmp_path / "same", "--out", tmp_path / "f.npz"]
    assert minidino(*argv, capsys=capsys)[0] == 0
    for where in (("--data", tmp_path / "same"), ("--index", tmp_path / "f.npz")):
        code, said, err = minidino("retrieve", run, *where, "--duplicates", capsys=capsys)
        pairs = count * (count - 1) // 2
        assert code == 0 and f"{pairs} pairs among {count} pictures" in said, err
        assert said.count("1.000  ") == pairs


MISTAKES = {
    "no query": (["RUN", "X/none.png", "--data", "X"], "no picture at"),
    "no folder": (["RUN", "X/red/0.png", "--data", "X/none"], "not a folder"),
    "empty folder": (["RUN", "X/red/0.png", "--data", "EMPTY"], "no pictures in"),
    "the query alone": (["RUN", "ALONE/a.png", "--data", "ALONE"], "no pictures in"),
    "unreadable query": (["RUN", "BAD/a.png", "--data", "X"], "cannot read the query"),
    "nothing readable": (["RUN", "X/red/0.png", "--data", "BAD"], "could be read"),
    "no checkpoint": (["NONE", "X/red/0.png", "--data", "X"], "no checkpoint at"),
    "no neighbours": (["RUN", "X/red/0.png", "--data", "X", "--k", "0"], "--k"),
    "over the query": (["RUN", "X/red/0.png", "--data", "X", "--out", "X/red/0.png"], "--out"),
    "over another": (["RUN", "X/red/0.png", "--data", "X", "--out", "X/red/1.png"], "--out"),
    "not a picture's name": (["RUN", "X/red/0.png", "--data", "X", "--out", "a.xyz"], "a.xyz"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_line(name, run, colours, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("EMPTY", "ALONE", "BAD"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "ALONE/a.png")
    (tmp_path / "BAD/a.png").write_bytes(b"x")
    run.rename(tmp_path / "RUN")
    colours.rename(tmp_path / "X")
    argv, words = MISTAKES[name]
    before = {f: f.read_bytes() for f in tmp_path.rglob("*.png")}
    code, _, err = minidino("retrieve", *argv, capsys=capsys)
    assert code == 2 and words in err
    assert err.startswith("minidino: ") and len(err.strip().splitlines()) == 1, err
    assert {f: f.read_bytes() for f in tmp_path.rglob("*.png")} == before
