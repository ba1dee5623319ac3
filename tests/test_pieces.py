"""What successors add to DINO, piece by piece: against other libraries and float64 by hand."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import KoLeoLoss

from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run.checkpoint import load_checkpoint
from minidino.successors.koleo import koleo
from minidino.successors.sinkhorn import SinkhornLoss
from minidino.successors.trainer import SuccessorTrainer, trainer_for
from minidino.train import train
from minidino.trainer import Trainer

CPU = torch.device("cpu")
PIECES = {
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
        ({"centering": "skinhorn"}, "must be one of center, sinkhorn"),
    ],
)
def test_what_cannot_be_is_one_line(changes, said, config):
    with pytest.raises(UserError, match=said) as error:
        replace(config, **changes)
    assert "\n" not in str(error.value)
