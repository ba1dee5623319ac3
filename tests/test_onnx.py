"""The backbone in what traces and exports PyTorch's programs, and in an ONNX file."""

import importlib.util
import warnings

import numpy as np
import pytest
import timm
import torch

from minidino import cli
from minidino.vit import VisionTransformer
from minidino.weights.export import export_backbone


def images(height, width, n=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, height, width, generator=generator)


def vit(num_heads=4):
    """Sizes of which no two are equal; heads of 12 take the way of narrow heads on a CPU."""
    torch.manual_seed(0)
    vit = VisionTransformer(40, 8, embed_dim=48, depth=2, num_heads=num_heads, mlp_ratio=2.5)
    with torch.no_grad():
        for p in vit.parameters():
            p.add_(torch.randn_like(p), alpha=0.05)
    return vit.eval()


@torch.no_grad()
@pytest.mark.parametrize("num_heads", [1, 4])
def test_the_backbone_can_be_traced_and_exported(num_heads):
    """For the size of the example; other pictures than it give other numbers, the right ones."""
    model = vit(num_heads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(model, images(40, 40))
    exported = torch.export.export(model, (images(40, 40),)).module()
    x = -images(40, 40)
    for other in (traced, exported):
        torch.testing.assert_close(other(x), model(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("num_heads", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_onnx_takes_any_batch_height_and_width(tmp_path, monkeypatch, capsys, num_heads):
    """Against timm's network of the same weights, which interpolates nothing at its own size."""
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"ONNX files are written with {package}")
    runtime = pytest.importorskip("onnxruntime", reason="ONNX files are run with onnxruntime")
    monkeypatch.chdir(tmp_path)
    model = vit(num_heads)
    export_backbone(model, "safetensors", tmp_path / "w.safetensors")
    assert cli.main(["export", "w.safetensors", "--to", "onnx"]) == 0
    said, err = capsys.readouterr()
    assert said.startswith("wrote minidino.onnx; load it with: ") and said.count("\n") == 1
    assert err == ""
    session = eval(said.split("load it with: ")[1], {"onnxruntime": runtime})
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    sizes = {"img_size": 40, "patch_size": 8, "embed_dim": 48, "depth": 2, "mlp_ratio": 2.5}
    theirs = timm.create_model(
        "vit_small_patch16_224", num_classes=0, num_heads=num_heads, **sizes
    ).eval()
    theirs.load_state_dict(model.state_dict())
    for height, width, n in [(40, 40, 1), (40, 40, 3), (24, 64, 2), (8, 8, 5)]:
        x = images(height, width, n)
        expected = theirs(x) if height == width == 40 else model(x)
        (features,) = session.run(None, {"images": x.numpy()})
        np.testing.assert_allclose(features, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_without_the_packages_one_line_says_which(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "onnx" in name else find_spec(name)
    )
    assert cli.main(["export", "minidino_things", "--to", "onnx", "--out", "w.onnx"]) == 2
    err = capsys.readouterr().err
    assert (
        err.splitlines()[-1].endswith("pip install onnx onnxscript") and len(err.splitlines()) == 1
    )
    assert list(tmp_path.iterdir()) == []
