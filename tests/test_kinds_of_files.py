"""Files that are called weights: read by what is in them, or told what they are."""

import argparse
import datetime
import gzip
import io
import os
import pickle
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import omegaconf
import pytest
import torch
from safetensors.torch import save_file
from test_pretrained import same_features, timm_vit

from minidino import cli
from minidino.errors import UserError
from minidino.weights.pretrained import load_pretrained

WEIGHTS = timm_vit(num_classes=0).state_dict()


def same(path):
    same_features(load_pretrained(path), timm_vit(num_classes=0))


# ------------------------------------------------------------------ what the suffix does not say


@pytest.mark.parametrize("name", ["w.pth", "w.bin", "w.ckpt", "w"])
def test_safetensors_by_any_name(tmp_path, name):
    save_file(WEIGHTS, tmp_path / name)
    same(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorchs_own_by_the_name_of_the_other(tmp_path, zipped):
    file = tmp_path / "w.safetensors"
    torch.save(WEIGHTS, file, _use_new_zipfile_serialization=zipped)
    same(file)


# ------------------------------------------------------------------ what holds no weights


def torchscript(path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


def tar(path):
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("w.pth"), io.BytesIO())


OTHER = {
    "a pointer": (
        lambda path: path.write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 9\n"
        ),
        "git lfs pull",
    ),
    "a page": (lambda path: path.write_text("\n<!DOCTYPE html><title>Quota</title>"), "a web page"),
    "an answer": (lambda path: path.write_text('<?xml version="1.0"?><Error/>'), "a web page"),
    "gz": (lambda path: path.write_bytes(gzip.compress(b"weights")), "unpack it"),
    "tar": (tar, "unpack it"),
    "h5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "HDF5"),
    "an index": (lambda path: path.write_text('{"weight_map": {}}'), "it is JSON"),
    "onnx": (lambda path: path.write_bytes(b"\x08\x0a\x12\x07pytorch" + bytes(99)), "ONNX's"),
    "npz": (lambda path: np.savez(path.open("wb"), kernel=np.ones(2)), "NumPy's"),
    "a program": (torchscript, "a TorchScript program"),
    "protocol 4": (lambda path: torch.save(WEIGHTS, path, pickle_protocol=4), "protocol 4, which"),
    "a bare pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1}, 5)), "protocol 5,"),
}


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("name", OTHER)
def test_something_else_in_the_place_of_weights_is_called_by_its_name(
    tmp_path, monkeypatch, capsys, name, suffix
):
    write, words = OTHER[name]
    monkeypatch.chdir(tmp_path)
    write(Path(f"w.{suffix}"))
    capsys.readouterr()
    assert cli.main(["knn", f"w.{suffix}", "--data", "things"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and words in said and "cut short" not in said


# ------------------------------------------------------------------ code of its own beside weights


class Settings(dict):
    """As mmengine's and many others': a dictionary of a kind of its own."""


class Calls:
    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


BESIDE = {
    "hydra": omegaconf.OmegaConf.create({"lr": 0.1, "sizes": [224, 96], "more": {"a": None}}),
    "a folder": Path("runs"),
    "a date": datetime.datetime(2024, 1, 2),
    "statistics": np.arange(3.0),
    "random numbers": np.random.default_rng(0),
    "settings": Settings(lr=0.1),
    "a function": print,
    "a module": torch.nn.Linear(2, 2),
    "a namespace of such": argparse.Namespace(out=Path("runs")),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_needs_code_is_left_out_and_told(tmp_path, capsys, name):
    torch.save({"state_dict": WEIGHTS, "hyper_parameters": BESIDE[name]}, tmp_path / "w.ckpt")
    with pytest.raises(pickle.UnpicklingError):  # what PyTorch itself says to it
        torch.load(tmp_path / "w.ckpt", weights_only=True)
    same(tmp_path / "w.ckpt")
    assert "left out, as it needs code of its own (nothing in it was run): " in (
        capsys.readouterr().err
    )


def test_weights_in_a_dictionary_of_another_kind(tmp_path):
    torch.save(Settings(model=Settings(WEIGHTS)), tmp_path / "w.pth")
    same(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "content", [timm_vit(), {k: v.numpy() for k, v in WEIGHTS.items()}], ids=["module", "arrays"]
)
def test_where_all_is_left_out_it_is_told_what_to_save(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"no weights .* but in \w+\..*; where .* state_dict\(\)"):
        load_pretrained(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (np.save, ("exploded", 1)),
        (np.fromfile, ("w.pth",)),
        (re.compile, ("(",)),
        (subprocess.call, (["touch", "exploded"],)),
        (eval, ("open('exploded', 'w')",)),
    ],
)
def test_nothing_in_a_file_is_called(tmp_path, monkeypatch, function, arguments):
    monkeypatch.chdir(tmp_path)
    torch.save({"teacher": WEIGHTS, "args": Calls(function, *arguments)}, "w.pth")
    same("w.pth")
    assert os.listdir() == ["w.pth"]


def test_what_could_end_a_system_is_refused_all_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"teacher": WEIGHTS, "args": Calls(os.mkdir, "exploded")}, "w.pth")
    with pytest.raises(UserError, match=rf"plain values: {os.mkdir.__module__}\.mkdir \(nothing"):
        load_pretrained("w.pth")
    assert os.listdir() == ["w.pth"]


def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    def closed(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    torch.save(WEIGHTS, tmp_path / "w.pth")
    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(UserError, match=r"w.pth is not a readable checkpoint: Permission denied"):
        load_pretrained(tmp_path / "w.pth")
