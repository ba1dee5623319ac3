"""DINOv2's and DINOv3's ViT against Hugging Face and timm: registers, gates, sizes, names."""

import math

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from test_pretrained import shake

from minidino import cli
from minidino.attention import attention_maps
from minidino.errors import UserError
from minidino.successors.rope import RopeEmbed, turned
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.successors.vit_v3 import VisionTransformerV3
from minidino.weights.pretrained import RELEASED, load_pretrained, load_trained

KINDS = {
    "plain": (transformers.Dinov2Config, transformers.Dinov2Model, {}),
    "registers": (
        transformers.Dinov2WithRegistersConfig,
        transformers.Dinov2WithRegistersModel,
        {"num_register_tokens": 4},
    ),
    "gated": (transformers.Dinov2Config, transformers.Dinov2Model, {"use_swiglu_ffn": True}),
    "gated, registers": (
        transformers.Dinov2WithRegistersConfig,
        transformers.Dinov2WithRegistersModel,
        {"num_register_tokens": 3, "use_swiglu_ffn": True},
    ),
}
SIZES = [(98, 98), (224, 224), (98, 140)]


def huggingface(kind):
    config, model, extra = KINDS[kind]
    torch.manual_seed(0)
    config = config(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=2, image_size=98, patch_size=14,
        attn_implementation="eager", **extra,
    )  # fmt: skip
    return shake(model(config))


def close(ours, theirs):
    """To 1e-5 of the largest number."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_dinov2_is_hugging_faces(kind, tmp_path):
    theirs = huggingface(kind)
    theirs.save_pretrained(tmp_path / "folder")
    ours = load_pretrained(tmp_path / "folder")
    assert isinstance(ours, VisionTransformerV2) and ours.num_heads == 2
    r = ours.registers
    for height, width in SIZES:
        if not r:  # Hugging Face leaves the official code's 0.1 out; see below
            grid = ours.interpolate_positions(height // 14, width // 14)
            theirs.embeddings.interpolate_pos_encoding = lambda *_, g=grid: g
            assert (grid is ours.pos_embed) == (height == width == 98)
        x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height))
        out = theirs(x, output_hidden_states=True, output_attentions=True)

        def kept(tokens):
            return torch.cat([tokens[:, :1], tokens[:, 1 + r :]], dim=1)

        close(ours(x), out.last_hidden_state[:, 0])
        close(ours.forward_features(x), kept(out.last_hidden_state))
        layers = [kept(theirs.layernorm(h)) for h in out.hidden_states[-2:]]
        for mine, layer in zip(ours.get_intermediate_layers(x, 2), layers, strict=True):
            close(mine, layer)
        attention = out.attentions[-1]
        close(ours.get_last_selfattention(x, registers=True), attention)
        row = torch.cat([attention[:, :, :1, :1], attention[:, :, :1, 1 + r :]], dim=-1)
        close(ours.get_last_selfattention(x, cls_only=True), row)
        assert ours.get_last_selfattention(x).shape[-2:] == (row.shape[-1],) * 2
        maps = attention_maps(ours, x)
        close(maps.flatten(2), attention[:, :, 0, 1 + r :])
        assert maps.shape == (2, 2, height // 14, width // 14)
        for register in range(1, r + 1):
            close(
                attention_maps(ours, x, register=register).flatten(2),
                attention[:, :, register, 1 + r :],
            )
        with pytest.raises(ValueError, match=f"no register {r + 1}; .* {r if r else 'none'}"):
            attention_maps(ours, x, register=r + 1)


@pytest.mark.parametrize("name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2",
                                  "vit_giant_patch14_reg4_dinov2"])  # fmt: skip
@torch.no_grad()
def test_dinov2_is_timms(name, tmp_path):
    torch.manual_seed(0)
    sizes = {"img_size": 56, "embed_dim": 128, "depth": 2, "num_heads": 2}
    theirs = shake(timm.create_model(name, num_classes=0, **sizes))
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = load_pretrained(tmp_path / "w.pth")
    x = torch.randn(2, 3, 56, 56)
    tokens = theirs.forward_features(x)
    close(ours(x), tokens[:, 0])
    close(ours.forward_features(x)[:, 1:], tokens[:, theirs.num_prefix_tokens :])


def v3(gated=False, **extra):
    torch.manual_seed(0)
    config = transformers.DINOv3ViTConfig(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=192,
        num_register_tokens=4, attn_implementation="eager", use_gated_mlp=gated,
        hidden_act="silu" if gated else "gelu", **extra,
    )  # fmt: skip
    return shake(transformers.DINOv3ViTModel(config))


@pytest.mark.parametrize("gated", [False, True, None])
@torch.no_grad()
def test_dinov3_is_hugging_faces(gated, tmp_path):
    """The last without any bias of queries, keys and values, as the largest model."""
    theirs = v3(gated) if gated is not None else v3(True, query_bias=False, value_bias=False)
    theirs.save_pretrained(tmp_path / "folder")
    ours = load_pretrained(tmp_path / "folder")
    assert isinstance(ours, VisionTransformerV3) and ours.registers == 4
    for height, width in [(224, 224), (96, 96), (64, 112)]:
        x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height))
        out = theirs(x, output_hidden_states=True, output_attentions=True)

        def kept(tokens):
            return torch.cat([tokens[:, :1], tokens[:, 5:]], dim=1)

        close(ours(x), out.last_hidden_state[:, 0])
        close(ours.forward_features(x), kept(out.last_hidden_state))
        layers = [kept(theirs.norm(h)) for h in out.hidden_states[-2:]]
        for mine, layer in zip(ours.get_intermediate_layers(x, 2), layers, strict=True):
            close(mine, layer)
        attention = out.attentions[-1]
        close(ours.get_last_selfattention(x, registers=True), attention)
        close(attention_maps(ours, x).flatten(2), attention[:, :, 0, 5:])
        close(attention_maps(ours, x, register=3).flatten(2), attention[:, :, 3, 5:])


@pytest.mark.parametrize("name", ["vit_small_patch16_dinov3", "vit_small_patch16_dinov3_qkvb",
                                  "vit_small_plus_patch16_dinov3"])  # fmt: skip
@torch.no_grad()
def test_dinov3_is_timms(name, tmp_path):
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=0, embed_dim=128, depth=2, num_heads=2)
    torch.save(shake(theirs).state_dict(), tmp_path / "w.pth")
    ours = load_pretrained(tmp_path / "w.pth")
    for size in ((256, 256), (96, 160)):
        x = torch.randn(1, 3, *size)
        tokens = theirs.forward_features(x)
        close(ours.forward_features(x)[:, 1:], tokens[:, 5:])
        close(ours(x), tokens[:, 0])


@torch.no_grad()
def test_dinov3_by_its_own_names(tmp_path):
    """As the official code writes them: masked biases of keys, two halves of a gate, periods."""
    theirs = v3(gated=True)
    theirs.save_pretrained(tmp_path / "folder")
    ours = load_pretrained(tmp_path / "folder")
    official = {"rope_embed.periods": torch.ones(16), "mask_token": torch.zeros(1, 128)}
    for name, v in ours.state_dict().items():
        name = name.replace("register_tokens", "storage_tokens")
        if ".w12." in name:
            for part, half in zip(("w1", "w2"), v.chunk(2), strict=True):
                official[name.replace("w12", part)] = half.clone()
            continue
        if name.endswith("qkv.bias"):
            mask = torch.ones(3, 128)
            mask[1] = 0
            v = torch.where(mask.flatten().bool(), v, 7.0)  # whatever is masked is not read
            official[f"{name}_mask"] = mask.flatten()
        official[name] = v
    torch.save(official, tmp_path / "w.pth")
    x = torch.randn(1, 3, 96, 64)
    assert torch.equal(load_pretrained(tmp_path / "w.pth")(x), ours(x))


def test_periods_tell_the_heads_of_dinov3(tmp_path, capsys):
    """Its largest model has heads of 128."""
    net = VisionTransformerV3(patch_size=16, embed_dim=128, depth=1, num_heads=1, hidden_dim=64)
    weights = net.state_dict() | {"rope_embed.periods": net.rope_embed.periods}
    assert len(net.rope_embed.periods) == 32
    torch.save(weights, tmp_path / "w.pth")
    assert load_pretrained(tmp_path / "w.pth").num_heads == 1
    assert "assumed" not in capsys.readouterr().err


def test_turns_of_another_kind_are_not_taken_for_dinov3s(tmp_path):
    theirs = timm.create_model(
        "vit_small_patch16_rope_224", num_classes=0, embed_dim=128, depth=1, num_heads=2
    )
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    with pytest.raises(UserError, match="neither positions nor registers"):
        load_pretrained(tmp_path / "w.pth")


def test_a_turn_by_hand():
    """Two patches side by side at x = -1/2 and 1/2; heads of 4, one period of 1 for each axis."""
    cos, sin = RopeEmbed(4)(1, 2)
    # y = 0 is no turn; x = -1/2 and 1/2 are turns by -pi and pi.
    torch.testing.assert_close(cos, torch.tensor([[1.0, -1.0, 1.0, -1.0]] * 2))
    torch.testing.assert_close(sin.abs(), torch.zeros(2, 4), atol=1e-6, rtol=0)
    x = torch.tensor([5.0, 1.0, 2.0, 3.0, 4.0]).view(5, 1) * torch.ones(4)
    tokens = turned(x[None, None], (torch.zeros(1, 4), torch.ones(1, 4)))  # a quarter turn
    assert torch.equal(tokens[0, 0, :4], x[:4])  # not the four in front
    assert torch.equal(tokens[0, 0, 4], torch.tensor([-4.0, -4.0, 4.0, 4.0]))


def cubic(t):
    """Keys' kernel with a = -0.75, which PyTorch's bicubic has."""
    t, a = abs(t), -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def along(n_out, n_in):
    """(n_out, n_in): resampling in one dimension, the official code's 0.1 in the scale."""
    matrix, scale = np.zeros((n_out, n_in)), n_in / (n_out + 0.1)
    for i in range(n_out):
        at = (i + 0.5) * scale - 0.5
        for j in range(math.floor(at) - 1, math.floor(at) + 3):
            matrix[i, min(max(j, 0), n_in - 1)] += cubic(at - j)
    return matrix


@torch.no_grad()
def test_positions_without_registers_are_shifted_as_the_official_codes():
    ours = VisionTransformerV2(image_size=98, embed_dim=8, depth=1, num_heads=2)
    grid = ours.pos_embed[0, 1:].double().numpy().reshape(7, 7, 8)
    expected = np.einsum("ha,wb,abd->hwd", along(16, 7), along(10, 7), grid).reshape(160, 8)
    got = ours.interpolate_positions(16, 10)[0]
    np.testing.assert_allclose(got[1:].numpy(), expected, atol=1e-6)
    assert torch.equal(got[0], ours.pos_embed[0, 0])


def test_released_names_are_timms_urls():
    for size, long in (("s", "small"), ("b", "base"), ("l", "large"), ("g", "giant")):
        for kind, theirs in (("", ""), ("_reg", "_reg4")):
            cfg = timm.models.get_pretrained_cfg(f"vit_{long}_patch14{theirs}_dinov2.lvd142m")
            release = RELEASED[f"dinov2_vit{size}14{kind}"]
            assert release.url == cfg.url
            with torch.device("meta"):
                model = timm.create_model(f"vit_{long}_patch14{theirs}_dinov2")
            assert (release.embed_dim, release.depth) == (model.embed_dim, len(model.blocks))


@pytest.fixture
def photos(tmp_path):
    """20 pictures of two kinds."""
    for i in range(20):
        file = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((60, 70, 3), 12 * i, dtype=np.uint8)).save(file)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("make", "size"), [(lambda: huggingface("registers"), 56), (v3, 48)], ids=["v2", "v3"]
)
def test_every_command_takes_weights_of_a_successor(make, size, photos, tmp_path):
    make().save_pretrained(tmp_path / "w")
    weights, data = str(tmp_path / "w"), ["--data", str(photos), "--size", str(size)]
    index, kept = str(tmp_path / "f.npz"), str(tmp_path / "c.safetensors")
    one = str(photos / "a" / "0.png")
    for command in (
        ["knn", weights, *data, "--k", "3", "--save", kept],
        ["linear", weights, *data, "--epochs", "1"],
        ["attend", weights, *data, "--pictures", "2", "--out", str(tmp_path / "look")],
        ["attend", weights, *data, "--register", "4", "--out", str(tmp_path / "look")],
        ["segment", weights, *data, "--by", "cut", "--out", str(tmp_path / "masks")],
        ["embed", weights, *data, "--out", index],
        ["retrieve", weights, one, "--index", index, "--out", str(tmp_path / "r.png")],
        ["predict", kept, "--data", str(photos), "--out", str(tmp_path / "p.csv")],
        ["explore", weights, *data, "--out", str(tmp_path / "e.html")],
    ):
        assert cli.main(command) == 0, command
    with np.load(index) as features:
        assert features["cls"].shape == (20, 128)


def test_commands_take_dinov2(photos, tmp_path, capsys):
    """At 224 px, by default; random weights beside them have the same registers."""
    huggingface("registers").save_pretrained(tmp_path / "w")
    trained = load_trained(tmp_path / "w")
    assert trained.random().registers == 4
    assert trained.eval_size == 98
    sizes = ["--data", str(tmp_path / "photos"), "--size", "56"]
    out = tmp_path / "look"
    assert cli.main(["attend", str(tmp_path / "w"), *sizes, "--out", str(out)]) == 0
    assert (out / "attention.png").is_file()
    for said, words in ((["5"], "they are 1 to 4"), (["1", "--patch", "0,0"], "not both")):
        assert cli.main(["attend", str(tmp_path / "w"), *sizes, "--register", *said]) == 2
        assert words in capsys.readouterr().err
    assert cli.main(["knn", str(tmp_path / "w"), *sizes]) == 0
    file = tmp_path / "e.safetensors"
    assert cli.main(["export", str(tmp_path / "w"), "--to", "safetensors", "--out", str(file)]) == 0
    x = torch.randn(1, 3, 56, 56)
    with torch.no_grad():
        close(load_pretrained(file)(x), trained.backbone(x))
    assert cli.main(["export", str(tmp_path / "w"), "--to", "timm", "--out", "x.safetensors"]) == 2
    assert "safetensors alone" in capsys.readouterr().err


def test_a_gated_block_in_float64_by_hand():
    """w3(silu(a) * b) and x + gamma * branch."""
    torch.manual_seed(0)
    vit = VisionTransformerV2(28, 14, embed_dim=8, depth=1, num_heads=2, hidden_dim=12, gated=True)
    block = shake(vit).blocks[0].double()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    mlp = block.mlp
    a, b = (x @ mlp.w12.weight.T + mlp.w12.bias).split(12, dim=-1)
    expected = (a / (1 + (-a).exp()) * b) @ mlp.w3.weight.T + mlp.w3.bias
    torch.testing.assert_close(mlp(x), expected)
    torch.testing.assert_close(block.ls1(x), x * block.ls1.gamma)


def test_a_file_of_another_generation_is_told(tmp_path, monkeypatch, capsys):
    """DINO's ViT, and DINOv2's without registers, in the place of DINOv2's with registers."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub/checkpoints/dinov2_vits14_reg4_pretrain.pth"
    file.parent.mkdir(parents=True)
    sizes = {"num_classes": 0, "img_size": 28, "patch_size": 14}
    for name, depth in (("vit_small_patch16_224", 12), ("vit_small_patch14_dinov2", 12)):
        torch.save(timm.create_model(name, depth=depth, **sizes).state_dict(), file)
        assert cli.main(["knn", "dinov2_vits14_reg", "--data", "things"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "not (14, 384, 12, 4)" in said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dinov3_vits16", "agree to its licence"),
        ("facebook/dinov3-vits16-pretrain-lvd1689m", "agree to its licence"),
        ("dinov3_convnext_tiny", "is a ConvNeXt"),
        ("dinov2_vits15", "dinov2_vits14_reg"),
    ],
)
def test_what_cannot_be_fetched_says_where_to_get_it(name, words, capsys):
    assert cli.main(["knn", name, "--data", "things"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and words in said


def test_missing_blocks_are_told_by_what_lies_beside(tmp_path, capsys):
    huggingface("registers").save_pretrained(tmp_path / "w")
    file = tmp_path / "w/model.safetensors"
    weights = {k: v for k, v in load_file(file).items() if ".layer.2." not in k}
    save_file(weights, file, {"format": "pt"})
    assert cli.main(["knn", str(tmp_path / "w"), "--data", "things"]) == 2
    assert "holds 2 blocks, and" in (said := capsys.readouterr().err) and "says 3" in said


def test_a_convnext_is_told(tmp_path, capsys):
    model = timm.create_model("convnext_atto", num_classes=0)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    assert cli.main(["knn", str(tmp_path / "w.pth"), "--data", "things"]) == 2
    assert "a convolutional network, which minidino does not have" in capsys.readouterr().err


def test_another_base_of_the_turns_is_told(tmp_path, capsys):
    v3(rope_theta=1000.0).save_pretrained(tmp_path / "w")
    knn = ["knn", str(tmp_path / "w"), "--data", "things"]
    assert cli.main(knn) == 2
    assert "rope_theta 1000.0" in capsys.readouterr().err
    file = tmp_path / "w" / "config.json"
    for unreadable in (file.read_text().replace("1000.0", '"often"'), "[" * 100_000):
        file.write_text(unreadable)
        assert cli.main(knn) == 2
        assert "not a readable configuration" in capsys.readouterr().err
    v3().save_pretrained(tmp_path / "w")
    assert cli.main([*knn, "--grid", "4x6"]) == 2
    assert "no learned positions" in capsys.readouterr().err
