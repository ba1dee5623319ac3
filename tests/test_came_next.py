"""The exercises of notebook 13 beside lightly and transformers, which have the same pieces."""

from types import SimpleNamespace

import pytest
import torch
from lightly.loss import IBOTPatchLoss, KoLeoLoss
from test_notebooks import set_up, solution
from torch import nn
from transformers import DINOv3ViTConfig
from transformers.models.dinov3_vit import modeling_dinov3_vit as dinov3
from transformers.models.vit_mae.modeling_vit_mae import ViTMAEEmbeddings


def solved(exercise: str, name: str):
    namespace = dict(set_up("13", exercise))
    exec(solution("13", exercise), namespace)
    return namespace[name]


def test_koleo_is_lightlys():
    x = 3 * torch.randn(9, 5)
    assert solved("13-1", "koleo")(x) == pytest.approx(KoLeoLoss()(x).item(), abs=1e-6)


def test_ibot_is_lightlys():
    """Theirs is given the hidden patches' logits, ours two networks; one image hides none."""
    student, teacher = nn.Linear(4, 6), nn.Linear(4, 6)
    patches, token = torch.randn(3, 9, 4), torch.randn(4)
    mask = torch.rand(3, 9) < 0.4
    mask[1] = False
    theirs = IBOTPatchLoss(6, teacher_temp=0.07, student_temp=0.2)
    theirs.center.center = center = torch.randn(1, 6)
    hidden = token.expand(int(mask.sum()), -1)
    want = theirs(teacher(patches[mask]), student(hidden), mask.view(3, 3, 3))
    ours = solved("13-2", "ibot_loss")
    got = ours(student, teacher, patches, token, mask, center[0], 0.2, 0.07)
    assert got.item() == pytest.approx(want.item(), abs=1e-5)


@pytest.mark.parametrize(("h", "w"), [(3, 3), (2, 5)])
def test_rope_is_dinov3s_in_transformers(h, w):
    config = DINOv3ViTConfig(hidden_size=32, num_attention_heads=2, patch_size=4)
    embedding = dinov3.DINOv3ViTRopePositionEmbedding(config).eval()
    cos, sin = embedding(torch.zeros(1, 3, 4 * h, 4 * w))
    q = torch.randn(2, 2, 5 + h * w, 16)
    want, _ = dinov3.apply_rotary_pos_emb(q, q, cos, sin)
    torch.testing.assert_close(solved("13-4", "rope")(q, h, w, 100.0), want)


def test_the_shuffle_is_that_of_transformers_mae():
    tokens, noise, token = torch.randn(3, 12, 5), torch.rand(3, 12), torch.randn(5)
    settings = SimpleNamespace(config=SimpleNamespace(mask_ratio=0.75))
    kept, mask, restore = ViTMAEEmbeddings.random_masking(settings, tokens, noise)
    line = torch.cat([2 * kept, token.expand(3, 9, -1)], dim=1)
    want = line.gather(1, restore[..., None].expand(-1, -1, 5))
    got = solved("13-6", "mask_and_restore")(tokens, noise, 3, lambda x: 2 * x, token)
    torch.testing.assert_close(got[0], want)
    assert torch.equal(got[1], mask)
