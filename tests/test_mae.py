"""MAE against transformers' whole model, lightly's pieces and hand-worked cases; its runs."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lightly.models.utils import patchify as lightly_patchify
from transformers import ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding

from minidino.config import OBJECTIVES, TrainConfig, recipe
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run.objectives import make_trainer
from minidino.successors.mae import MaskedAutoencoder, mae_loss, patchify
from minidino.successors.mae_decoder import Decoder, shuffle, sincos_positions, take

CPU = torch.device("cpu")


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def config(tiny_config) -> TrainConfig:
    return replace(tiny_config, objective="mae", **OBJECTIVES["mae"])


# ---------------------------------------------------------------- pieces


def test_shuffle_and_the_way_back_by_hand():
    order, back = shuffle(torch.tensor([[0.3, 0.1, 0.2], [0.1, 0.2, 0.3]]))
    assert order.tolist() == [[1, 2, 0], [0, 1, 2]] and back.tolist() == [[2, 0, 1], [0, 1, 2]]
    tokens = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]])
    assert take(tokens, order).flatten().tolist() == [2, 3, 1, 4, 5, 6]
    assert torch.equal(take(take(tokens, order), back), tokens)


def test_patches_are_lightlys():
    images = normal(2, 3, 12, 12)
    assert torch.equal(patchify(images, 4), lightly_patchify(images, 4))
    assert patchify(normal(1, 3, 8, 12), 4).shape == (1, 6, 48)


@pytest.mark.parametrize(("side", "dim"), [(6, 48), (3, 4), (14, 512)])
def test_positions_are_transformers(side, dim):
    """Whose weights have the column's half in front."""
    theirs = build_2d_sinusoidal_position_embedding(side, side, dim).roll(dim // 2, dims=1)
    torch.testing.assert_close(sincos_positions(side, dim), theirs)


def test_only_hidden_patches_count_and_flat_ones_are_no_trouble():
    """Two of the four patches of two pixels each way; painted right but for 1 in one pixel."""
    images = normal(1, 3, 4, 4)
    images[:, :, :2, :2] = 0.5  # patch 0 is flat: its target is 0
    pixels = patchify(images, 2).double()
    target = (pixels - pixels.mean(-1, True)) / (pixels.var(-1, keepdim=True) + 1e-6).sqrt()
    painted = target.float()
    painted[0, 3, 0] += 1.0
    painted[0, 1] += 100.0  # visible
    hidden = torch.tensor([[0, 3]])
    assert mae_loss(painted, images, hidden).item() == pytest.approx(1 / (2 * 12), rel=1e-5)
    painted.requires_grad_()
    mae_loss(painted, images, hidden).backward()
    assert not painted.grad[0, [0, 1, 2]].abs().gt(1e-6).any() and painted.grad[0, 3].any()


def test_gradients_are_those_of_differences(monkeypatch):
    """In float64, where ``.float()`` is switched off."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    predicted, images = normal(2, 4, 12).double().requires_grad_(), normal(2, 3, 4, 4).double()
    hidden = torch.tensor([[0, 3, 1], [2, 1, 0]])
    assert torch.autograd.gradcheck(lambda p: mae_loss(p, images, hidden), (predicted,))


# ---------------------------------------------------------------- the whole model

# Our names of parameters, and those of transformers.
RENAMED = {
    "backbone.cls_token": "vit.embeddings.cls_token",
    "backbone.pos_embed": "vit.embeddings.position_embeddings",
    "backbone.patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
    "backbone.norm": "vit.layernorm",
    "backbone.blocks": "vit.layers",
    "decoder.blocks": "decoder.decoder_layers",
    "decoder.embed": "decoder.decoder_embed",
    "decoder.norm": "decoder.decoder_norm",
    "decoder.pixels": "decoder.decoder_pred",
    ".norm1": ".layernorm_before",
    ".norm2": ".layernorm_after",
    ".attn.proj": ".attention.o_proj",
}


def in_their_names(ours: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {}
    for name, value in ours.items():
        for mine, theirs in RENAMED.items():
            name = name.replace(mine, theirs)
        if ".attn.qkv" in name:
            for part, v in zip("qkv", value.chunk(3), strict=True):
                renamed[name.replace(".attn.qkv", f".attention.{part}_proj")] = v
        else:
            renamed[name] = value
    return renamed


def transformers_twin(ours: MaskedAutoencoder, c: TrainConfig) -> ViTMAEForPreTraining:
    """Hugging Face's model with our weights, and its own positions in the decoder."""
    width = ours.decoder.embed.out_features
    settings = ViTMAEConfig(
        hidden_size=c.embed_dim, num_hidden_layers=c.depth, num_attention_heads=c.num_heads,
        intermediate_size=4 * c.embed_dim, image_size=c.global_size, patch_size=c.patch_size,
        decoder_hidden_size=width, decoder_num_hidden_layers=len(ours.decoder.blocks),
        decoder_num_attention_heads=c.num_heads, decoder_intermediate_size=4 * width,
        layer_norm_eps=1e-6, mask_ratio=0.75, norm_pix_loss=True,
    )  # fmt: skip
    theirs = ViTMAEForPreTraining(settings)
    theirs.decoder.initialize_weights((c.global_size // c.patch_size) ** 2)  # or they stay at 0
    lacking, unknown = theirs.load_state_dict(in_their_names(ours.state_dict()), strict=False)
    assert lacking == ["decoder.decoder_pos_embed"] and unknown == []
    return theirs


@pytest.mark.parametrize("changes", [{}, {"embed_dim": 64, "num_heads": 2, "depth": 6}])
def test_the_whole_model_is_transformers(config, changes):
    """Loss, painted pixels, which patches were hidden, and every parameter's gradient."""
    c = replace(config, **changes)
    torch.manual_seed(0)
    ours = MaskedAutoencoder(c)
    for p in ours.parameters():  # no bias left at 0 and no gain at 1
        p.data.add_(0.05 * torch.randn_like(p))
    theirs = transformers_twin(ours, c)
    images, noise = normal(4, 3, c.global_size, c.global_size), uniform(4, 36, seed=1)
    predicted, hidden = ours(images, noise)
    loss = mae_loss(predicted, images, hidden)
    want = theirs(images, noise=noise)
    torch.testing.assert_close(predicted, want.logits, rtol=1e-4, atol=1e-5)
    mask = torch.zeros(4, 36).scatter(1, hidden, 1.0)
    assert torch.equal(mask, want.mask) and mask.sum(1).tolist() == [27] * 4
    print(f"MAE's loss differs by {abs(loss - want.loss).item():.1e} of {want.loss.item():.3f}")
    torch.testing.assert_close(loss, want.loss, rtol=1e-5, atol=0)
    loss.backward()
    want.loss.backward()
    mine = in_their_names({n: p.grad for n, p in ours.named_parameters()})
    mine.pop("vit.embeddings.position_embeddings")  # learned here, fixed there
    for name, p in theirs.named_parameters():
        if p.requires_grad:
            torch.testing.assert_close(mine.pop(name), p.grad, rtol=1e-3, atol=1e-6, msg=name)
    assert not mine


def test_the_encoder_sees_the_visible_patches_alone(config):
    """What lies in hidden ones changes nothing of the painting, and no block gets them."""
    net, seen = MaskedAutoencoder(config), []
    for block in net.backbone.blocks:
        block.register_forward_hook(lambda _, x, y: seen.append(y.shape[1]))
    noise, images = uniform(2, 36), normal(2, 3, 36, 36)
    painted, hidden = net(images, noise)
    assert seen == [1 + 9] * config.depth
    pixels = patchify(images, 6)
    other = pixels.scatter(1, hidden[..., None].expand(-1, -1, 108), 7.0)
    back = other.unflatten(1, (6, 6)).unflatten(-1, (6, 6, 3))  # b h w p q c
    other_images = back.permute(0, 5, 1, 3, 2, 4).reshape(2, 3, 36, 36)
    assert torch.equal(net(other_images, noise)[0], painted)
    assert not torch.allclose(net(images + 1, noise)[0], painted)
    assert not torch.allclose(net(images, uniform(2, 36, seed=3))[0], painted)


def test_the_decoder_has_the_papers_proportions():
    def decoder(dim: int, depth: int, heads: int) -> Decoder:
        sizes = dict(embed_dim=dim, depth=depth, num_heads=heads, grid=2, patch_size=2)
        return Decoder(SimpleNamespace(**sizes))

    large = decoder(1024, 24, 16)
    assert (large.embed.out_features, len(large.blocks)) == (512, 8)
    odd = decoder(15, 1, 5)
    assert odd(normal(2, 2, 15), shuffle(uniform(2, 4))[1]).shape == (2, 4, 12)


# ---------------------------------------------------------------- runs


def some_images(c: TrainConfig, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    size = (c.batch_size, 3, c.image_size, c.image_size)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=g)


def test_one_view_of_true_colours(config):
    """An image of one colour keeps it; nothing is blurred, turned gray or inverted."""
    trainer = make_trainer(config, 6, CPU, Engine())
    flat = torch.tensor([200, 30, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(16, 3, 60, 60)
    globals_, locals_ = trainer.crops(flat, torch.Generator().manual_seed(0))
    assert globals_.shape == (16, 3, 36, 36) and len(locals_) == 0
    torch.testing.assert_close(globals_, globals_[:1, :, :1, :1].expand_as(globals_))


def test_masks_differ_from_image_to_image_and_step_to_step(config):
    trainer, views = make_trainer(config, 6, CPU, Engine()), (torch.zeros(16, 3, 36, 36), None)
    _, first = trainer._shown(views, None)
    assert torch.equal(first, trainer._shown(views, None)[1])
    trainer.now += 1
    rows = torch.cat([first, trainer._shown(views, None)[1]]).argsort(dim=1)
    assert len(rows.unique(dim=0)) == 32


def test_memory_saved_changes_nothing(config):
    c = replace(config, batch_size=16)
    engines = (Engine(), Engine(checkpoint_activations=True), Engine(accumulate=4))
    trainers = [make_trainer(c, 6, CPU, engine) for engine in engines]
    losses = torch.tensor([[t.step(some_images(c, i))["loss"] for i in range(2)] for t in trainers])
    torch.testing.assert_close(losses, losses[:1].expand(3, -1), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbone": "resnet18"}, "resnet18 has none"),
        ({"global_size": 6, "local_size": 6}, "none is left to see; try --global-size 12"),
    ],
)
def test_what_cannot_be_is_one_line(config, changes, said):
    with pytest.raises(UserError, match=said) as error:
        make_trainer(replace(config, **changes), 6, CPU, Engine())
    assert "\n" not in str(error.value)


def test_a_recipe_keeps_its_colours_for_the_others():
    assert recipe("things", objective="mae").appearance.jitter_p == 0
    assert recipe("things").appearance.jitter_p > 0
