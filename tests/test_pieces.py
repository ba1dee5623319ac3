"""What successors add to DINO, piece by piece: against other libraries and float64 by hand."""

import copy
import random
import tempfile
from dataclasses import replace

import pytest
import timm
import torch
import torch.nn.functional as F
import transformers
from lightly.loss import IBOTPatchLoss, KoLeoLoss
from PIL import Image

from minidino import cli
from minidino.attention import attention_maps
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.limits import pieces_of
from minidino.run.checkpoint import load_checkpoint, resume, save_checkpoint
from minidino.run.objectives import make_trainer
from minidino.run.plan import one_epoch
from minidino.successors.gram import gram_loss
from minidino.successors.ibot import (
    MaskedCrops,
    at,
    block_mask,
    hidden_patches,
    patch_loss,
    see_masked,
)
from minidino.successors.koleo import koleo
from minidino.successors.registers import RegisterViT
from minidino.successors.sinkhorn import SinkhornLoss
from minidino.successors.trainer import Criterion, SuccessorTrainer
from minidino.successors.vit_rope import RotaryViT
from minidino.successors.vit_v3 import VisionTransformerV3
from minidino.train import train
from minidino.trainer import Trainer, seed_of
from minidino.weights.pretrained import load_trained

CPU = torch.device("cpu")
PIECES = {
    "registers": {"registers": 4},
    "rope": {"positions": "rope"},
    "ibot": {"ibot": 1.0},
    "gram": {"gram": 1e-6},  # from the first step on
    "all": {
        "registers": 2,
        "positions": "rope",
        "koleo": 0.1,
        "centering": "sinkhorn",
        "ibot": 1.0,
        "gram": 0.2,
    },
    "koleo": {"koleo": 0.1},
    "sinkhorn": {"centering": "sinkhorn"},
}


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def some_images(config, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    size = (config.batch_size, 3, config.image_size, config.image_size)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=g)


@pytest.fixture
def config(tiny_config):
    """18 steps in 3 epochs."""
    return replace(tiny_config, batch_size=16, knn_evals=0, snapshots=0)


# ---------------------------------------------------------------- KoLeo


@pytest.mark.parametrize(("n", "d"), [(2, 3), (9, 5), (32, 16)])
def test_koleo_is_lightlys(n, d):
    x = rows(n, d).requires_grad_()
    ours, theirs = koleo(x), KoLeoLoss()(x)
    torch.testing.assert_close(ours, theirs)
    gradients = (torch.autograd.grad(loss, x)[0] for loss in (ours, theirs))
    torch.testing.assert_close(*gradients)


def test_koleo_by_hand():
    """Directions of 0, 60 and 180 degrees: chords of 1, 1 and sqrt 3."""
    x = torch.tensor([[2.0, 0.0], [0.5, 3**0.5 / 2], [-7.0, 0.0]])
    assert koleo(x).item() == pytest.approx(-0.5 * torch.tensor(3.0).log().item() / 3, rel=1e-5)
    assert koleo(torch.ones(4, 3)).isfinite()  # all the same: a large number, no infinity


# ---------------------------------------------------------------- Sinkhorn


@pytest.mark.parametrize(("n", "k"), [(8, 4), (6, 12)])
def test_sinkhorn_targets_in_float64(n, k):
    """As the official code of DINOv2 has it: sums over samples first, then over prototypes."""
    logits, temp = rows(n, k) / 5, 0.04
    q = (logits.double() / temp).exp().T
    q /= q.sum()
    for _ in range(3):
        q /= q.sum(dim=1, keepdim=True) * k
        q /= q.sum(dim=0, keepdim=True) * n
    criterion = SinkhornLoss(k)
    got = criterion.targets(logits, torch.tensor(temp))
    torch.testing.assert_close(got.double(), (q * n).T, rtol=1e-5, atol=1e-7)
    criterion.update_center(logits)
    assert not criterion.center.any()


# ---------------------------------------------------------------- registers


@torch.no_grad()
def test_registers_are_timms():
    """A ViT of timm's with the same weights, whose positions, too, are for [CLS] and patches."""
    torch.manual_seed(0)
    ours = RegisterViT(32, 8, embed_dim=24, depth=2, num_heads=3, registers=4)
    theirs = timm.models.VisionTransformer(
        32, 8, embed_dim=24, depth=2, num_heads=3, num_classes=0, reg_tokens=4,
        no_embed_class=True,
    )  # fmt: skip
    weights = ours.state_dict()
    weights["cls_token"] = weights["cls_token"] + weights["pos_embed"][:, :1]
    weights["pos_embed"] = weights["pos_embed"][:, 1:]
    weights["reg_token"] = weights.pop("register_tokens")
    theirs.load_state_dict(weights)
    x = torch.randn(2, 3, 32, 32)
    tokens = theirs.forward_features(x)
    torch.testing.assert_close(ours(x), tokens[:, 0], rtol=1e-4, atol=1e-5)
    patches = ours.forward_features(x)[:, 1:]
    torch.testing.assert_close(patches, tokens[:, 5:], rtol=1e-4, atol=1e-5)
    assert ours.get_last_selfattention(x).shape == (2, 3, 17, 17)
    whole = ours.get_last_selfattention(x, registers=True)
    assert whole.shape == (2, 3, 21, 21)
    maps = attention_maps(ours, x)
    torch.testing.assert_close(maps.flatten(2), whole[:, :, 0, 5:])
    assert ours(torch.randn(1, 3, 16, 40)).shape == (1, 24)


# ---------------------------------------------------------------- RoPE


@torch.no_grad()
@pytest.mark.parametrize("registers", [1, 4])
def test_rope_is_hugging_faces(registers):
    """DINOv3's ViT with a LayerScale of 1."""
    torch.manual_seed(0)
    sizes = {"embed_dim": 24, "depth": 2, "num_heads": 3}
    ours = RotaryViT(32, 8, **sizes, registers=registers)
    theirs = transformers.DINOv3ViTModel(
        transformers.DINOv3ViTConfig(
            image_size=32, patch_size=8, hidden_size=24, num_hidden_layers=2, layer_norm_eps=1e-6,
            num_attention_heads=3, intermediate_size=96, num_register_tokens=registers,
            key_bias=True, layerscale_value=1.0, attn_implementation="eager",
        )
    ).eval()  # fmt: skip
    v3 = VisionTransformerV3(32, 8, **sizes, registers=registers)
    theirs.save_pretrained(folder := tempfile.mkdtemp())
    loaded = load_trained(folder, 3).backbone.state_dict()
    ours.load_state_dict({k: v for k, v in loaded.items() if ".ls" not in k}, strict=False)
    assert set(ours.state_dict()) - set(v3.state_dict()) == {"rope_embed.periods"}
    for size in ((32, 32), (16, 40)):
        x = torch.randn(2, 3, *size)
        out = theirs(x, output_attentions=True)
        tokens, attention = out.last_hidden_state, out.attentions[-1]
        torch.testing.assert_close(ours(x), tokens[:, 0], rtol=1e-4, atol=1e-5)
        features = ours.forward_features(x)[:, 1:]
        torch.testing.assert_close(features, tokens[:, 1 + registers :], rtol=1e-4, atol=1e-5)
        kept = attention[:, :, 0, 1 + registers :]
        torch.testing.assert_close(attention_maps(ours, x).flatten(2), kept, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- iBOT


@pytest.mark.parametrize("side", [3, 6, 14])
def test_blocks_are_hidden_and_no_more_than_asked(side):
    chance = random.Random(0)
    shares = [0.1 + 0.4 * i / 199 for i in range(200)]
    masks = [block_mask(side, share, chance) for share in shares]
    for mask, share in zip(masks, shares, strict=True):
        assert 1 <= mask.sum() <= max(share * side**2, 1)
    hidden = torch.stack(masks).float().mean().item()
    assert 0.8 * 0.3 < hidden + 0.5 / side**2 <= 0.31
    if side == 14:  # blocks: a hidden patch has hidden neighbours
        inner = torch.stack(masks).float()
        beside = (inner[:, :, 1:] * inner[:, :, :-1]).sum() / inner[:, :, 1:].sum()
        assert beside > 0.65


def test_masks_are_drawn_for_the_whole_batch(config):
    """Of one view of each image; crops are those without masks; parts get what is theirs."""
    plain = Trainer(config, 6, CPU, Engine()).crops
    masked, images = MaskedCrops(plain, 6), some_images(config)
    globals_, masks, locals_ = masked(images, torch.Generator().manual_seed(3))
    for a, b in zip(
        (globals_, locals_), plain(images, torch.Generator().manual_seed(3)), strict=True
    ):
        assert torch.equal(a, b)
    per_view = masks.view(2, 16, 36).sum(dim=2)
    assert ((per_view > 0).sum(dim=0) <= 1).all() and (per_view > 0).sum() >= 14
    assert (per_view > 0).any(dim=1).all()
    halves = [masked(half, torch.Generator().manual_seed(3), (i, 2))[1].view(2, 8, 36)
              for i, half in enumerate(images.chunk(2))]  # fmt: skip
    assert torch.equal(torch.cat(halves, dim=1), masks.view(2, 16, 36))


def test_the_patch_loss_is_lightlys():
    """Of the masked tokens in order of the views; ours are in order of the images."""
    n, side, k = 5, 4, 7
    masks, g = torch.zeros(2 * n, side * side, dtype=torch.bool), random.Random(1)
    for i in range(n):
        masks[i + n * (i % 2)] = block_mask(side, 0.5, g).flatten()
    student, teacher = (rows(2 * n * side**2, k, i).view(2 * n, -1, k) / 3 for i in (0, 1))
    student.requires_grad_()
    center = rows(1, k, 2) / 9
    theirs = IBOTPatchLoss(k, teacher_temp=0.05, student_temp=0.1)
    theirs.center.center.copy_(center)
    want = theirs(teacher[masks], student[masks], masks.view(-1, side, side))
    index, real = hidden_patches(masks)
    q = ((at(teacher, index) - center) / 0.05).softmax(dim=-1)
    got = patch_loss(at(student, index) / 0.1, q, real)
    torch.testing.assert_close(got, want)
    gradients = (torch.autograd.grad(loss, student)[0] for loss in (got, want))
    torch.testing.assert_close(*gradients)


@torch.no_grad()
@pytest.mark.parametrize("piece", [{}, {"registers": 2}, {"registers": 1, "positions": "rope"}])
def test_a_hidden_patch_is_not_seen(piece, config):
    student = make_trainer(replace(config, ibot=1.0, **piece), 6, CPU, Engine()).student.eval()
    vit, x = student.backbone, torch.randn(2, 3, 36, 36)
    masks = torch.zeros(2, 36, dtype=torch.bool)
    none = see_masked(vit, x, masks, student.mask_token)
    torch.testing.assert_close(none, vit.forward_features(x))
    masks[:, 7] = True  # row 1, column 1
    token = student.mask_token + 0.3
    seen = see_masked(vit, x, masks, token)
    other = x.clone()
    other[:, :, 6:12, 6:12] = 9.0
    torch.testing.assert_close(see_masked(vit, other, masks, token), seen)
    assert (vit.forward_features(other) - vit.forward_features(x)).abs().max() > 1e-3
    # What a patch embedding that gives the token would make of it.
    hook = vit.patch_embed.register_forward_hook(
        lambda *a: torch.where(masks[..., None], token, a[-1])
    )
    torch.testing.assert_close(vit.forward_features(x), seen)
    hook.remove()


def test_a_step_with_ibot_by_hand(config):
    """The teacher sees whole views; a center of its own moves to the mean of the hidden patches."""
    c = replace(config, ibot=0.7, drop_path_rate=0.0)
    t = make_trainer(c, 6, CPU, Engine())
    images = some_images(c)
    seed = seed_of(c.seed, "step", 0)
    globals_, masks, _ = t.crops(images, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        teacher = t.teacher.patch_head(t.teacher.backbone.forward_features(globals_)[:, 1:])
        tokens = see_masked(t.student.backbone, globals_, masks, t.student.mask_token)
        student = t.student.patch_head(tokens[:, 1:])
    q = (teacher.double() / c.teacher_temp).softmax(dim=-1)
    each = -(q * (student.double() / c.student_temp).log_softmax(dim=-1)).sum(dim=-1)
    means = [(each[i][m].mean() if m.any() else torch.zeros(())) for i, m in enumerate(masks)]
    before = t.student.patch_head.last_layer.weight_v.clone()
    found = t.step(images)
    torch.testing.assert_close(found["ibot"].double(), 0.7 * torch.stack(means).mean().double())
    mean = teacher[masks].mean(dim=0, keepdim=True)
    torch.testing.assert_close(t.criterion.patches.center, 0.1 * mean)
    assert torch.equal(t.student.patch_head.last_layer.weight_v, before)  # frozen at first
    t.step(images)  # the first had a learning rate of 0
    assert t.student.mask_token.abs().max() > 0


def test_sinkhorn_over_hidden_patches_gives_no_share_to_what_fills_up(config):
    c = replace(config, ibot=1.0, centering="sinkhorn", student_temp=1.0)
    masks = torch.zeros(32, 36, dtype=torch.bool)
    for i in range(16):
        masks[i + 16 * (i % 2), : 2 + i] = True
    _, real = hidden_patches(masks)
    teacher = rows(16 * 18, 32).view(16, 18, 32) / 9
    criterion = Criterion(c, torch.nn.Identity())
    zero = torch.zeros(16, 18, 32)
    # Against log-probabilities of one prototype the loss is linear in that column of the targets.
    q = (teacher[real].double() / 0.04).exp().T
    for _ in range(3):
        q = q / q.sum(dim=1, keepdim=True)
        q = q / q.sum(dim=0, keepdim=True)
    spread = rows(1, 32, 5).expand(16, 18, 32)
    loss, _ = criterion.at_patches(spread, teacher, masks, torch.tensor(0.04))
    each = -(q.T * spread[0, 0].double().log_softmax(dim=-1)).sum(dim=-1)
    weights = (real / real.sum(dim=1, keepdim=True))[real]
    torch.testing.assert_close(loss.double(), (each * weights).sum() / 32, rtol=1e-5, atol=1e-6)
    assert criterion.at_patches(zero, teacher, masks, torch.tensor(0.04))[0].isfinite()


# ---------------------------------------------------------------- Gram anchoring


def test_the_gram_loss_in_float64():
    """Pair by pair; features may be scaled and turned, and have another width."""
    x, y = rows(3 * 5, 4).view(3, 5, 4), rows(3 * 5, 6, 1).view(3, 5, 6)
    want = sum(
        (F.cosine_similarity(a[i], a[j], dim=0) - F.cosine_similarity(b[i], b[j], dim=0)) ** 2
        for a, b in zip(x.double(), y.double(), strict=True)
        for i in range(5)
        for j in range(5)
    )
    torch.testing.assert_close(gram_loss(x, y).double(), want / 75, rtol=1e-5, atol=1e-7)
    turn = torch.linalg.qr(rows(4, 4, 2))[0]
    assert gram_loss(x, 3 * x @ turn).item() < 1e-12


def test_the_anchor_is_the_teacher_of_its_epoch(config):
    """0 before; then 0 to what the student's step has changed; the anchor stands still."""
    c = replace(config, gram=0.5, drop_path_rate=0.0, teacher_momentum=0.5, warmup_epochs=0)
    t = make_trainer(c, 6, CPU, Engine())
    for i in range(3):
        assert t.step(some_images(c, i))["gram"] == 0
    then = copy.deepcopy(t.teacher.backbone).eval()
    images = some_images(c, 3)
    seed = seed_of(c.seed, "step", 3)
    globals_, _ = t.crops(images, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        x, y = (F.normalize(vit.forward_features(globals_)[:, 1:].double(), dim=-1)
                for vit in (t.student.backbone, then))  # fmt: skip
    want = 2 * ((x @ x.mT - y @ y.mT) ** 2).mean()
    found = t.step(images)
    assert found["gram"].item() == pytest.approx(want.item(), rel=1e-3) and want > 1e-6
    t.step(some_images(c, 4))
    for name, v in then.state_dict().items():
        assert torch.equal(t.criterion.anchor.state_dict()[name], v), name
    assert not torch.equal(then.cls_token, t.teacher.backbone.cls_token)


def test_a_shorter_training_anchors_as_early_in_it(config):
    assert replace(config, epochs=10, gram=5).with_epochs(4).gram == 2
    timed = one_epoch(replace(config, epochs=10, gram=5, warmup_epochs=10))
    assert make_trainer(timed, 100, CPU, Engine()).anchored_at == 0


# ---------------------------------------------------------------- steps


def test_a_step_with_koleo_by_hand(config):
    """The first step's loss: DINO's, and the sum over both global views of the student's [CLS]."""
    c = replace(config, koleo=0.3, drop_path_rate=0.0)
    plain = Trainer(replace(c, koleo=0.0), 6, CPU, Engine())
    pieced = make_trainer(c, 6, CPU, Engine())
    views, _ = pieced.crops(some_images(c), torch.Generator().manual_seed(1))
    torch.testing.assert_close(pieced.student.backbone(views), plain.student.backbone(views))
    seen = []
    pieced.student.backbone.norm.register_forward_hook(lambda *a: seen.append(a[-1][:, 0].detach()))
    found, without = pieced.step(some_images(c)), plain.step(some_images(c))
    cls = F.normalize(seen[0].double(), dim=1).chunk(2)
    nearest = [(torch.cdist(x, x) + 9 * torch.eye(len(x))).amin(dim=1) for x in cls]
    want = -0.3 * sum(d.log().mean() for d in nearest)
    torch.testing.assert_close(found["koleo"].double(), want, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["loss"], without["loss"] + found["koleo"])


def test_without_pieces_the_trainer_is_dinos(config):
    assert type(make_trainer(config, 6, CPU)) is Trainer
    assert pieces_of(config) == []
    for changes in PIECES.values():
        assert type(make_trainer(replace(config, **changes), 6, CPU)) is SuccessorTrainer


@pytest.mark.parametrize("piece", PIECES)
def test_a_stopped_run_goes_on_bit_by_bit(piece, config, tmp_path):
    """Three steps, or two, a checkpoint, and the third."""
    c = replace(config, **PIECES[piece])

    def steps(trainer: Trainer, upto: int) -> Trainer:
        while trainer.now < upto:
            trainer.step(some_images(c, trainer.now))
        return trainer

    whole = steps(make_trainer(c, 6, CPU, Engine()), 2)
    save_checkpoint(tmp_path / "c.pt", whole.state_dict())
    resumed = make_trainer(c, 6, CPU, Engine())
    resume(resumed, load_checkpoint(tmp_path / "c.pt"), "c.pt")
    one, other = steps(whole, 3).state_dict(), steps(resumed, 3).state_dict()
    for part in ("student", "teacher", "loss"):
        for name, v in one[part].items():
            assert torch.equal(v, other[part][name]), (part, name)


def test_all_pieces_train_together(config, tmp_path):
    """What pieces add to the loss is logged, and not counted to the KL divergence."""
    c = replace(config, epochs=1, **PIECES["all"])
    result = train(c, tmp_path / "run", progress=False, device="cpu", engine=Engine())
    assert len(result.history) == 6
    for line in result.history:
        added = line["koleo"] + line["ibot"] + line["gram"]
        assert line["loss"] == pytest.approx(line["entropy"] + line["kl"] + added, rel=1e-5)
        assert line["kl"] > 0
    assert result.history[0]["gram"] == 0 and result.history[-1]["gram"] > 0


@pytest.mark.parametrize("pieces", [PIECES["registers"], PIECES["rope"] | {"registers": 2}])
def test_a_backbone_of_ones_own_is_used_by_every_command(pieces, config, tmp_path, capsys):
    run, data = tmp_path / "run", ["--data", str(tmp_path / "photos")]
    c = replace(config, epochs=1, snapshots=2, **pieces)
    result = train(c, run, progress=False, device="cpu")
    trained, x = load_trained(run), torch.randn(2, 3, 36, 48)
    with torch.no_grad():
        assert torch.equal(trained.backbone(x), result.backbone(x))
    assert type(trained.random()) is type(trained.backbone)
    for i in range(20):
        picture = torch.randint(0, 256, (60, 66, 3), generator=torch.Generator().manual_seed(i))
        file = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.byte().numpy()).save(file)
    one = str(next((tmp_path / "photos").rglob("*.png")))
    file = tmp_path / "e.safetensors"
    for command in (
        ["knn", str(run), *data],
        ["linear", str(run), *data],
        ["attend", str(run), *data],
        ["segment", str(run), *data, "--by", "pca", "--out", str(tmp_path / "masks")],
        ["retrieve", str(run), one, *data],
        ["export", str(run), "--to", "safetensors", "--out", str(file)],
        ["knn", str(file), *data],
    ):
        assert cli.main(command) == 0, (command, capsys.readouterr())
    with torch.no_grad():
        assert torch.equal(load_trained(file).backbone(x), result.backbone(x))
    exported = load_trained(file)
    assert exported.backbone.image_size == result.backbone.image_size == c.global_size
    assert exported.eval_size == c.eval_size != c.global_size
    assert cli.main(["export", str(run), "--to", "timm", "--out", "x.safetensors"]) == 2
    assert "safetensors alone" in capsys.readouterr().err


@pytest.mark.parametrize("piece", ["registers", "rope", "ibot", "gram"])
def test_parts_of_a_batch_make_no_difference(piece, config):
    c = replace(config, drop_path_rate=0.1, **PIECES[piece])
    engines = (
        Engine(),
        Engine(accumulate=2),
        Engine(data_parallel=2),
        Engine(checkpoint_activations=True),
    )
    trainers = [make_trainer(c, 6, CPU, engine) for engine in engines]
    for trainer in trainers:
        for i in range(2):
            found = trainer.step(some_images(c, i))
        trainer.found = found
    for other in trainers[1:]:
        for a, b in zip(trainers[0].student.parameters(), other.student.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)
        assert other.found["loss"].item() == pytest.approx(trainers[0].found["loss"].item(), 1e-4)
        if c.ibot:
            centers = (t.criterion.patches.center for t in (other, trainers[0]))
            torch.testing.assert_close(*centers, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("piece", ["koleo", "sinkhorn"])
def test_what_looks_across_the_batch_is_not_taken_in_parts(piece, config):
    c = replace(config, **PIECES[piece])
    with pytest.raises(UserError, match="compares all its images"):
        make_trainer(c, 6, CPU, Engine(accumulate=2))
    assert make_trainer(c, 6, CPU, Engine(data_parallel=2)).gradients.threads.n == 1


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"koleo": -1.0}, "koleo is -1.0"),
        ({"koleo": 0.1, "batch_size": 1}, "batch_size is 1; it must be a whole number, from 2"),
        ({"koleo": 0.1, "objective": "simclr"}, "koleo is a piece to add to DINO; --objective"),
        ({"centering": "sinkhorn", "objective": "swav"}, "centering is a piece"),
        ({"registers": 4, "objective": "byol"}, "registers is a piece to add to DINO"),
        ({"registers": 4, "backbone": "resnet18"}, "registers needs a ViT, and the backbone is"),
        ({"positions": "rope", "num_heads": 8}, "positions rope turns heads whose width is a mul"),
        ({"ibot": 1.0, "backbone": "resnet50"}, "ibot needs a ViT, and the backbone is resnet50"),
        ({"ibot": 1.0, "objective": "moco"}, "ibot is a piece to add to DINO"),
        (
            {"ibot": 1.0, "patch_size": 18, "eval_size": 54},
            "of which it has 2 x 2; 3 x 3 are the least",
        ),
        ({"ibot": float("nan")}, "ibot is nan"),
        ({"ibot": 1.0, "head_batch_norm": True}, "with head_batch_norm those that fill up would"),
        ({"gram": 7, "epochs": 5}, "gram is 7, and a training of 5 epochs has no teacher of then"),
        ({"gram": 0}, "gram is 0; it must be a number, from 1e-06"),
        ({"gram": 1, "objective": "supervised"}, "gram is a piece to add to DINO"),
        ({"registers": -1}, "registers is -1"),
        ({"registers": 4, "init": "x"}, "registers is of a fresh network, and --init brings its"),
        ({"centering": "skinhorn"}, "must be one of center, sinkhorn"),
    ],
)
def test_what_cannot_be_is_one_line(changes, said, config):
    with pytest.raises(UserError, match=said) as error:
        replace(config, **changes)
    assert "\n" not in str(error.value)
