"""What successors add to DINO, piece by piece: against other libraries and float64 by hand."""

from dataclasses import replace

import pytest
import timm
import torch
import torch.nn.functional as F
from lightly.loss import KoLeoLoss
from PIL import Image

from minidino import cli
from minidino.attention import attention_maps
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run.checkpoint import load_checkpoint
from minidino.successors.koleo import koleo
from minidino.successors.registers import RegisterViT
from minidino.successors.sinkhorn import SinkhornLoss
from minidino.successors.trainer import SuccessorTrainer, trainer_for
from minidino.train import train
from minidino.trainer import Trainer
from minidino.weights.pretrained import load_trained

CPU = torch.device("cpu")
PIECES = {
    "registers": {"registers": 4},
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


# ---------------------------------------------------------------- steps


def test_a_step_with_koleo_by_hand(config):
    """The first step's loss: DINO's, and the sum over both global views of the student's [CLS]."""
    c = replace(config, koleo=0.3, drop_path_rate=0.0)
    plain = Trainer(replace(c, koleo=0.0), 6, CPU, Engine())
    pieced = trainer_for(c, 6, CPU, Engine())
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
    assert type(trainer_for(config, 6, CPU)) is Trainer
    assert config.pieces == []
    for changes in PIECES.values():
        assert type(trainer_for(replace(config, **changes), 6, CPU)) is SuccessorTrainer


@pytest.mark.parametrize("piece", PIECES)
def test_a_stopped_run_goes_on_bit_by_bit(piece, config, tmp_path):
    c = replace(config, epochs=2, **PIECES[piece])
    how = {"progress": False, "device": "cpu", "engine": Engine()}
    whole = train(c, tmp_path / "whole", **how)
    train(c, tmp_path / "parts", minutes=1e-9, **how)  # one step
    parts = train(c, tmp_path / "parts", resume=True, **how)
    assert whole.finished and parts.finished
    one, other = (load_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    for network in ("student", "teacher", "loss"):
        for name, v in one[network].items():
            assert torch.equal(v, other[network][name]), name
    for line in whole.history:
        assert line["kl"] > -1e-5  # what pieces add to the loss is not counted to it


@pytest.mark.parametrize("piece", ["registers"])
def test_a_backbone_of_ones_own_is_used_by_every_command(piece, config, tmp_path, capsys):
    run, data = tmp_path / "run", ["--data", str(tmp_path / "photos")]
    c = replace(config, epochs=1, snapshots=2, **PIECES[piece])
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
    assert cli.main(["export", str(run), "--to", "timm", "--out", "x.safetensors"]) == 2
    assert "safetensors alone" in capsys.readouterr().err


@pytest.mark.parametrize("piece", ["koleo", "sinkhorn"])
def test_what_looks_across_the_batch_is_not_taken_in_parts(piece, config):
    c = replace(config, **PIECES[piece])
    with pytest.raises(UserError, match="compares all its images"):
        trainer_for(c, 6, CPU, Engine(accumulate=2))
    assert trainer_for(c, 6, CPU, Engine(data_parallel=2)).gradients.threads.n == 1


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
        ({"registers": -1}, "registers is -1"),
        ({"centering": "skinhorn"}, "must be one of center, sinkhorn"),
    ],
)
def test_what_cannot_be_is_one_line(changes, said, config):
    with pytest.raises(UserError, match=said) as error:
        replace(config, **changes)
    assert "\n" not in str(error.value)
