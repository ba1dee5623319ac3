"""Attention maps, mass masks and Jaccard against NumPy, scikit-learn and a hand-worked case."""

import contextlib
import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torch.utils._python_dispatch import TorchDispatchMode

from minidino.attention import (
    attention_maps,
    jaccard,
    mass_mask,
    score_attention,
    upsample_mask,
)
from minidino.pixels import normalize
from minidino.vit import VisionTransformer


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    vit = VisionTransformer(32, 8, embed_dim=24, depth=2, num_heads=3).eval()
    for p in vit.parameters():  # weights large enough that attention is far from uniform
        torch.nn.init.normal_(p, std=0.3)
    return vit


def test_maps_are_the_cls_row_of_the_last_block_as_a_grid(model):
    """The last block's softmax worked out from its weights, patch (row, column) by patch."""
    x = torch.randn(2, 3, 24, 40)
    maps = attention_maps(model, x)
    assert maps.shape == (2, 3, 3, 5)
    block = model.blocks[-1]
    with torch.no_grad():
        tokens = model.blocks[0](model.prepare_tokens(x))
        q, k, _ = block.attn.qkv(block.norm1(tokens)).double().split(24, dim=-1)
        for head in range(3):
            part = slice(8 * head, 8 * head + 8)
            scores = (k[..., part] @ q[:, 0, part, None])[..., 0] / 8**0.5
            row = scores.exp() / scores.exp().sum(-1, keepdim=True)
            for r in range(3):
                for c in range(5):
                    expected = row[:, 1 + 5 * r + c]
                    torch.testing.assert_close(
                        maps[:, head, r, c].double(), expected, atol=1e-5, rtol=0
                    )


def test_pictures_are_sent_to_the_models_device(model, monkeypatch):
    """What ``train`` returns lies on the GPU, if there is one; what ``normalize`` returns not."""
    monkeypatch.setattr("torch.autocast", lambda *_, **__: contextlib.nullcontext())
    there, seen = copy.deepcopy(model).to("meta"), []
    there.patch_embed.register_forward_pre_hook(lambda _, x: seen.append(x[0].device.type))
    for query in ({}, {"patch": (1, 2)}):
        assert attention_maps(there, torch.zeros(2, 3, 32, 32), **query).device.type == "meta"
    assert seen == ["meta", "meta"]


def test_maps_of_a_large_picture_need_no_row_but_that_of_cls(model):
    """All rows of 480 x 480 px in patches of 8 px would be 311 MB for six heads."""
    probabilities = []

    class Softmaxes(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if function is torch.ops.aten._softmax.default:
                probabilities.append(tuple(result.shape))
            return result

    with Softmaxes():
        attention_maps(model, torch.randn(1, 3, 32, 32))
    assert probabilities[-1] == (1, 3, 17)


def test_cls_to_cls_is_left_out(model):
    x = torch.randn(2, 3, 32, 32)
    total = attention_maps(model, x).sum((-1, -2))
    to_itself = model.get_last_selfattention(x)[:, :, 0, 0]
    torch.testing.assert_close(total, 1 - to_itself)
    assert (total < 0.9999).all()


def test_mass_mask_worked_by_hand():
    maps = torch.tensor([[[0.40, 0.05], [0.25, 0.30]], [[0.7, 0.1], [0.1, 0.1]]])
    expected = [[[True, False], [False, True]], [[True, False], [False, False]]]
    assert mass_mask(maps).tolist() == expected  # 0.40 + 0.30 reach 0.6; 0.7 does alone


def test_mass_mask_is_the_smallest_set_holding_the_mass():
    """Against a loop over sorted patches in NumPy, for unnormalised maps of any shape."""
    maps = torch.rand(4, 3, 5, 7, generator=torch.Generator().manual_seed(0)) ** 3 * 9
    for keep in (0.1, 0.6, 0.95):
        masks = mass_mask(maps, keep)
        assert masks.shape == maps.shape and masks.dtype == torch.bool
        for one, mask in zip(maps.flatten(0, 1), masks.flatten(0, 1), strict=True):
            values = np.sort(one.double().numpy().ravel())[::-1]
            size = int(np.searchsorted(values.cumsum(), keep * values.sum())) + 1
            assert mask.sum() == size
            assert one[mask].min() >= one[~mask].max()


def test_mass_mask_of_everything_and_of_nothing_sensible():
    assert mass_mask(torch.rand(3, 4) + 0.1, keep=1.0).all()
    for keep in (0.0, 1.2, -1):
        with pytest.raises(ValueError, match="keep"):
            mass_mask(torch.rand(3, 4), keep)


def test_jaccard_is_scikit_learns():
    g = torch.Generator().manual_seed(0)
    a, b = (torch.rand(6, 2, 9, 11, generator=g) > 0.6 for _ in range(2))
    ours = jaccard(a, b)
    assert ours.shape == (6, 2)
    for i in range(6):
        for j in range(2):
            theirs = jaccard_score(a[i, j].flatten().numpy(), b[i, j].flatten().numpy())
            assert ours[i, j].item() == pytest.approx(theirs, abs=1e-6)


def test_jaccard_of_two_empty_masks_is_perfect():
    empty, full = torch.zeros(4, 4, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool)
    assert jaccard(empty, empty) == 1 and jaccard(empty, full) == 0


def test_void_pixels_count_for_neither_side():
    """By hand: of 6 pixels the last two are void. 1 of 3 without them; with them 2 of 5."""
    mask = torch.tensor([[True, True, False], [False, True, True]])
    target = torch.tensor([[True, False, True], [False, True, False]])
    valid = torch.tensor([[True, True, True], [True, False, False]])
    assert jaccard(mask, target).item() == pytest.approx(2 / 5)
    assert jaccard(mask, target, valid).item() == pytest.approx(1 / 3)
    both = jaccard(torch.stack([mask, target]), target, valid)
    assert both.tolist() == pytest.approx([1 / 3, 1])


def test_upsampling_repeats_each_patch():
    mask = torch.rand(2, 3, 4, 5) > 0.5
    expected = mask.repeat_interleave(8, -2).repeat_interleave(8, -1)
    assert torch.equal(upsample_mask(mask, (32, 40)), expected)


def test_scores_are_those_of_each_image_alone(model):
    images = torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8)
    truth = torch.rand(7, 32, 32) > 0.7
    scores = score_attention(model, images, truth, batch_size=3)
    assert scores.per_image.shape == (7, 3)
    best = []
    for i in range(7):
        maps = attention_maps(model, normalize(images[i : i + 1]))[0].numpy()
        each = []
        for one in [*maps, maps.mean(0)]:
            order = np.argsort(-one.ravel())
            n = int(np.searchsorted(one.ravel()[order].cumsum(), 0.6 * one.sum())) + 1
            mask = np.zeros(16, bool)
            mask[order[:n]] = True
            mask = np.kron(mask.reshape(4, 4), np.ones((8, 8))).astype(bool)
            each.append(jaccard_score(mask.ravel(), truth[i].numpy().ravel()))
        assert scores.per_image[i].tolist() == pytest.approx(each[:3], abs=1e-5)
        assert scores.mean_map[i].item() == pytest.approx(each[3], abs=1e-5)
        best.append(max(each[:3]))
    assert scores.best_head == pytest.approx(np.mean(best), abs=1e-5)
    torch.testing.assert_close(scores.heads, scores.per_image.mean(0))
