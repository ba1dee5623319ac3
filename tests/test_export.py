"""Exports against the libraries they are for."""

import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import minidino.weights.pretrained
from minidino import cli, extract_features
from minidino.config import Reading
from minidino.data.pictures import decode_square
from minidino.errors import UserError
from minidino.trainer import Trainer
from minidino.vit import VisionTransformer
from minidino.weights.export import TARGETS, export_backbone, not_kept
from minidino.weights.pretrained import load_pretrained, load_trained

NAMED = [to for to in TARGETS if to != "onnx"]  # keep the names of parameters; see test_onnx.py


@pytest.fixture
def backbone():
    """Sizes of which no two are equal; no bias at 0 and no gain at 1."""
    torch.manual_seed(0)
    vit = VisionTransformer(40, 8, embed_dim=48, depth=3, num_heads=4, mlp_ratio=2.5)
    with torch.no_grad():
        for p in vit.parameters():
            p.add_(torch.randn_like(p), alpha=0.05)
    return vit.eval()


def images(side=40):
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_safetensors_comes_back_the_same(backbone, tmp_path):
    export_backbone(backbone, "safetensors", tmp_path / "deep/er/w.safetensors")
    back = load_pretrained(tmp_path / "deep/er/w.safetensors")
    assert (back.num_heads, back.patch_size, back.image_size) == (4, 8, 40)
    assert all(torch.equal(v, back.state_dict()[k]) for k, v in backbone.state_dict().items())
    assert torch.equal(back(images()), backbone(images()))


@pytest.mark.parametrize(("told", "used"), [(None, 40), (56, 56), (57, 40), (-8, 40), (99999, 40)])
def test_safetensors_tells_the_size_to_evaluate(backbone, tmp_path, told, used):
    """A size that cannot be is as if it were not told."""
    export_backbone(backbone, "safetensors", tmp_path / "w.safetensors", told)
    assert load_trained(tmp_path / "w.safetensors").eval_size == used


READINGS = [
    Reading(),
    Reading(fit="pad", range="0.0,4095.0"),
    Reading(fit="keep", keep_truncated=True, group_by="clip\\d+"),
]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("to", NAMED)
def test_an_export_tells_how_its_pictures_were_read(backbone, tmp_path, to, reading):
    """Other pictures would come of the same files, and other scores of the same weights."""
    out = tmp_path / "w.safetensors"
    export_backbone(backbone, to, out, 56, reading)
    back = load_trained(out)
    assert (back.reading, back.eval_size, back.notes) == (reading, 56, ())


@pytest.mark.parametrize("told", ["pad", "[1]", '{"fit": "round"}', '{"lens": 3}'])
def test_a_reading_that_cannot_be_understood_is_told(backbone, tmp_path, told):
    weights = {k: v.contiguous() for k, v in backbone.state_dict().items()}
    save_file(weights, tmp_path / "w.safetensors", {"num_heads": "4", "reading": told})
    back = load_trained(tmp_path / "w.safetensors")
    assert back.reading == Reading()
    assert len(back.notes) == 1 and "cannot be understood" in back.notes[0]


@torch.no_grad()
def test_timm_loads_it_strictly(backbone, tmp_path):
    out = tmp_path / "w.safetensors"
    export_backbone(backbone, "timm", out)
    sizes = {"img_size": 40, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4}
    theirs = timm.create_model("vit_small_patch16_224", num_classes=0, mlp_ratio=2.5, **sizes)
    theirs.load_state_dict(load_file(out), strict=True)
    close(theirs.eval()(images()), backbone(images()))
    assert torch.equal(load_pretrained(out)(images()), backbone(images()))


@torch.no_grad()
def test_transformers_loads_it(backbone, tmp_path):
    out = tmp_path / "hf"
    export_backbone(backbone, "huggingface", out)
    theirs, about = transformers.ViTModel.from_pretrained(
        out, add_pooling_layer=False, output_loading_info=True
    )
    assert not any(about[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    close(theirs.eval()(images()).last_hidden_state, backbone.forward_features(images()))
    wide = theirs(images(64), interpolate_pos_encoding=True).last_hidden_state
    close(wide, backbone.forward_features(images(64)))
    assert torch.equal(load_pretrained(out)(images()), backbone(images()))


@torch.no_grad()
@pytest.mark.parametrize("to", NAMED)
def test_command_exports_the_teacher_and_says_how_to_load_it(
    tiny_config, tmp_path, monkeypatch, capsys, to
):
    monkeypatch.chdir(tmp_path)
    state = Trainer(tiny_config, 6, torch.device("cpu")).state_dict()
    state["teacher"]["backbone.norm.bias"] = torch.full((48,), 3.0)
    torch.save(state | {"format": "minidino-1"}, "checkpoint.pt")
    assert cli.main(["export", ".", "--to", to]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"wrote {TARGETS[to]}; load it with: ")
    call, *more = said.split("load it with: ")[1].splitlines()
    assert ("--size 60" in more[0]) if to == "timm" else not more
    libraries = {"timm": timm, "transformers": transformers, "minidino": minidino}
    model = eval(call, libraries).eval()
    assert (model.state_dict()["layernorm.bias" if to == "huggingface" else "norm.bias"] == 3).all()
    ours, x = load_pretrained("."), images(60 if to == "huggingface" else 36)
    theirs = model(x).last_hidden_state[:, 0] if to == "huggingface" else model(x)
    close(theirs, ours(x))


@torch.no_grad()
def test_foreign_weights_can_be_exported(tmp_path):
    torch.manual_seed(0)
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32, depth=2).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    out = tmp_path / "hf"
    argv = ["export", str(tmp_path / "w.pth"), "--to", "huggingface", "--out", str(out)]
    assert cli.main(argv) == 0
    hf = transformers.ViTModel.from_pretrained(out, add_pooling_layer=False).eval()
    close(hf(images(32)).last_hidden_state[:, 0], theirs(images(32)))


ODD = [
    {"patch_size": 7, "image_size": 21, "embed_dim": 36, "num_heads": 3, "mlp_ratio": 2.34},
    {"patch_size": 14, "image_size": 28, "embed_dim": 48, "num_heads": 1, "mlp_ratio": 100.5 / 48},
    {"patch_size": 4, "image_size": 4, "embed_dim": 22, "num_heads": 11, "mlp_ratio": 15.5 / 22},
    {"patch_size": 32, "image_size": 64, "embed_dim": 130, "num_heads": 2, "depth": 13},
]


@torch.no_grad()
@pytest.mark.parametrize("sizes", ODD)
def test_the_printed_timm_line_loads_any_sizes(tmp_path, monkeypatch, capsys, sizes):
    monkeypatch.chdir(tmp_path)
    vit = VisionTransformer(**({"depth": 1} | sizes)).eval()
    heads, folder = vit.num_heads, Path('it\'s "odd"')
    export_backbone(vit, "safetensors", Path("w.safetensors"))
    argv = ["export", "w.safetensors", "--to", "timm", "--out", str(folder / "t.safetensors")]
    assert cli.main(argv) == 0
    theirs = eval(capsys.readouterr().out.split("load it with: ")[1], {"timm": timm}).eval()
    assert theirs.blocks[0].attn.num_heads == heads
    close(theirs(images(vit.image_size)), vit(images(vit.image_size)))


@torch.no_grad()
@pytest.mark.parametrize("side, fit", [(40, "square"), (56, "square"), (56, "keep")])
@pytest.mark.parametrize("size, tol", [((40, 40), 1e-4), ((90, 90), 0.02), ((97, 131), 0.02)])
def test_the_huggingface_folder_brings_its_own_preprocessing(
    backbone, tmp_path, size, tol, side, fit
):
    """To rounding of bytes where it resizes, and a part of a pixel where it crops."""
    out, file = tmp_path / "hf", tmp_path / "picture.png"
    export_backbone(backbone, "huggingface", out, side, Reading(fit=fit))
    tol = 0.02 if side != 40 else tol
    height, width = size
    y, x = np.mgrid[:height, :width]
    colors = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin(x / 9)], axis=-1)
    Image.fromarray(colors.astype(np.uint8)).save(file)
    ours = extract_features(backbone, decode_square(file, side, Reading(fit=fit))[None])[0]

    picture = Image.open(file)
    pixels = transformers.AutoImageProcessor.from_pretrained(out)(picture, return_tensors="pt")
    assert pixels.pixel_values.shape == (1, 3, side, side)
    pipeline = transformers.pipeline("image-feature-extraction", model=str(out), device="cpu")
    rows = torch.tensor(pipeline(str(file)))[0]  # (1 + patches, 48)
    assert (rows[0] - ours).abs().max() < tol * ours.abs().max()


@pytest.mark.parametrize(
    ("to", "size", "reading", "said"),
    [
        ("safetensors", 56, READINGS[1], None),
        ("huggingface", 56, READINGS[2], None),
        ("huggingface", 56, READINGS[1], "--fit pad, --range 0.0,4095.0"),
        ("timm", 56, READINGS[1], "--size 56, --fit pad, --range 0.0,4095.0"),
        ("onnx", 40, READINGS[2], "--fit keep"),
        ("onnx", 40, READINGS[0], None),
    ],
)
def test_what_an_export_cannot_hold_is_said(backbone, to, size, reading, said):
    line = not_kept(backbone, to, size, reading)
    assert line is None if said is None else f" by {said};" in line


# ------------------------------------------------------------------ mistakes


def test_what_exists_is_kept(backbone, tmp_path):
    for out in (tmp_path, tmp_path / "w.pth"):
        if out != tmp_path:
            out.write_text("mine")
        with pytest.raises(UserError, match="exists and is kept"):
            export_backbone(backbone, "timm", out)
    assert (tmp_path / "w.pth").read_text() == "mine"


def test_a_write_that_fails_leaves_nothing(backbone, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    def full_too(*_):
        raise SafetensorError("No space left on device")

    for name, failure in [("minidino.weights.export.save_tensors", full_too), ("os.replace", full)]:
        for to in NAMED:
            with monkeypatch.context() as patch:
                patch.setattr(name, failure)
                with pytest.raises(UserError, match=r"cannot write .*No space left"):
                    export_backbone(backbone, to, tmp_path / "out.safetensors")
            assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("to", NAMED)
def test_whoever_may_read_the_folder_may_read_the_weights(backbone, tmp_path, to):
    export_backbone(backbone, to, tmp_path / "w.safetensors")
    Path(tmp_path / "beside").touch()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {oct(file.stat().st_mode) for file in files} == {oct(files[-1].stat().st_mode)}


def test_a_name_that_no_library_would_read_is_refused(backbone, tmp_path):
    for to in ("timm", "safetensors"):
        with pytest.raises(UserError, match=r"w.bin: a name ends in .safetensors"):
            export_backbone(backbone, to, tmp_path / "w.bin")
    assert os.listdir(tmp_path) == []


def test_an_unknown_target_names_the_known(backbone, tmp_path, capsys):
    with pytest.raises(UserError, match="safetensors, timm, huggingface"):
        export_backbone(backbone, "keras", tmp_path / "w")
    assert cli.main(["export", str(tmp_path), "--to", "keras"]) == 2
    err = capsys.readouterr().err
    assert "keras" in err and len(err.splitlines()) == 1


def test_nothing_to_export(tmp_path, capsys):
    assert cli.main(["export", str(tmp_path / "none"), "--to", "timm"]) == 2
    assert "no checkpoint at" in capsys.readouterr().err
