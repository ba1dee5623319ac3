"""The rivals' objectives against lightly's, float64 formulas and hand-worked cases; their runs."""

import copy
import json
import math
import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import NegativeCosineSimilarity, NTXentLoss, SwaVLoss
from lightly.loss.swav_loss import sinkhorn as lightly_sinkhorn
from matplotlib.figure import Figure

from minidino import cli, plots
from minidino.config import OBJECTIVES, recipe
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.evaluate import extract_features
from minidino.limits import READ_BY, check_read
from minidino.rivals.byol import byol_loss
from minidino.rivals.common import mlp, spread
from minidino.rivals.moco import Queue, info_nce
from minidino.rivals.simclr import nt_xent
from minidino.rivals.swav import sinkhorn, swav_loss
from minidino.run.objectives import TRAINERS, make_trainer
from minidino.train import train
from minidino.trainer import Trainer
from minidino.using import examples

CPU = torch.device("cpu")
RIVALS = [name for name in OBJECTIVES if name != "dino"]


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize(("n", "d", "temperature"), [(2, 3, 0.5), (7, 5, 0.1), (16, 8, 0.2)])
def test_nt_xent_is_lightlys(n, d, temperature):
    a, b = rows(n, d), rows(n, d, 1)
    ours = nt_xent(torch.cat([a, b]).double(), temperature)
    theirs = NTXentLoss(temperature=temperature)(a.double(), b.double())
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)


def test_nt_xent_by_hand():
    """Two images, orthogonal, their views equal: a row's partner at cosine 1, two others at 0."""
    z = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]])
    assert nt_xent(z, 1.0).item() == pytest.approx(-math.log(math.e / (math.e + 2)), rel=1e-6)


@pytest.mark.parametrize("length", [4, 32])
def test_info_nce_by_its_formula(length):
    q, k, queue = rows(6, 8), rows(6, 8, 1), F.normalize(rows(length, 8, 2), dim=1)
    unit = [F.normalize(x.double(), dim=1) for x in (q, k)]
    positive = (unit[0] * unit[1]).sum(1) / 0.2
    every = torch.cat([positive[:, None], unit[0] @ queue.double().T / 0.2], dim=1)
    want = -(positive - every.exp().sum(1).log()).mean()
    torch.testing.assert_close(info_nce(q, k, queue, 0.2).double(), want, rtol=1e-5, atol=1e-6)


def test_info_nce_is_lightlys_with_a_memory_bank():
    q, k = rows(6, 8), rows(6, 8, 1)
    theirs = NTXentLoss(temperature=0.2, memory_bank_size=(16, 8))
    torch.manual_seed(0)
    theirs(q.clone().requires_grad_(), k)  # makes the bank
    queue = theirs.memory_bank.bank.clone()  # (L, D)
    want = theirs(q.clone().requires_grad_(), k)
    torch.testing.assert_close(info_nce(q, k, queue, 0.2), want, rtol=1e-4, atol=1e-5)


def test_byol_is_lightlys_cosine_both_ways():
    p, z, n = rows(10, 6), rows(10, 6, 1), 5
    cosine = NegativeCosineSimilarity()
    want = 4 + 2 * (cosine(p[:n], z[n:]) + cosine(p[n:], z[:n]))
    torch.testing.assert_close(byol_loss(p, z), want)
    assert byol_loss(torch.cat([p[:n], p[:n]]), torch.cat([p[:n], p[:n]])).item() < 1e-5


@pytest.mark.parametrize(("n", "k"), [(8, 4), (12, 12)])
def test_sinkhorn_is_lightlys(n, k):
    scores = F.normalize(rows(n, k), dim=1)
    ours = sinkhorn(scores)
    torch.testing.assert_close(ours, lightly_sinkhorn(scores), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ours.sum(1), torch.ones(n))
    torch.testing.assert_close(sinkhorn(scores, iterations=200).sum(0), torch.full((k,), n / k))


def test_swav_is_lightlys():
    scores = [F.normalize(rows(8, 4, i), dim=1).requires_grad_() for i in range(5)]
    ours = swav_loss(torch.cat(scores), 8, 0.1)
    theirs = SwaVLoss(temperature=0.1)(scores[:2], scores[2:]).squeeze()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    gradients = (torch.autograd.grad(loss, scores) for loss in (ours, theirs))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_losses_are_taken_in_float32_under_autocast():
    """Differences between scores are what is learned from, and bfloat16 has two digits."""
    a, b = 3 * rows(8, 16), 3 * rows(8, 16, 1)
    queue = F.normalize(rows(12, 16, 2), dim=1)
    for loss in (
        lambda: nt_xent(torch.cat([a, b]), 0.1),
        lambda: info_nce(a, b, queue, 0.1),
        lambda: byol_loss(torch.cat([a, b]), torch.cat([b, a])),
        lambda: swav_loss(torch.cat([a, b, a + b]), 8, 0.1),
    ):
        usual = loss()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(loss(), usual)


def test_both_views_of_an_image_have_its_label(config):
    """Views come crop-major: all first views, then all second ones. In float64, pair by pair."""
    trainer = make_trainer(config("supervised"), 6, CPU, Engine(), n_classes=3)
    logits, labels = rows(8, 3), torch.tensor([0, 2, 1, 0])
    loss, _ = trainer.objective(None, None, lambda views: logits, None, None, labels)
    p = logits.double().softmax(dim=1)
    pairs = [(i, labels[i % 4]) for i in range(8)]
    want = -sum(p[i, k].log() for i, k in pairs) / 8
    torch.testing.assert_close(loss.double(), want)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z: nt_xent(z, 0.3),
        lambda z: info_nce(z, rows(8, 4, 5), F.normalize(rows(12, 4, 6), dim=1).double(), 0.3),
        lambda z: byol_loss(z, rows(8, 4, 7)),
    ],
)
def test_gradients_are_those_of_differences(loss, monkeypatch):
    """In float64, where ``.float()`` is switched off."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    z = rows(8, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(loss, (z,), atol=1e-6)


def test_the_oldest_keys_leave_the_queue_first():
    queue = Queue(6, 2)
    first = F.normalize(rows(4, 2, 1), dim=1)
    second = F.normalize(rows(4, 2, 2), dim=1)
    queue.put(first)
    queue.put(2 * second)
    torch.testing.assert_close(queue.keys, torch.cat([second[2:], first[2:], second[:2]]))


def test_spread_of_all_directions_and_of_one():
    assert spread(rows(4000, 16)).item() == pytest.approx(1, abs=0.02)
    assert spread(torch.ones(10, 4)).item() == pytest.approx(0, abs=1e-6)


def test_an_mlp_ends_without_norm_or_relu():
    kinds = [type(m).__name__ for m in mlp(4, 8, 8, 2, batch_norm=True)]
    assert kinds == ["Linear", "BatchNorm", "ReLU", "Linear", "BatchNorm", "ReLU", "Linear"]
    assert [type(m).__name__ for m in mlp(4, 2)] == ["Linear"]


# ---------------------------------------------------------------- runs


@pytest.fixture
def config(tiny_config):
    def of(objective: str, **changes):
        usual = {"queue_length": 16, "out_dim": tiny_config.batch_size}
        return replace(
            tiny_config, objective=objective, **(OBJECTIVES[objective] | usual | changes)
        )

    return of


def some_images(config, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    size = (config.batch_size, 3, config.image_size, config.image_size)
    images = torch.randint(0, 256, size, dtype=torch.uint8, generator=g)
    return images, torch.randint(0, 10, (config.batch_size,), generator=g)


# Not MoCo: with one batch over and over, an image meets its own keys in the queue. Nor DINO, whose
# teacher sharpens as the student learns.
@pytest.mark.parametrize("objective", [n for n in TRAINERS if n not in ("moco", "dino")])
def test_every_objective_learns_a_batch_by_heart(objective, config):
    c = config(objective, warmup_epochs=0, freeze_last_layer_epochs=0, base_lr=1e-2, epochs=5)
    trainer = make_trainer(c, 6, CPU, Engine(), n_classes=10)
    batch = some_images(c)
    losses = [trainer.step(*batch)["loss"].item() for _ in range(25)]
    assert sum(losses[-5:]) < 0.97 * sum(losses[:5]), losses


@pytest.mark.parametrize("objective", ["moco", "byol"])
def test_a_momentum_encoder_is_an_average_without_gradients(objective, config):
    c = config(objective, teacher_momentum=0.9, teacher_momentum_end=0.9)
    trainer = make_trainer(c, 6, CPU, Engine())
    before = [p.clone() for p in trainer.teacher.parameters()]
    trainer.step(*some_images(c))
    for old, now, new in zip(
        before, trainer.teacher.parameters(), trainer.student.parameters(), strict=True
    ):
        assert now.grad is None and not now.requires_grad
        torch.testing.assert_close(now, 0.9 * old + 0.1 * new)


@pytest.mark.parametrize("objective", ["supervised", "simclr", "swav", "mae", "lejepa"])
def test_without_a_momentum_encoder_the_one_network_is_evaluated(objective, config):
    trainer = make_trainer(config(objective), 6, CPU, Engine(), n_classes=10)
    assert trainer.teacher is trainer.student
    assert any(p.requires_grad for p in trainer.student.parameters())


@pytest.mark.parametrize("objective", RIVALS)
def test_a_stopped_run_goes_on_bit_by_bit(objective, config, tmp_path):
    c = config(objective, epochs=2, knn_evals=0, snapshots=0)
    whole = train(c, tmp_path / "whole", progress=False, device="cpu", engine=Engine())
    train(
        c, tmp_path / "parts", progress=False, device="cpu", engine=Engine(), minutes=1e-9
    )  # one step
    parts = train(c, tmp_path / "parts", progress=False, device="cpu", engine=Engine(), resume=True)
    assert whole.finished and parts.finished
    for a, b in zip(whole.backbone.parameters(), parts.backbone.parameters(), strict=True):
        assert torch.equal(a, b)
    assert re.match("not collapsed: answers spread|every image", whole.verdict), whole.verdict


@pytest.mark.parametrize("objective", ["supervised", "moco", "mae"])
def test_parts_of_a_batch_make_no_difference(objective, config):
    c = config(objective, batch_size=16, queue_length=32, drop_path_rate=0.1)
    engines = (Engine(), Engine(accumulate=2), Engine(data_parallel=2))
    trainers = [make_trainer(c, 6, CPU, engine, n_classes=10) for engine in engines]
    for trainer in trainers:
        for i in range(2):
            trainer.step(*some_images(c, i))
    for other in trainers[1:]:
        for a, b in zip(trainers[0].student.parameters(), other.student.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("objective", ["simclr", "byol", "swav", "lejepa"])
def test_a_loss_over_the_whole_batch_is_not_taken_in_parts(objective, config):
    with pytest.raises(UserError, match="compares all its images"):
        make_trainer(config(objective), 6, CPU, Engine(accumulate=2))
    trainer = make_trainer(
        config(objective, batch_size=16, out_dim=16), 6, CPU, Engine(data_parallel=2)
    )
    assert trainer.gradients.threads.n == 1


@pytest.mark.parametrize(
    ("objective", "changes", "said"),
    [
        ("supervised", {}, "labels"),
        ("simclr", {"batch_size": 4}, "too small for SimCLR"),
        ("swav", {"out_dim": 512}, "--out-dim 8"),
        ("moco", {"queue_length": 4096}, "--queue-length 12"),
        ("moco", {"queue_length": 4}, "less than one batch"),
    ],
)
def test_what_cannot_be_is_one_line(objective, changes, said, config):
    with pytest.raises(UserError, match=said):
        make_trainer(config(objective, **({"batch_size": 8} | changes)), 6, CPU, Engine())


def test_no_such_objective():
    with pytest.raises(UserError, match='no objective "dyno"; there are dino, supervised'):
        recipe("things", objective="dyno")


# ---------------------------------------------------------------- a convnet, and ablations


def test_a_resnet_is_torchvisions(config):
    torchvision = pytest.importorskip("torchvision")
    from minidino.convnet import ConvNet

    net = ConvNet("resnet18", image_size=224).eval()
    theirs = torchvision.models.resnet18(weights=None).eval()
    theirs.fc = torch.nn.Identity()
    theirs.load_state_dict(net.body.state_dict())
    x = torch.randn(2, 3, 96, 64)
    torch.testing.assert_close(net(x), theirs(x))
    tokens = net.get_intermediate_layers(x, 1)[0]
    torch.testing.assert_close(tokens[:, 0], theirs(x))
    places = net.activation_map(x)
    assert places.shape == (2, 1, 3, 2)
    torch.testing.assert_close(places.sum((-2, -1)), torch.ones(2, 1))
    small = ConvNet("resnet18", image_size=36)
    assert small.feature_map(torch.randn(1, 3, 60, 60)).shape[-2:] == (4, 4)


@pytest.mark.parametrize("objective", ["dino", "moco", "byol"])
def test_a_resnets_teacher_normalises_by_the_batch_and_a_look_leaves_it_so(objective, config):
    """At the start both networks have the same weights, so they see the same in the same views."""
    c = config(objective, backbone="resnet18", drop_path_rate=0.0)
    trainer = make_trainer(c, 6, CPU, Engine())
    x = rows(6, 3 * 36 * 36).view(6, 3, 36, 36)
    student, teacher = trainer.student.backbone, trainer.teacher.backbone
    torch.testing.assert_close(teacher(x), student(x))
    extract_features(teacher, torch.zeros(2, 3, 36, 36, dtype=torch.uint8))
    torch.testing.assert_close(teacher(x), student(x))


@pytest.mark.slow
def test_a_resnet_is_trained_stopped_and_used(config, tmp_path):
    from minidino.weights.pretrained import load_trained

    c = config("dino", backbone="resnet18", epochs=1, knn_evals=2, snapshots=2)
    c = replace(c, batch_size=16)
    whole = train(c, tmp_path / "a", progress=False, device="cpu")
    train(c, tmp_path / "b", progress=False, device="cpu", minutes=1e-9)
    parts = train(c, tmp_path / "b", progress=False, device="cpu", resume=True)
    for a, b in zip(
        whole.backbone.state_dict().values(), parts.backbone.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    trained = load_trained(tmp_path / "a")
    x = torch.randn(2, 3, 60, 60)
    torch.testing.assert_close(trained.backbone(x), whole.backbone(x))
    assert trained.random()(x).shape == (2, 512)
    pictures = torch.randint(0, 256, (3, 3, 60, 60), dtype=torch.uint8)
    assert extract_features(trained.backbone, pictures).shape == (3, 512)


def test_a_resnets_maps_are_named_for_what_they_are(config, tmp_path):
    """Untrained, of views that no patch divides, with its moments kept: pictures and scores."""
    c = config("dino", backbone="resnet18", global_size=40, epochs=1, max_images=16, batch_size=8)
    c = replace(c, snapshots=2, knn_evals=0)
    with pytest.raises(UserError, match="--checkpoint-activations is for a ViT's blocks"):
        make_trainer(c, 2, CPU, Engine(checkpoint_activations=True))
    train(c, tmp_path / "run", progress=False, device="cpu")
    titles = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "filmstrip_figure", lambda *a: titles.append(a[2]) or Figure())
        patch.setattr(plots, "attention_figure", lambda *a: titles.append(a[4]) or Figure())
        patch.setattr(examples, "MOST_OF_A_SET", 4)
        argv = ["attend", str(tmp_path / "run"), "--pictures", "1", "--device", "cpu"]
        assert cli.main(argv) == 0
    assert len(titles) == 2 and all("(a ResNet has no attention)" in title for title in titles)
    scores = json.loads((tmp_path / "run/attend/scores.json").read_text())
    assert "a ResNet has no attention" in scores["map"]


def test_ablations_change_what_they_say(tiny_config):
    def step(n: int = 1, **changes) -> Trainer:
        c = replace(tiny_config, **changes)
        trainer = Trainer(c, 6, CPU, Engine())
        for i in range(n):
            trainer.step(*some_images(c, i))
        return trainer

    copied = step(teacher="copy")
    for t, s in zip(copied.teacher.parameters(), copied.student.parameters(), strict=True):
        assert torch.equal(t, s)
    start = Trainer(tiny_config, 6, CPU, Engine()).teacher.backbone.cls_token
    assert torch.equal(step(5, teacher="epoch").teacher.backbone.cls_token, start)
    sixth = step(6, teacher="epoch")
    assert torch.equal(sixth.teacher.backbone.cls_token, sixth.student.backbone.cls_token)
    assert not step(center_momentum=1.0).criterion.center.any()
    momenta = step(teacher_momentum_end=tiny_config.teacher_momentum).schedules.teacher_momentum
    assert set(momenta) == {tiny_config.teacher_momentum}
    normed = step(head_batch_norm=True)
    modes = {type(m).__name__: m.training for m in normed.teacher.modules()}
    assert modes["BatchNorm"] and not modes["DropPath"], "the teacher drops no paths"
    normed = normed.student.head.mlp
    assert [type(m).__name__ for m in normed][1] == "BatchNorm"


def test_squares_of_pairs_by_hand():
    from minidino.loss import squares_of_pairs

    generator = torch.Generator().manual_seed(0)
    s, q = torch.randn(4, 3, 5, generator=generator), torch.rand(2, 3, 5, generator=generator)
    p = s.softmax(-1)
    pairs = [((p[j] - q[i]) ** 2).sum(-1).mean() for i in range(2) for j in range(4) if i != j]
    torch.testing.assert_close(squares_of_pairs(s, q), sum(pairs) / len(pairs))


def test_copies_of_configurations_are_apart(config):
    """A rival's settings are its own; the recipe stays as it is."""
    before = copy.deepcopy(recipe("things"))
    assert recipe("things", objective="byol").n_local == 0
    assert recipe("things") == before


# What each setting becomes, to see who reads it. Two halves of a warm-up differ after a step.
OTHER = {
    "n_local": 1, "local_size": 12, "local_scale": (0.05, 0.1), "teacher": "copy",
    "pair_loss": "mse", "center_momentum": 0.1, "teacher_temp": 0.2, "warmup_teacher_temp": 0.01,
    "warmup_teacher_temp_epochs": 0.2, "head_batch_norm": True, "norm_last_layer": False,
    "student_temp": 0.3, "out_dim": 4, "queue_length": 8, "teacher_momentum": 0.1,
    "teacher_momentum_end": 0.2, "freeze_last_layer_epochs": 1, "hidden_dim": 24,
    "bottleneck_dim": 24,
}  # fmt: skip


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_setting_that_an_objective_does_not_read_changes_nothing_and_is_refused(
    objective, tiny_config
):
    own = OBJECTIVES[objective] | {"objective": objective, "queue_length": 16, "out_dim": 8}
    changes = {"warmup_epochs": 0, "freeze_last_layer_epochs": 0, "warmup_teacher_temp_epochs": 1,
               "warmup_teacher_temp": 0.02, "depth": 1, "batch_size": 8}  # fmt: skip
    base = replace(tiny_config, **(own | changes))
    images = torch.randint(0, 256, (3, 8, 3, 60, 60), dtype=torch.uint8)
    labels = torch.arange(8) % 4

    def weights(config):
        trainer = make_trainer(config, 6, CPU, Engine(), n_classes=4)
        for step in images:
            trainer.step(step, labels if objective == "supervised" else None)
        return torch.cat([p.flatten() for p in trainer.student.backbone.parameters()])

    usual, changed = weights(base), set()
    for name, value in OTHER.items():
        if base.n_local == 0 and name.startswith("local"):
            continue
        if not torch.equal(weights(replace(base, **{name: value})), usual):
            changed.add(name)
    assert changed == {name for name in OTHER if objective in READ_BY[name]}
    assert set(OTHER) == set(READ_BY)
    for name in OTHER:
        if name in changed or (base.n_local == 0 and name.startswith("local")):
            continue
        with pytest.raises(UserError, match=f"--{name.replace('_', '-')} is for the objective"):
            check_read(base, {name, "epochs"})
    check_read(base, changed)
    if "teacher" in changed:
        with pytest.raises(UserError, match="--teacher-momentum is for --teacher ema"):
            check_read(replace(base, teacher="copy"), {"teacher_momentum"})
