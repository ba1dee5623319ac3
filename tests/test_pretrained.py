"""Weights from elsewhere against the libraries that made them, and every way they can be bad."""

import argparse
import http.server
import json
import os
import pickle
import threading
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from minidino import cli
from minidino.attention import score_attention
from minidino.config import recipe
from minidino.data import load_data
from minidino.errors import UserError
from minidino.evaluate import extract_features
from minidino.run.checkpoint import load_backbone, random_backbone
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.successors.vit_v3 import VisionTransformerV3
from minidino.train import train
from minidino.weights import pretrained
from minidino.weights.export import export_backbone
from minidino.weights.pretrained import RELEASED, Release, load_pretrained, load_trained

SIZES = {"patch_size": 8, "embed_dim": 128, "depth": 2, "num_heads": 2}


def shake(model):
    """No bias left at 0 and no gain at 1, where a mistake would not show."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator), alpha=0.05)
    return model.eval()


def timm_vit(name="vit_small_patch16_224.dino", **sizes):
    torch.manual_seed(0)
    return shake(timm.create_model(name, **({"img_size": 32} | SIZES | sizes)))


def huggingface_vit(heads=2, **extra):
    config = transformers.ViTConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=heads, intermediate_size=512,
        image_size=32, patch_size=8, **{"layer_norm_eps": 1e-6} | extra,
    )  # fmt: skip
    return shake(transformers.ViTModel(config, add_pooling_layer=False))


def images(side=32):
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def same_features(ours, theirs, side=32, tol=1e-5):
    """``theirs`` is a callable, images -> (B, D)."""
    assert not ours.training
    torch.testing.assert_close(ours(images(side)), theirs(images(side)), rtol=tol, atol=tol)


def cls_of(model):
    return lambda x: model(x).last_hidden_state[:, 0]


# ------------------------------------------------------------------ names and formats


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_timm_state_dict(tmp_path, suffix):
    theirs, file = timm_vit(), tmp_path / f"w{suffix}"
    (torch.save if suffix == ".pth" else save_file)(theirs.state_dict(), file)
    ours = load_pretrained(file)
    same_features(ours, theirs)
    sizes = (ours.image_size, ours.patch_size, ours.embed_dim, ours.depth, ours.num_heads)
    assert sizes == (32, 8, 128, 2, 2)


def test_a_classifier_on_top_and_another_mlp_ratio(tmp_path):
    theirs = timm_vit(num_classes=10, mlp_ratio=2.5)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    same_features(load_pretrained(tmp_path / "w.pth"), lambda x: theirs.forward_features(x)[:, 0])


@pytest.mark.parametrize("format", ["zip", "legacy"])
def test_full_official_checkpoint_gives_the_teacher(tmp_path, format):
    """Keys, prefixes and the Namespace of arguments are those of the official main_dino.py."""
    teacher, student = timm_vit(), timm_vit(depth=1)
    head = {"head.mlp.0.weight": torch.zeros(4, 128), "head.last_layer.weight_g": torch.ones(9, 1)}

    def network(model, prefix):
        weights = {f"backbone.{k}": v for k, v in model.state_dict().items()} | head
        return {f"{prefix}{k}": v for k, v in weights.items()}

    state = {
        "student": network(student, "module."),
        "teacher": network(teacher, ""),
        "optimizer": torch.optim.AdamW(student.parameters()).state_dict(),
        "epoch": 100,
        "args": argparse.Namespace(arch="vit_small", lr=0.0005),
        "dino_loss": {"center": torch.zeros(1, 9)},
    }
    file = tmp_path / "checkpoint0100.pth"
    torch.save(state, file, _use_new_zipfile_serialization=format == "zip")
    same_features(load_pretrained(file), teacher)
    torch.save({"student": state["student"]}, file)
    same_features(load_pretrained(file), student)


@pytest.mark.parametrize("safe", [True, False])
def test_huggingface_folder_and_file(tmp_path, safe):
    theirs = huggingface_vit()
    theirs.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    if not safe:
        torch.save(load_file(file), tmp_path / "pytorch_model.bin")
        file.unlink()
        file = tmp_path / "pytorch_model.bin"
    same_features(load_pretrained(tmp_path), cls_of(theirs))
    same_features(load_pretrained(file), cls_of(theirs))


def test_huggingface_names_in_memory_and_below_a_classifier(tmp_path):
    theirs = huggingface_vit()
    torch.save(theirs.state_dict(), tmp_path / "w.bin")
    same_features(load_pretrained(tmp_path / "w.bin"), cls_of(theirs))
    classifier = shake(transformers.ViTForImageClassification(theirs.config))
    classifier.save_pretrained(tmp_path / "c")
    same_features(load_pretrained(tmp_path / "c"), cls_of(classifier.vit))


def test_own_checkpoint_and_run(tiny_config, tmp_path):
    train(tiny_config, tmp_path / "run", progress=False)
    expected, config = load_backbone(tmp_path / "run")
    assert config.num_heads == 12  # of 4 numbers each: only the configuration tells
    for path in (tmp_path / "run", tmp_path / "run/checkpoint.pt"):
        trained = load_trained(path)
        same_features(trained.backbone, expected, side=36)
        assert (trained.eval_size, trained.data(None)) == (60, "things")
        assert trained.folder == tmp_path / "run"
        same_features(trained.random(), random_backbone(config), side=36, tol=0)
    with pytest.raises(UserError, match="12 attention heads, not 2"):
        load_pretrained(tmp_path / "run", num_heads=2)


def test_half_precision_becomes_single(tmp_path):
    theirs = timm_vit().half()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    same_features(load_pretrained(tmp_path / "w.pth"), theirs.float())


def test_what_others_note_in_a_file_is_no_damage(tmp_path):
    theirs = timm_vit()
    noted = {"image_size": "(224, 224)", "eval_size": "auto", "num_heads": "2"}
    save_file(theirs.state_dict(), tmp_path / "w.safetensors", noted)
    same_features(load_pretrained(tmp_path / "w.safetensors"), theirs)


# ------------------------------------------------------------------ the number of heads


def test_heads_of_64_unless_told_otherwise(tmp_path):
    theirs = timm_vit(num_heads=4)
    file = tmp_path / "w.pth"
    torch.save(theirs.state_dict(), file)
    assert load_pretrained(file).num_heads == 2
    same_features(load_pretrained(file, num_heads=4), theirs)
    with pytest.raises(UserError, match="does not divide into 3 heads"):
        load_pretrained(file, num_heads=3)
    for wrong in (0, -2):
        with pytest.raises(UserError, match=f"cannot have {wrong} attention heads"):
            load_pretrained(file, num_heads=wrong)


def test_heads_from_config_json_beside_the_file(tmp_path):
    theirs = huggingface_vit(heads=8)
    theirs.save_pretrained(tmp_path)
    same_features(load_pretrained(tmp_path), cls_of(theirs))
    with pytest.raises(UserError, match="8 attention heads, not 2"):
        load_pretrained(tmp_path, num_heads=2)
    torch.save(timm_vit(embed_dim=192, num_heads=3).state_dict(), tmp_path / "other.pth")
    assert load_pretrained(tmp_path / "other.pth").num_heads == 3  # the file is of another width


def test_a_width_that_tells_nothing_asks(tmp_path):
    theirs = timm_vit(embed_dim=96, num_heads=4)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"width 96 is no multiple of 64.*num_heads"):
        load_pretrained(tmp_path / "w.pth")
    (tmp_path / "config.json").write_text('{"num_attention_heads": 4, "hidden_size": 96}')
    same_features(load_pretrained(tmp_path / "w.pth"), theirs)


# ------------------------------------------------------------------ released names


@pytest.mark.parametrize(
    "name, architecture",
    [
        ("dino_vits16", "vit_small_patch16_224.dino"),
        ("dino_vits8", "vit_small_patch8_224.dino"),
        ("dino_vitb16", "vit_base_patch16_224.dino"),
        ("dino_vitb8", "vit_base_patch8_224.dino"),
    ],
)
def test_released_names_and_sizes(tmp_path, monkeypatch, name, architecture):
    """timm knows the same four files; its architecture of each, random weights, in the cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    theirs = timm.create_model(architecture).half()
    url = theirs.pretrained_cfg["url"] or timm.models.get_pretrained_cfg(architecture).url
    assert url == RELEASED[name].url
    file = tmp_path / "hub/checkpoints" / url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(theirs.state_dict(), file)
    ours = load_pretrained(name)
    assert ours.image_size == 224 and ours.num_heads == theirs.blocks[0].attn.num_heads
    if "8" not in name:  # 785 tokens take long
        same_features(ours, theirs.float(), side=224, tol=1e-4)


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, well or badly; counts how often."""

    def __init__(self, content):
        self.content, self.mood, self.asked = content, "good", 0
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked += 1
        if server.mood == "absent":
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        half = len(server.content) // 2
        self.wfile.write(server.content if server.mood == "good" else server.content[:half])
        if server.mood == "silent":
            self.wfile.flush()
            server.over.wait(20)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A released file by the name of ``dino_small``, and torch.hub's cache in a new folder."""
    torch.save(timm_vit().state_dict(), tmp_path / "weights")
    server = Server((tmp_path / "weights").read_bytes())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.cached = tmp_path / "home/hub/checkpoints/small.pth"

    def release(path="small.pth", **changes):
        sizes = {"patch_size": 8, "embed_dim": 128, "depth": 2} | changes
        url = f"http://127.0.0.1:{server.server_port}/{path}"
        monkeypatch.setitem(RELEASED, "dino_small", Release(url, **sizes))

    server.release = release
    release()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_once_then_from_the_cache(server, capsys):
    same_features(load_pretrained("dino_small"), timm_vit())
    assert "100%" in capsys.readouterr().err  # a progress bar
    assert server.cached.read_bytes() == server.content
    load_pretrained("dino_small")
    assert server.asked == 1


@pytest.mark.parametrize(
    "mood, words",
    [
        ("truncated", "sent was not kept, since the file is not a readable checkpoint"),
        ("absent", "could not download small.pth: .*[Nn]ot [Ff]ound"),
        ("silent", "could not download small.pth: .*timed out"),
    ],
)
def test_a_download_that_fails_leaves_nothing_and_says_what_to_do(server, monkeypatch, mood, words):
    server.mood = mood
    monkeypatch.setattr(pretrained, "TIMEOUT", 0.3)
    with pytest.raises(UserError, match=words) as error:
        load_pretrained("dino_small")
    url = RELEASED["dino_small"].url
    assert f"fetch {url} by other means and put it at {server.cached}" in str(error.value)
    assert list(server.cached.parent.iterdir()) == []
    server.mood = "good"
    load_pretrained("dino_small")


def test_offline_names_the_file_and_its_place(server, monkeypatch):
    monkeypatch.setitem(RELEASED, "dino_small", Release("http://127.0.0.1:9/small.pth", 8, 128, 2))
    with pytest.raises(UserError, match=r"refused; fetch http://127.0.0.1:9/small\.pth") as error:
        load_pretrained("dino_small")
    assert str(server.cached) in str(error.value)


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "taken"))
    with pytest.raises(UserError, match=r"cannot write to .*taken.*set TORCH_HOME"):
        load_pretrained("dino_small")


def test_sha256_is_checked_where_it_is_known(server):
    right = sha256(server.content).hexdigest()
    for path, known in [("small.pth", "0" * 64), ("small-01234567.pth", None)]:
        server.release(path, sha256=known)
        with pytest.raises(UserError, match=f"another SHA-256 than {known or '01234567'}"):
            load_pretrained("dino_small")
        assert list(server.cached.parent.iterdir()) == []
    for path, known in [("small.pth", right), (f"small-{right[:8]}.pth", None)]:
        server.release(path, sha256=known)
        load_pretrained("dino_small")


def test_another_model_under_a_released_name_is_not_kept(server):
    server.release(embed_dim=192)
    with pytest.raises(
        UserError, match=r"not kept.*registers \(8, 128, 2, None\), not \(8, 192, 2, None\)"
    ):
        load_pretrained("dino_small")
    assert not server.cached.exists()


def test_a_bad_file_in_the_cache_is_named_and_left_alone(server):
    server.cached.parent.mkdir(parents=True)
    server.cached.write_bytes(server.content[:1000])
    with pytest.raises(UserError, match=f"move {server.cached} away"):
        load_pretrained("dino_small")
    assert server.cached.read_bytes() == server.content[:1000] and server.asked == 0


# ------------------------------------------------------------------ bad files


class Bomb:
    """Runs a command when unpickled: makes the folder ``exploded``."""

    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def saved(make):
    return lambda path: torch.save(make(), path)


def changed(**changes):
    """A good state dict, but for some keys (``__`` stands for a dot); None drops one."""
    state = timm_vit().state_dict() | {k.replace("__", "."): v for k, v in changes.items()}
    return {k: v for k, v in state.items() if v is not None}


def cut(write):
    def cut_write(path):
        write(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut_write


def legacy(path):
    torch.save(changed(), path, _use_new_zipfile_serialization=False)


def zip_bomb(path):
    torch.save(changed(), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("archive/data/99", bytes(2**28))


def many_small_blocks():
    many = {f"blocks.{i}.norm1.bias": torch.zeros(1) for i in range(9999)}
    return changed() | many


def in_parts(path):
    huggingface_vit().save_pretrained(path, max_shard_size="1MB")


def a_part(path):
    """One of two: the first block is whole in it."""
    in_parts(path.parent)


def huggingface_with(**extra):
    return lambda path: huggingface_vit(**extra).save_pretrained(path)


def clip(path):
    """As OpenAI names what its pictures go through first."""
    torch.save(
        {
            "visual.class_embedding": torch.zeros(64),
            "visual.conv1.weight": torch.zeros(64, 3, 16, 16),
            "visual.transformer.resblocks.0.ln_1.weight": torch.zeros(64),
        },
        path,
    )


def clip_huggingface(path):
    config = transformers.CLIPVisionConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1
    )
    transformers.CLIPVisionModel(config).save_pretrained(path)


def tiny(name, **sizes):
    sizes = {"img_size": 32, "patch_size": 16, "embed_dim": 64, "depth": 1, "num_heads": 1} | sizes
    return saved(lambda: timm.create_model(name, **sizes).state_dict())


BAD = {
    "resnet": (
        "w.pth", saved(lambda: torchvision.models.resnet18().state_dict()), "a convolutional net"),
    "vgg": (
        "w.pth", saved(lambda: {"features.0.weight": torch.zeros(8, 3, 3, 3)}),
        "a convolutional net"),
    "distilled": ("w.pth", tiny("deit_tiny_distilled_patch16_224"), "a distilled DeiT"),
    "an average": ("w.pth", tiny("vit_tiny_patch16_224", global_pool="avg"), "(fc_norm)"),
    "clip of timm": ("w.pth", tiny("vit_base_patch16_clip_224"), "it looks like CLIP's ViT"),
    "clip": ("w.pth", clip, "it looks like CLIP's ViT"),
    "clip of Hugging Face": ("folder", clip_huggingface, "it looks like CLIP's ViT"),
    "missing": (
        "w.pth", saved(lambda: changed(norm__bias=None, norm__weight=None)),
        "(2 differences: norm.weight missing; norm.bias missing)"),
    "six extra": (
        "w.pth", saved(lambda: changed(**{f"more{i}": torch.zeros(1) for i in range(6)})),
        "6 differences: more0 unexpected; more1 unexpected; more2 unexpected; more3 unexpected; "
        "more4 unexpected)"),
    "a tensor of another shape": (
        "w.pth", saved(lambda: changed(norm__bias=torch.zeros(7))),
        "norm.bias is (7,), not (128,)"),
    "two channels": (
        "w.pth", saved(lambda: changed(patch_embed__proj__weight=torch.zeros(128, 2, 8, 8))),
        "2 input channels, and nothing tells"),
    "a rectangle": ("w.pth", tiny("vit_tiny_patch16_224", img_size=(32, 80)), "(--grid 4x6)"),
    "no position of [CLS]": (
        "w.pth", tiny("vit_tiny_patch16_224", no_embed_class=True), "4 positions, which is not 1"),
    "no [CLS]": (
        "w.pth", tiny("vit_tiny_patch16_224", class_token=False, global_pool="avg"),
        "no [CLS] token"),
    "no blocks": ("w.pth", saved(lambda: {"cls_token": torch.zeros(1, 1, 64)}), "not a ViT"),
    "NaN": (
        "w.pth", saved(lambda: changed(norm__bias=torch.full((128,), torch.nan))),
        "NaN or infinite numbers in 1 parameters: norm.bias"),
    "infinity": (
        "w.pth", saved(lambda: changed(pos_embed=torch.full((1, 17, 128), torch.inf))),
        "1 parameters: pos_embed"),
    "whole numbers": (
        "w.pth", saved(lambda: changed(norm__bias=torch.ones(128, dtype=torch.int8))),
        "1 entries that are no floating-point weights: norm.bias"),
    "sparse": (
        "w.pth", saved(lambda: changed(norm__bias=torch.ones(128).to_sparse())), "norm.bias"),
    "a number shown often": (
        "w.pth", saved(lambda: changed(norm__bias=torch.zeros(1).expand(10**12))), "claims more"),
    "a network larger than the file": ("w.pth", saved(many_small_blocks), "too small for 9999"),
    "half a checkpoint of ours": (
        "w.pt", saved(lambda: {"format": "minidino-1", "teacher": {}}), "lacks the configuration"),
    "no grid": (
        "w.pth", saved(lambda: changed(pos_embed=torch.zeros(1, 0, 128))), "w.pth"),
    "one tensor": ("w.pth", saved(lambda: torch.zeros(3)), "holds no weights"),
    "no tensors": ("w.pth", saved(lambda: {"teacher": {"a": 1}}), "holds no weights"),
    "a pickle that runs code": (
        "w.pth", lambda path: path.write_bytes(pickle.dumps(Bomb())), "nothing in it was run"),
    "a checkpoint that runs code": (
        "w.pth", saved(lambda: changed() | {"x": Bomb()}),
        f"than tensors and plain values: {os.mkdir.__module__}.mkdir (nothing in it was run)"),
    "zip bomb": ("w.pth", zip_bomb, "torch.save does not compress"),
    "cut zip": ("w.pth", cut(saved(changed)), "it is cut short"),
    "cut legacy file": ("w.pth", cut(legacy), "it is cut short"),
    "cut safetensors": (
        "w.safetensors", cut(lambda path: save_file(changed(), path)), "it is cut short"),
    "empty": ("w.pth", lambda path: path.write_bytes(b""), "the file is empty"),
    "empty safetensors": (
        "w.safetensors", lambda path: path.write_bytes(b""), "not a readable safetensors"),
    "heads in words": (
        "w.safetensors", lambda path: save_file(changed(), path, {"num_heads": "two"}), "two"),
    "folder without weights": ("folder", Path.mkdir, "looked for checkpoint.pt, model.safe"),
    "in parts": (
        "folder", in_parts, "in parts, model-00001-of-00002.safetensors, model-00002-of-00002"),
    "a part": ("model-00001-of-00002.safetensors", a_part, "in parts, model-00001-of-00002.safe"),
    "relu": ("folder", huggingface_with(hidden_act="relu"), "activation relu"),
    "epsilon": ("folder", huggingface_with(layer_norm_eps=1e-3), "layer_norm_eps 0.001"),
    "no bias": ("folder", huggingface_with(qkv_bias=False), "attn.qkv.bias missing"),
    "no such name": (
        "dino_vits32", lambda path: None, "dino_vitb16, dino_vitb8, dinov2_vits14"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_weights_cost_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    file, write, words = BAD[name]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / file)
    capsys.readouterr()
    code = cli.main(["knn", file, "--data", "things"])
    err = capsys.readouterr().err
    assert code == 2 and err.startswith("minidino: ") and len(err.splitlines()) == 1, err
    assert words in err and file in err
    assert not (tmp_path / "exploded").exists()


def test_a_broken_configuration_beside_the_weights(tmp_path):
    huggingface_vit().save_pretrained(tmp_path)
    for text in ("", "[]", "{} // x", '{"num_attention_heads": "two", "hidden_size": 128}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UserError, match=r"config.json is not a readable .*; move it away"):
            load_pretrained(tmp_path)


def test_random_damage_is_told_in_words(tmp_path):
    """A flipped byte may go unnoticed in a number; it never ends in another exception."""
    file = tmp_path / "w.pth"
    generator = torch.Generator().manual_seed(0)
    for write in (saved(changed), legacy):
        write(file)
        whole = file.read_bytes()
        head = min(len(whole), 6000)
        for at in torch.randint(head, (40,), generator=generator).tolist():
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            try:
                load_pretrained(file)
            except UserError as error:
                assert str(file) in str(error)


# ------------------------------------------------------------------ in the commands


def test_foreign_weights_in_the_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save(timm_vit(img_size=16).state_dict(), "w.pth")
    common = ["w.pth", "--data", "things", "--device", "cpu"]
    assert cli.main(["knn", *common, "--max-images", "100"]) == 0
    assert cli.main(["linear", *common, "--max-images", "100", "--epochs", "2"]) == 0
    said = capsys.readouterr().out
    # Of k-NN and of the probe: of all pictures, and with classes counting alike.
    assert said.count("random weights") == 4 and "100 images" in said
    Image.new("RGB", (40, 60), "red").save("red.png")
    assert cli.main(["attend", "w.pth", "--data", "red.png"]) == 0
    assert Path("attend/attention.png").exists() and not Path("attend/filmstrip.png").exists()
    capsys.readouterr()
    assert cli.main(["attend", "w.pth"]) == 2
    assert "give --data" in capsys.readouterr().err


def test_random_weights_beside_foreign_ones_have_their_sizes(tmp_path, monkeypatch):
    torch.save(timm_vit(mlp_ratio=2.5, num_heads=4).state_dict(), tmp_path / "w.pth")
    gpus: list[int] = []  # what they were seeded with
    monkeypatch.setattr(torch.cuda, "manual_seed_all", gpus.append)
    state = torch.get_rng_state()
    trained = load_trained(tmp_path / "w.pth", num_heads=4)
    a, b = trained.random(), trained.random()
    assert a.num_heads == 4 and a.image_size == 32
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (a, trained.backbone)]
    assert shapes[0] == shapes[1]
    assert torch.equal(a.pos_embed, b.pos_embed)
    assert not torch.equal(a.pos_embed, trained.backbone.pos_embed)
    load_trained("minidino_things").random()
    assert torch.equal(torch.get_rng_state(), state) and not gpus


@pytest.mark.parametrize("kind", [VisionTransformerV2, VisionTransformerV3])
def test_random_weights_beside_dinov2_and_dinov3_tell_pictures_apart(kind, tmp_path):
    """With branches scaled by 1e-5 cosines differed by roundings: a floor of chance."""
    model = kind(32, 8, embed_dim=48, depth=3, num_heads=3)
    export_backbone(model, "safetensors", tmp_path / "w.safetensors")
    images = load_data("things", "test", 32, max_images=32).images
    features = extract_features(load_trained(tmp_path / "w.safetensors").random(), images)
    cosines = F.normalize(features, dim=1) @ F.normalize(features, dim=1).T
    assert cosines.std() > 0.01


@pytest.mark.parametrize("name", ["things", "photos"])
def test_a_shipped_backbone_is_small_and_of_its_recipe(name):
    trained, config = load_trained(f"minidino_{name}"), recipe(name)
    vit = trained.backbone
    sizes = (vit.patch_size, vit.embed_dim, vit.depth, vit.num_heads, trained.eval_size)
    assert sizes == (
        config.patch_size, config.embed_dim, config.depth, config.num_heads, config.eval_size
    )  # fmt: skip
    folder = Path(pretrained.__file__).parent
    assert (folder / f"{name}.safetensors").stat().st_size < 12e6
    assert "| commit | `" in (folder / f"{name}.md").read_text()


def test_the_backbone_of_things_is_trained():
    trained, config = load_trained("minidino_things"), recipe("things")
    vit = trained.backbone
    test = load_data("things", "test", config.eval_size, max_images=200)
    ours, random = (
        score_attention(m, test.images, test.masks).best_head for m in (vit, trained.random())
    )
    assert ours > 1.5 * random


def test_the_backbone_of_photos_tells_photographs_apart(shared_data, tmp_path):
    """300 that it was not trained on, among 600: random weights have 24%, give or take 3."""
    with zipfile.ZipFile(shared_data / "imagenette128.zip") as archive:
        for part, each in (("train", 60), ("val", 30)):
            kinds = {Path(n).parent for n in archive.namelist() if f"/{part}/" in n}
            for kind in sorted(kinds):
                names = sorted(n for n in archive.namelist() if Path(n).parent == kind)
                archive.extractall(tmp_path, [n for n in names if not n.endswith("/")][:each])
    out = tmp_path / "knn.json"
    data = str(tmp_path / "imagenette128")
    assert cli.main(["knn", "minidino_photos", "--data", data, "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert (found["train_images"], found["test_images"]) == (600, 300)
    assert found["trained"] > found["random"] + 8
