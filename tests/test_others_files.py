"""What other libraries put around a network: other names, teachers, numbers, channels."""

import argparse
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import transformers
from PIL import Image
from safetensors.torch import save_file
from test_pretrained import huggingface_vit, images, same_features, shake, timm_vit

from minidino import attention_maps, cli, extract_features
from minidino.errors import UserError
from minidino.weights.pretrained import load_pretrained


def weights(seed=0, **sizes):
    """Of a teacher (seed 0) and of a student, which differ."""
    state = timm_vit(num_classes=0, **sizes).state_dict()
    return {k: v + 0.01 * seed for k, v in state.items()}


def under(prefix, state):
    return {prefix + k: v for k, v in state.items()}


TEACHER, STUDENT = weights(), weights(1)
COUNTER = {"head.mlp.1.num_batches_tracked": torch.tensor(7), "head.mlp.0.weight": torch.ones(3)}


def rename_in_pickle(path, old, new):
    """The same file as an older NumPy would have written it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            assert not name.endswith("data.pkl") or old in content
            archive.writestr(name, content.replace(old, new))


# ------------------------------------------------------------------ what lies beside the weights


@pytest.mark.parametrize("core", ["core", "_core"])
def test_numpy_numbers_of_the_official_training(tmp_path, core):
    """Its schedules are NumPy arrays, so its optimizer's learning rates are NumPy's numbers."""
    schedule = np.linspace(0, 1, 5)
    state = {
        "student": under("module.backbone.", STUDENT),
        "teacher": under("backbone.", TEACHER),
        "optimizer": {"param_groups": [{"lr": schedule[1], "n": np.int64(3), "b": np.bool_(1)}]},
        "args": argparse.Namespace(lr=np.float32(0.5)),
    }
    file = tmp_path / "w.pth"
    torch.save(state, file)
    rename_in_pickle(file, b"cnumpy._core.multiarray\n", f"cnumpy.{core}.multiarray\n".encode())
    same_features(load_pretrained(file), timm_vit(num_classes=0))


class Calls:
    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


def test_a_run_whose_latest_file_is_such_falls_back_on_the_one_before(tmp_path, capsys):
    torch.save({"teacher": TEACHER, "args": Calls(os.mkdir, "a")}, tmp_path / "checkpoint.pt")
    torch.save({"teacher": TEACHER}, tmp_path / "checkpoint.previous.pt")
    same_features(load_pretrained(tmp_path), timm_vit(num_classes=0))
    assert f"plain values: {os.mkdir.__module__}.mkdir" in capsys.readouterr().err


def test_what_is_left_out_is_not_judged(tmp_path, capsys):
    """Batch norm in the head counts its steps in whole numbers."""
    for state in ({"teacher": under("backbone.", TEACHER) | COUNTER}, TEACHER | COUNTER):
        torch.save(state, tmp_path / "w.pth")
        same_features(load_pretrained(tmp_path / "w.pth"), timm_vit(num_classes=0))
    assert len(capsys.readouterr().err.splitlines()) == 2  # of the heads


# ------------------------------------------------------------------ which network


def chunked(state, anew):
    """Three blocks in chunks of two; numbered on, or from 0 in each chunk."""
    at = {0: "0.0", 1: "0.1", 2: "1.0" if anew else "1.2"}
    return {re.sub(r"blocks\.(\d)", lambda m: f"blocks.{at[int(m[1])]}", k): v
            for k, v in state.items()}  # fmt: skip


PLAIN = {
    "nothing": TEACHER,
    "official": {"student": under("module.backbone.", STUDENT),
                 "teacher": under("backbone.", TEACHER)},
    "official, of May 2021": {"student": under("module.", STUDENT) | COUNTER,
                              "teacher": TEACHER | {"head.projection_head.0.bias": COUNTER}},
    "DistributedDataParallel": under("module.", TEACHER),
    "compiled, in parallel": under("module._orig_mod.backbone.", TEACHER),
    "compiled blocks": {k.replace("attn.", "attn._orig_mod."): v for k, v in TEACHER.items()},
    "FSDP": under("_fsdp_wrapped_module.", {
        k.replace(".mlp", "._fsdp_wrapped_module.mlp"): v for k, v in TEACHER.items()}),
    "DINOv2's trainer": {"model": under("student.backbone.", STUDENT)
                         | under("teacher.backbone.", TEACHER) | {"teacher.dino_head.a": COUNTER}},
}  # fmt: skip
TOLD = {
    "solo-learn": ({"state_dict": under("backbone.", STUDENT) | COUNTER
                    | under("momentum_backbone.", TEACHER)}, "state_dict.momentum_backbone."),
    "lightly": ({"state_dict": under("student_backbone.vit.", STUDENT)
                 | under("teacher_backbone.vit.", TEACHER)}, "state_dict.teacher_backbone.vit."),
    "in parallel": (under("module.student.", STUDENT) | under("module.teacher_ema.", TEACHER),
                    "module.teacher_ema."),
    "BYOL": (under("online_network.", STUDENT) | under("target_network.", TEACHER),
             "target_network."),
    "MoCo v3": ({"state_dict": under("module.base_encoder.", STUDENT)
                 | under("module.momentum_encoder.", TEACHER)},
                "state_dict.module.momentum_encoder."),
    "timm": ({"state_dict": STUDENT, "state_dict_ema": TEACHER}, "state_dict_ema."),
    "DeiT": ({"model": STUDENT, "model_ema": TEACHER, "epoch": 3}, "model_ema."),
    "averaged": ({"ema_state_dict": under("module.", TEACHER)}, "ema_state_dict.module."),
    "vissl": ({"classy_state_dict": {"base_model": {"model": {"trunk": TEACHER, "heads": {}}}}},
              "classy_state_dict.base_model.model.trunk."),
    "net": (under("net.", TEACHER), "net."),
    "encoder": ({"state_dict": under("encoder.", TEACHER)}, "state_dict.encoder."),
    "the student alone": ({"student": under("module.", TEACHER)}, "student.module."),
}  # fmt: skip


@pytest.mark.parametrize("name", [*PLAIN, *TOLD])
def test_the_teacher_is_found_whatever_precedes_its_names(tmp_path, capsys, name):
    state, prefix = (PLAIN[name], None) if name in PLAIN else TOLD[name]
    torch.save(state, tmp_path / "w.pth")
    ours = load_pretrained(tmp_path / "w.pth", num_heads=2)
    same_features(ours, timm_vit(num_classes=0))
    said = capsys.readouterr().err
    assert said.count("\n") == (prefix is not None)
    assert prefix is None or f'w.pth: read the network under "{prefix}"' in said


def test_prefixes_in_safetensors_and_before_hugging_faces_names(tmp_path):
    save_file(TOLD["solo-learn"][0]["state_dict"], tmp_path / "w.safetensors")
    same_features(load_pretrained(tmp_path / "w.safetensors"), timm_vit(num_classes=0))
    config = transformers.ViTConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512,
        image_size=32, patch_size=8, layer_norm_eps=1e-6)  # fmt: skip
    theirs = shake(transformers.ViTModel(config, add_pooling_layer=False))
    torch.save({"state_dict": under("model.teacher.vit.", theirs.state_dict())}, tmp_path / "h.pth")
    same_features(load_pretrained(tmp_path / "h.pth"), lambda x: theirs(x).last_hidden_state[:, 0])


@pytest.mark.parametrize("anew", [False, True])
def test_blocks_in_chunks(tmp_path, anew):
    torch.save({"teacher": under("backbone.", chunked(weights(depth=3), anew))}, tmp_path / "w.pth")
    same_features(load_pretrained(tmp_path / "w.pth"), timm_vit(num_classes=0, depth=3))


def test_other_blocks_beside_chunks_are_named(tmp_path):
    state = chunked(TEACHER, True) | {"auxiliary.blocks.7.8.bias": torch.ones(1)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"1 difference: auxiliary.blocks.7.8.bias unexpected"):
        load_pretrained(tmp_path / "w.pth")


def test_networks_of_equal_claim_are_named(tmp_path):
    torch.save({"state_dict": under("a.", STUDENT) | under("b.", TEACHER)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r'2 networks, "state_dict.a.", "state_dict.b.", and no'):
        load_pretrained(tmp_path / "w.pth")


def test_one_network_by_two_names_and_a_file_that_holds_itself(tmp_path):
    """A Lightning module often keeps a network and, compiled, the same again."""
    state = {"state_dict": under("net.", TEACHER) | under("fast._orig_mod.", TEACHER)}
    state["state_dict"]["itself"] = state
    torch.save(state, tmp_path / "w.pth")
    same_features(load_pretrained(tmp_path / "w.pth"), timm_vit(num_classes=0))


def test_of_an_autoencoder_the_encoder(tmp_path, capsys):
    decoder = under(
        "decoder_blocks.0.", {"norm1.weight": torch.ones(8), "norm1.bias": torch.ones(8)}
    )
    state = TEACHER | {"mask_token": torch.ones(1, 1, 8), "decoder_pos_embed": torch.ones(1, 5, 8)}
    torch.save({"model": state | decoder}, tmp_path / "w.pth")
    same_features(load_pretrained(tmp_path / "w.pth", num_heads=2), timm_vit(num_classes=0))
    said = capsys.readouterr().err
    assert 'left out, as no part of an encoder: "model.mask_token", "model.decoder_pos_' in said

    config = transformers.ViTMAEConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512,
        image_size=32, patch_size=8, layer_norm_eps=1e-6, mask_ratio=0.0, decoder_hidden_size=32,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=64,
    )  # fmt: skip
    theirs = shake(transformers.ViTMAEForPreTraining(config))
    theirs.save_pretrained(tmp_path / "mae")
    ours = load_pretrained(tmp_path / "mae")
    same_features(ours, lambda x: theirs.vit(x).last_hidden_state[:, 0], tol=1e-4)
    assert re.search(r"left out, .* and \d+ more", capsys.readouterr().err)


# ------------------------------------------------------------------ other names, other numbers


@pytest.mark.parametrize("old", [False, True])
def test_torchvisions_names(tmp_path, old):
    """In its older files the layers of an MLP are called linear_1 and linear_2."""
    theirs = shake(torchvision.models.VisionTransformer(32, 8, 2, 2, 128, 512, num_classes=3))
    state = theirs.state_dict()
    if old:
        state = {k.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): v
                 for k, v in state.items()}  # fmt: skip
    torch.save({"model": under("module.", state)}, tmp_path / "w.pth")
    theirs.heads = torch.nn.Identity()
    same_features(load_pretrained(tmp_path / "w.pth"), theirs)


# timm's names and mmpretrain's
MMPRETRAIN = {
    r"^norm\.": "ln1.", "patch_embed.proj": "patch_embed.projection", "blocks": "layers",
    r"norm([12])": r"ln\1", "mlp.fc1": "ffn.layers.0.0", "mlp.fc2": "ffn.layers.1",
}  # fmt: skip


MMSEGMENTATION = {
    r"attn.qkv.": "attn.attn.in_proj_", "attn.proj": "attn.attn.out_proj",
}  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "backbone.", "target_generator.backbone."])
@pytest.mark.parametrize("attention", [{}, MMSEGMENTATION], ids=["mmpretrain", "mmsegmentation"])
def test_openmmlabs_names(tmp_path, prefix, attention):
    state = TEACHER
    for ours, theirs in (MMPRETRAIN | attention).items():
        state = {re.sub(ours, theirs, k): v for k, v in state.items()}
    assert "layers.1.ffn.layers.0.0.weight" in state and "ln1.bias" in state
    torch.save({"state_dict": under(prefix, state) | COUNTER, "meta": {}}, tmp_path / "w.pth")
    same_features(load_pretrained(tmp_path / "w.pth"), timm_vit(num_classes=0))


HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
OTHER = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
NUMBERS = {
    "halves": HALF,
    "others": OTHER,
    "none": {"do_normalize": False},
    "bytes": {"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3},
    "from -1": {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
}


@torch.no_grad()
@pytest.mark.parametrize("name", NUMBERS)
def test_pictures_are_normalised_as_the_configuration_beside_says(tmp_path, capsys, name):
    """Hugging Face's own processor and network see the same bytes."""
    theirs = huggingface_vit()
    theirs.save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessor(do_resize=False, **NUMBERS[name])
    processor.save_pretrained(tmp_path)
    capsys.readouterr()
    features = extract_features(load_pretrained(tmp_path), pictures())
    said = capsys.readouterr().err
    expected = theirs(**processor(list(pictures()), return_tensors="pt")).last_hidden_state[:, 0]
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
    assert said.count("\n") == 1 and "by the configuration beside it; it is given them" in said


@torch.no_grad()
def test_timms_configuration_beside(tmp_path, capsys):
    theirs = timm_vit(num_classes=0)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    timms = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "input_size": [3, 32, 32]}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": timms}))
    features = extract_features(load_pretrained(tmp_path), pictures())
    expected = theirs(pictures() / 255 * 2 - 1)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
    assert (
        "pictures less and over 0.5 and 0.5, 0.5 and 0.5, 0.5 and 0.5 by" in capsys.readouterr().err
    )


def test_usual_numbers_change_nothing_and_odd_ones_are_refused(tmp_path, capsys):
    huggingface_vit().save_pretrained(tmp_path)
    transformers.ViTImageProcessor(
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    ).save_pretrained(tmp_path)
    capsys.readouterr()
    ours = load_pretrained(tmp_path).state_dict()
    (tmp_path / "preprocessor_config.json").unlink()
    plain = load_pretrained(tmp_path).state_dict()
    assert all(torch.equal(ours[k], plain[k]) for k in plain)
    assert capsys.readouterr().err == ""
    (tmp_path / "config.json").write_text('{"pretrained_cfg": [1]}')
    assert torch.equal(load_pretrained(tmp_path).norm.bias, plain["norm.bias"])
    for text in ("", "[]", '{"image_mean": "a", "image_std": [1]}',
                 '{"image_mean": [0, 0, 0], "image_std": [1, 1, 0]}',
                 '{"image_mean": [0], "image_std": [1], "rescale_factor": "x"}'):  # fmt: skip
        (tmp_path / "preprocessor_config.json").write_text(text)
        with pytest.raises(UserError, match=r"preprocessor_config.json is not a readable conf"):
            load_pretrained(tmp_path)


# ------------------------------------------------------------------ channels


def pictures():
    generator = torch.Generator().manual_seed(2)
    return torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def test_gray_weights_see_gray_pictures(tmp_path, capsys):
    """PIL's gray of each picture, normalised in NumPy, through timm's network of one channel."""
    theirs = timm_vit(in_chans=1, num_classes=0)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = load_pretrained(tmp_path / "w.pth", num_heads=2)
    assert "1 input channel; it is fed the gray picture (luma), less 0.459 and over 0.226" in (
        capsys.readouterr().err
    )
    gray = np.stack(
        [np.asarray(Image.fromarray(p.permute(1, 2, 0).numpy()).convert("L")) for p in pictures()]
    )
    mean = np.dot([0.299, 0.587, 0.114], [0.485, 0.456, 0.406])
    std = np.dot([0.299, 0.587, 0.114], [0.229, 0.224, 0.225])
    x = torch.from_numpy((gray / 255 - mean) / std)[:, None].float()
    features = extract_features(ours, pictures())
    assert (features - theirs(x)).abs().max() < 0.01 * features.abs().max()  # PIL rounds to bytes
    assert features.std(dim=0).mean() > 0.1
    assert attention_maps(ours, images()).shape == (3, 2, 4, 4)


@torch.no_grad()
def test_a_fourth_channel_is_zeros(tmp_path, capsys):
    theirs = timm_vit(in_chans=4, num_classes=0)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = load_pretrained(tmp_path / "w.pth")
    same_features(ours, lambda x: theirs(torch.cat([x, torch.zeros_like(x[:, :1])], dim=1)))
    assert "4 input channels; the first three are fed" in capsys.readouterr().err


# ------------------------------------------------------------------ positions of a rectangle


@torch.no_grad()
@pytest.mark.parametrize("sides", [(4, 6), (6, 4)])
def test_a_rectangle_of_positions(tmp_path, sides, capsys):
    """Between the known positions, those of timm's square network are interpolated by torch."""
    theirs = timm_vit(img_size=tuple(8 * n for n in sides), num_classes=0)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = load_pretrained(tmp_path / "w.pth", grid=sides)
    square = timm_vit(img_size=48, num_classes=0)
    known = theirs.pos_embed[0, 1:].T.reshape(1, 128, *sides)
    known = torch.nn.functional.interpolate(known, (6, 6), mode="bicubic")
    state = theirs.state_dict()
    positions = torch.cat([theirs.pos_embed[0, :1], known.reshape(128, 36).T])[None]
    square.load_state_dict(state | {"pos_embed": positions})
    same_features(ours, square, side=48)
    assert f"{sides[0]} x {sides[1]} patches were interpolated to 6 x 6" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"25 positions, which is not 1 .*--grid 4x6"):
        load_pretrained(tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"25 positions, not 1 \+ 5 x 5"):
        load_pretrained(tmp_path / "w.pth", grid=(5, 5))


# ------------------------------------------------------------------ in the commands


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two classes of pictures, and weights whose heads and positions must be told."""
    monkeypatch.chdir(tmp_path)
    for i, color in enumerate(["red", "blue"] * 10):
        folder = Path("photos", color)
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 32), color).rotate(i).save(folder / f"{i}.png")
    theirs = timm_vit(embed_dim=96, num_heads=4, img_size=(16, 24), in_chans=1)
    torch.save({"state_dict": under("momentum_backbone.", theirs.state_dict())}, "w.pth")


COMMANDS = {
    "knn": ["--data", "photos"],
    "linear": ["--data", "photos", "--epochs", "2"],
    "attend": ["--data", "photos/red/0.png"],
    "segment": ["--data", "photos/red/0.png"],
    "retrieve": ["photos/red/0.png", "--data", "photos"],
    "export": ["--to", "timm"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_told_what_weights_do_not_tell(photos, capsys, command):
    argv = [command, "w.pth", *COMMANDS[command]]
    assert cli.main(argv) == 2
    assert "--grid" in capsys.readouterr().err
    assert cli.main([*argv, "--grid", "2x3"]) == 2
    assert "width 96 is no multiple of 64; give --num-heads" in capsys.readouterr().err
    assert cli.main([*argv, "--grid", "2,3"]) == 2
    assert "--grid 2,3 is not rows x columns" in capsys.readouterr().err
    assert cli.main([*argv, "--grid", "2x3", "--num-heads", "4"]) == 0
    assert "were assumed" not in capsys.readouterr().err


def test_heads_that_were_assumed_are_told(tmp_path, capsys):
    torch.save(TEACHER, tmp_path / "w.pth")
    load_pretrained(tmp_path / "w.pth")
    assert "w.pth: 2 heads of 64 were assumed" in capsys.readouterr().err
    assert load_pretrained(tmp_path / "w.pth", num_heads=4).num_heads == 4
    assert load_pretrained("minidino_things").num_heads == 12
    assert capsys.readouterr().err == ""
