"""minidino.vit against timm, which names its parameters alike, and against hand-worked cases."""

import pytest
import torch
import torch.nn.functional as F

from minidino.engine.chance import WholeBatch
from minidino.vit import Block, DropPath, VisionTransformer, vit_base, vit_small, vit_tiny

SMALL = {"patch_size": 8, "embed_dim": 96, "depth": 3, "num_heads": 4}


def timm_vit(image_size=32, **sizes):
    """timm's model in float64 with no parameter left at a value that hides a mistake.

    A fresh model has zero biases and norms of gain 1: a forgotten bias or two norms in each
    other's place would not show.
    """
    module = pytest.importorskip("timm.models.vision_transformer")
    torch.manual_seed(0)
    kw = SMALL | {"img_size": image_size, "num_classes": 0, "global_pool": "token"} | sizes
    model = module.VisionTransformer(**kw).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
    return model


def twins(**sizes):
    """timm's model, and ours with the same weights."""
    theirs = timm_vit(**sizes)
    ours = VisionTransformer(image_size=32, **SMALL | sizes).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1)).double()


def close(a, b, tol=1e-10):
    torch.testing.assert_close(a, b, rtol=tol, atol=tol)


def shapes(model):
    return {name: tuple(p.shape) for name, p in model.state_dict().items()}


# --- the same network as timm's ---------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"num_heads": 2, "mlp_ratio": 2.0},
        {"in_chans": 1, "patch_size": 4, "depth": 1},
        {"num_heads": 12},  # heads 8 wide: not PyTorch's fused attention on a CPU
    ],
)
def test_tokens_equal_timm_at_the_trained_size(sizes):
    theirs, ours = twins(**sizes)
    x = images(2, sizes.get("in_chans", 3), 32, 32)
    tokens = theirs.forward_features(x)
    close(ours.forward_features(x), tokens)
    close(ours(x), tokens[:, 0])  # [CLS], not a mean over patches


@pytest.mark.parametrize("sizes", [{}, {"num_heads": 12}, {"depth": 1}])
def test_gradients_of_the_cls_feature_equal_timm(sizes):
    """The last block computes its [CLS] only; what is learned must not notice."""
    theirs, ours = twins(**sizes)
    x = images(3, 3, 32, 32)
    for model in (theirs, ours):
        model(x).square().sum().backward()
    expected = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        close(p.grad, expected[name].grad)


def test_cls_alone_leaves_a_block_as_it_does_among_all_tokens_gradients_included():
    torch.manual_seed(0)
    block = Block(48, num_heads=3, mlp_ratio=2.0, drop_path=0.5).double().train()
    given = torch.randn(8, 17, 48, dtype=torch.float64)
    outputs, gradients = [], []
    for cls_only in (False, True):
        torch.manual_seed(1)  # the same branches are dropped
        x = given.clone().requires_grad_()
        y = block(x, cls_only=cls_only)[:, :1]
        outputs.append(y)
        gradients.append(torch.autograd.grad(y.sin().sum(), [x, *block.parameters()]))
    assert outputs[1].shape == (8, 1, 48)
    close(outputs[1], outputs[0])
    for alone, among_all in zip(*gradients, strict=True):
        close(alone, among_all)


@torch.no_grad()
def test_where_cls_looks_is_not_rounded_under_autocast():
    torch.manual_seed(0)
    attention = Block(48, num_heads=3, mlp_ratio=2.0, drop_path=0.0).attn
    x = torch.randn(2, 17, 48)
    out = attention.forward_cls(x)
    attention.qkv.weight.mul_(20)  # scores so large that bfloat16 would move them
    exact = attention.cls_probabilities(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(attention.cls_probabilities(x), exact)
        attention.qkv.weight.div_(20)
        close(attention.forward_cls(x).float(), out, tol=0.01)  # the projection is in bfloat16


@torch.no_grad()
def test_vit_small_16_equals_timm():
    theirs = timm_vit(224, patch_size=16, embed_dim=384, depth=12, num_heads=6).float()
    ours = vit_small().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = images(1, 3, 224, 224).float()
    close(ours(x), theirs(x), tol=1e-3)  # float32 through 12 blocks


@torch.no_grad()
@pytest.mark.parametrize("n", [1, 2, 3])
def test_intermediate_layers_are_the_last_n_each_through_the_final_norm(n):
    theirs, ours = twins()
    x = images(2, 3, 32, 32)
    got = ours.get_intermediate_layers(x, n)
    expected = theirs.get_intermediate_layers(x, n, norm=True, return_prefix_tokens=True)
    assert len(got) == n
    for tokens, (patches, cls) in zip(got, expected, strict=True):
        close(tokens, torch.cat([cls, patches], dim=1))


@pytest.mark.parametrize(
    "build, name, heads",
    [
        (vit_tiny, "vit_tiny_patch16_224", 3),
        (vit_small, "vit_small_patch16_224", 6),
        (lambda: vit_small(patch_size=8), "vit_small_patch8_224", 6),
        (vit_base, "vit_base_patch16_224", 12),
    ],
)
def test_named_sizes_have_timm_parameters(build, name, heads):
    timm = pytest.importorskip("timm")
    with torch.device("meta"):  # shapes only
        theirs = timm.create_model(name, num_classes=0)
    ours = build()
    assert shapes(ours) == shapes(theirs)
    total = sum(p.numel() for p in theirs.parameters())
    assert sum(p.numel() for p in ours.parameters()) == total
    assert ours.num_heads == heads == theirs.blocks[0].attn.num_heads  # shapes do not tell


def test_named_sizes_pass_options_on():
    assert shapes(vit_tiny(8, image_size=32, depth=1))["pos_embed"] == (1, 17, 192)


def test_parameter_names_are_those_of_the_released_weights():
    block = ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]
    layers = ["patch_embed.proj", "norm"] + [f"blocks.{i}.{b}" for i in range(3) for b in block]
    names = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    model = VisionTransformer(image_size=32, **SMALL)
    assert set(model.state_dict()) == names | {"cls_token", "pos_embed"}
    assert {n for n, _ in model.named_parameters()} == set(model.state_dict())


def test_linear_layers_start_truncated_normal_with_zero_bias():
    torch.manual_seed(0)
    model = VisionTransformer(image_size=64, **SMALL)
    for layer in (model.blocks[0].attn.qkv, model.blocks[2].mlp.fc2):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert not layer.bias.any()
    assert model.pos_embed.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.cls_token.std().item() == pytest.approx(0.02, rel=0.3)  # 96 numbers only


# --- what a block computes --------------------------------------------------------------------


@torch.no_grad()
def test_blocks_are_pre_norm():
    """With every branch silenced, pre-norm blocks pass tokens on; post-norm ones normalise."""
    block = Block(dim=8, num_heads=2, mlp_ratio=4.0, drop_path=0.0)
    for layer in (block.attn.proj, block.mlp.fc2):
        layer.weight.zero_()
        layer.bias.zero_()
    x = 5.0 + 3.0 * torch.randn(2, 4, 8)
    assert torch.equal(block(x), x)


@torch.no_grad()
def test_last_attention_is_softmax_of_scaled_products_worked_by_hand():
    """qkv rows are q, k, v in turn, head after head within each; the softmax is over keys."""
    theirs, ours = twins()
    x = images(2, 3, 32, 32)
    heads, d, tokens = 4, 24, 17
    hidden = theirs.get_intermediate_layers(x, 2, return_prefix_tokens=True)[0]  # before the last
    last = theirs.blocks[-1]
    y = last.norm1(torch.cat([hidden[1], hidden[0]], dim=1))
    weight, bias = last.attn.qkv.weight, last.attn.qkv.bias
    got = ours.get_last_selfattention(x)
    assert got.shape == (2, heads, tokens, tokens)
    for head in range(heads):
        q_rows = slice(head * d, (head + 1) * d)
        k_rows = slice(96 + head * d, 96 + (head + 1) * d)
        for image in range(2):
            q = y[image] @ weight[q_rows].T + bias[q_rows]
            k = y[image] @ weight[k_rows].T + bias[k_rows]
            e = torch.exp(q @ k.T / d**0.5)
            close(got[image, head], e / e.sum(dim=1, keepdim=True))
    close(got.sum(dim=-1), torch.ones(2, heads, tokens).double())
    close(ours.get_last_selfattention(x, cls_only=True), got[:, :, :1])


@torch.no_grad()
def test_attention_of_a_rectangle_has_a_row_for_each_token():
    model = VisionTransformer(image_size=32, **SMALL).eval()
    attention = model.get_last_selfattention(torch.randn(1, 3, 16, 40))
    assert attention.shape == (1, 4, 11, 11)  # 2 x 5 patches and [CLS]


# --- other sizes and rectangles ---------------------------------------------------------------

# 16 x 64 has as many patches as 32 x 32: comparing counts alone would skip the interpolation.
SIZES = [(24, 24), (48, 48), (16, 64), (64, 16), (24, 40), (8, 8)]


@torch.no_grad()
@pytest.mark.parametrize("height, width", SIZES)
def test_positions_follow_the_image_bicubically(height, width):
    """Oracle: timm built for this size, given positions interpolated here."""
    source, ours = twins()
    theirs = timm_vit((height, width))
    h, w = height // 8, width // 8
    cls, grid = source.pos_embed[:, :1], source.pos_embed[:, 1:]
    grid = grid.reshape(4, 4, 96).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=(h, w), mode="bicubic", align_corners=False)
    grid = grid[0].permute(1, 2, 0).reshape(1, h * w, 96)
    theirs.load_state_dict(source.state_dict() | {"pos_embed": torch.cat([cls, grid], dim=1)})

    x = images(2, 3, height, width)
    tokens = ours.forward_features(x)
    assert tokens.shape == (2, 1 + h * w, 96)
    close(tokens, theirs.forward_features(x))


def test_positions_at_the_trained_size_are_the_parameter_unchanged():
    model = VisionTransformer(image_size=32, **SMALL)
    assert torch.equal(model.interpolate_positions(4, 4), model.pos_embed)


def test_every_parameter_learns_from_an_image_of_another_size():
    model = VisionTransformer(image_size=32, **SMALL)
    model(torch.randn(2, 3, 16, 24)).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert model.pos_embed.grad.abs().sum(dim=-1).all()  # the whole grid, not [CLS] alone


@pytest.mark.parametrize("height, width", [(36, 32), (32, 36), (4, 32), (0, 32)])
def test_image_that_does_not_divide_into_patches_is_refused(height, width):
    model = VisionTransformer(image_size=32, **SMALL)
    with pytest.raises(ValueError, match=f"{height} x {width} px .* patches of 8 px"):
        model(torch.zeros(1, 3, height, width))


@pytest.mark.parametrize(
    "sizes, text",
    [({"image_size": 36}, "multiple of patch_size 8"), ({"num_heads": 5}, "96 .* 5 heads")],
)
def test_sizes_that_do_not_divide_are_refused(sizes, text):
    with pytest.raises(ValueError, match=text):
        VisionTransformer(**{"image_size": 32} | SMALL | sizes)


# --- stochastic depth -------------------------------------------------------------------------


def test_drop_path_rates_grow_linearly_from_zero():
    sizes = SMALL | {"depth": 5}
    model = VisionTransformer(image_size=32, **sizes, drop_path_rate=0.2)
    rates = [block.drop_path.rate for block in model.blocks]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


def test_drop_path_acts_in_training_only():
    torch.manual_seed(0)
    model = VisionTransformer(image_size=32, **SMALL, drop_path_rate=0.5)
    without = VisionTransformer(image_size=32, **SMALL)
    without.load_state_dict(model.state_dict())
    x = torch.randn(8, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(x), without(x))
        assert not torch.allclose(model.train()(x), without(x), atol=1e-4)


def test_drop_path_drops_whole_images_and_keeps_the_expected_value():
    torch.manual_seed(0)
    out = DropPath(0.3).train()(torch.ones(20_000, 2, 3)).flatten(1)
    assert torch.equal(out.amin(dim=1), out.amax(dim=1))  # one draw for all of an image
    assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)  # four standard errors


def test_parts_of_a_batch_drop_what_the_whole_drops():
    """Two views of six images, whole and in three parts; view by view, image by image."""
    drop, x = DropPath(0.5).train(), torch.ones(12, 1)

    def dropped(part: int, of: int) -> torch.Tensor:
        chance = WholeBatch(torch.Generator())
        chance.attach(drop)
        chance.begin(7, (part, of), 6 // of)
        return torch.stack([drop(x[: 12 // of]).view(2, -1) for _ in range(2)])  # two branches

    whole = dropped(0, 1)
    assert whole.unique().tolist() == [0.0, 2.0] and not torch.equal(whole[0], whole[1])
    torch.testing.assert_close(torch.cat([dropped(i, 3) for i in range(3)], dim=-1), whole)


def test_a_network_that_takes_part_in_steps_can_be_used_by_hand():
    """Before a first step, and after one with any number of images: each has its own draw."""
    drop, chance = DropPath(0.5).train(), WholeBatch(torch.Generator())
    chance.attach(drop)
    for _ in range(2):
        out = drop(torch.ones(1001, 1))
        assert out.shape == (1001, 1) and 400 < (out == 0).sum() < 600
        chance.begin(0, (1, 2), 8)


@torch.no_grad()
def test_a_dropped_branch_leaves_the_residual():
    """At rate 1/2 each branch is drawn on its own: a quarter of the images pass unchanged."""
    torch.manual_seed(0)
    block = Block(dim=8, num_heads=2, mlp_ratio=4.0, drop_path=0.5).train()
    x = torch.randn(1000, 3, 8)
    unchanged = (block(x) == x).flatten(1).all(dim=1).double().mean().item()
    assert unchanged == pytest.approx(0.25, abs=0.06)
