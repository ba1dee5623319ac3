"""Training that begins with weights: timm's or a run's, to the last bit, and then trained on."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from minidino import cli, load_pretrained
from minidino.config import OBJECTIVES
from minidino.data.things import ThingsOnStuff
from minidino.engine.settings import Engine
from minidino.pixels import normalize
from minidino.run.checkpoint import load_backbone, load_checkpoint
from minidino.run.objectives import make_trainer
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.train import train
from minidino.weights.export import export_backbone
from minidino.weights.pretrained import load_trained

# The teacher stands still, and so does whoever learns at a rate of 0.
STILL = {"base_lr": 0.0, "min_lr": 0.0, "weight_decay": 0.0, "weight_decay_end": 0.0,
         "teacher_momentum": 1.0}  # fmt: skip
QUICK = {"max_images": 32, "batch_size": 16, "epochs": 2, "knn_evals": 0, "snapshots": 0,
         "warmup_epochs": 0.5, "hidden_dim": 32, "bottleneck_dim": 16, "out_dim": 16,
         "queue_length": 16}  # fmt: skip


def timms(file: Path, **sizes) -> Path:
    torch.manual_seed(0)
    sizes = {"img_size": 48, "patch_size": 6, "embed_dim": 64, "depth": 2, "num_heads": 1} | sizes
    model = timm.create_model("vit_small_patch16_224", num_classes=0, **sizes)
    torch.save(model.state_dict(), file)
    return file


def dinov2s(file: Path) -> Path:
    torch.manual_seed(0)
    model = VisionTransformerV2(56, 7, embed_dim=64, depth=2, num_heads=1, registers=2)
    for name, p in model.named_parameters():
        if "gamma" in name or "register" in name:
            p.data.normal_(std=0.5)
    export_backbone(model, "safetensors", file.with_suffix(".safetensors"))
    return file.with_suffix(".safetensors")


SOURCES = {
    "timm": timms,
    "an mlp of another width, one channel": lambda f: timms(f, mlp_ratio=3.0, in_chans=1),
    "registers": dinov2s,
    "minidino_things": lambda f: "minidino_things",
}


def quick(config, **changes):
    return replace(config, **(QUICK | changes))


def run(config, out=None, **how):
    return train(config, out, progress=False, device="cpu", engine=Engine(), **how)


@pytest.mark.parametrize("source", SOURCES)
def test_before_the_first_step_it_is_what_it_began_with_at_any_size(
    source, tiny_config, tmp_path, capsys
):
    init = str(SOURCES[source](tmp_path / "vit.pth"))
    result = run(quick(tiny_config, init=init, **STILL), tmp_path / "run")
    expected = load_pretrained(init)
    said = capsys.readouterr().out
    assert f"starting from {init}: width {expected.embed_dim}, {expected.depth} blocks" in said
    assert "the head is fresh" in said
    assert (result.config.patch_size, result.config.depth) == (
        expected.patch_size, expected.depth,
    )  # fmt: skip
    student, config = load_backbone(tmp_path / "run", "student")
    assert config.init == init
    images = normalize(ThingsOnStuff(3, 84, seed=1).images)  # 84 divides by 6 and by 7
    with torch.no_grad():
        for model in (result.backbone, student.eval(), load_pretrained(tmp_path / "run")):
            assert type(model) is type(expected)
            for side in (expected.image_size, 42, 84):
                x = images[..., :side, :side]
                torch.testing.assert_close(model(x), expected(x), rtol=0, atol=0)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_on_and_a_resume_needs_no_file(objective, tiny_config, tmp_path):
    """Of a network whose sizes the settings alone do not tell."""
    file = timms(tmp_path / "vit.pth", mlp_ratio=3.0)
    c = quick(tiny_config, **(OBJECTIVES[objective] | {"objective": objective, "out_dim": 16}))
    c = replace(c, init=str(file), drop_path_rate=0.3)
    whole = run(c, tmp_path / "whole")
    run(c, tmp_path / "parts", minutes=1e-9)  # one step
    start = load_pretrained(file)
    file.unlink()
    parts = run(c, tmp_path / "parts", resume=True)
    assert whole.finished and parts.finished
    moved = []
    for (name, a), b, old in zip(
        whole.backbone.named_parameters(),
        parts.backbone.parameters(),
        start.parameters(),
        strict=True,
    ):
        assert torch.equal(a, b), name
        moved.append(not torch.equal(a, old))
    assert all(moved)


def test_drop_path_is_the_students_alone_and_grows_with_depth(tiny_config, tmp_path):

    backbone = load_pretrained(timms(tmp_path / "vit.pth", depth=3))
    c = quick(tiny_config, embed_dim=64, depth=3, num_heads=1, drop_path_rate=0.4)
    trainer = make_trainer(c, 2, torch.device("cpu"), Engine(), backbone=backbone)
    student, teacher = trainer.student.backbone, trainer.teacher.backbone
    assert [round(b.drop_path.rate, 6) for b in student.blocks] == [0, 0.2, 0.4]
    assert student.training and not teacher.training and student is not teacher is not backbone
    assert all(p.requires_grad for p in student.parameters())
    assert not any(p.requires_grad for p in teacher.parameters())
    assert [b.drop_path.rate for b in backbone.blocks] == [0, 0, 0]  # it was copied


# ------------------------------------------------------------------ the head


@pytest.fixture(scope="module")
def earlier(tiny_config, tmp_path_factory):
    """A run of minidino's."""
    folder = tmp_path_factory.mktemp("earlier") / "run"
    run(quick(tiny_config, base_lr=1e-2), folder)
    return folder


@pytest.mark.parametrize("piece", [{}, {"koleo": 0.1}, {"gram": 0.5}], ids=str)
def test_a_head_that_fits_is_taken_over_with_its_center(
    piece, earlier, tiny_config, tmp_path, capsys
):
    changes = piece | STILL | {"init": str(earlier), "seed": 3, "center_momentum": 1.0}
    run(quick(tiny_config, **changes), tmp_path / "n")
    assert f"the head is that of {earlier}, too\n" in capsys.readouterr().out
    old, new = load_checkpoint(earlier), load_checkpoint(tmp_path / "n")
    assert old["teacher"].keys() == new["teacher"].keys()
    for name, v in old["teacher"].items():
        assert torch.equal(v, new["teacher"][name]) and torch.equal(v, new["student"][name]), name
    center = "dino.center" if piece else "center"
    assert torch.equal(old["loss"]["center"], new["loss"][center])
    assert old["loss"]["center"].abs().max() > 0


FRESH = {
    "out_dim was 16, is 32": {"out_dim": 32},
    "hidden_dim was 32, is 24": {"hidden_dim": 24},
    "norm_last_layer was True, is False": {"norm_last_layer": False},
    "iBOT's second head was missing": {"ibot": 1.0},
    "learned dino, not simclr": OBJECTIVES["simclr"] | {"objective": "simclr"},
}


@pytest.mark.parametrize("why", FRESH)
def test_a_head_that_does_not_fit_is_fresh_and_that_is_said(
    why, earlier, tiny_config, tmp_path, capsys
):
    c = quick(tiny_config, **(STILL | FRESH[why] | {"init": str(earlier)}))
    run(c, tmp_path / "new")
    assert why in capsys.readouterr().out
    old, new = load_checkpoint(earlier), load_checkpoint(tmp_path / "new")
    same = {k for k, v in new["teacher"].items()
            if k in old["teacher"] and torch.equal(v, old["teacher"][k])}  # fmt: skip
    assert {k for k in new["teacher"] if k.startswith("backbone.")} <= same
    assert "head.mlp.0.weight" not in same


# ------------------------------------------------------------------ the command line

FEW = ["--max-images", "32", "--batch-size", "16", "--epochs", "1", "--knn-evals", "0",
       "--device", "cpu"]  # fmt: skip
ANY = [*FEW, "--hidden-dim", "32", "--bottleneck-dim", "16"]
SMALL = [*ANY, "--out-dim", "16"]


def minidino(*argv, capsys):
    code = cli.main([str(a) for a in argv])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_sides_are_multiples_of_the_weights_patch_not_of_the_recipes(tmp_path, capsys):
    file = timms(tmp_path / "vit.pth", img_size=64, patch_size=16)
    argv = ["--init", file, *SMALL, "--out", tmp_path / "run"]
    sides = ["--global-size", 32, "--local-size", 16, "--eval-size", 64, "--image-size", 64]
    code, said, err = minidino("train", *argv, *sides, capsys=capsys)
    assert code == 0 and "becomes" not in said, err


def test_a_run_from_weights_is_used_like_any_other(tmp_path, monkeypatch, capsys):
    """Sides are brought to the patches; the filmstrip, k-NN and an export know the network."""
    monkeypatch.setattr("minidino.using.examples.MOST_OF_A_SET", 8)
    file, out = dinov2s(tmp_path / "v2"), tmp_path / "run"
    argv = ["train", "--init", file, *SMALL, "--snapshots", 2, "--out", out]
    code, said, err = minidino(*argv, capsys=capsys)
    assert code == 0, err
    for line in (
        "global_size 36 becomes 35",
        "local_size 18 becomes 21",
        "eval_size 60 becomes 63",
    ):
        assert f"{line}, as patches are 7 px" in said
    file.unlink()
    code, said, err = minidino(*argv, "--resume", capsys=capsys)
    assert code == 0 and "finished" in said, err
    code, _, err = minidino("attend", out, "--pictures", 2, capsys=capsys)
    assert code == 0 and Image.open(out / "attend/filmstrip.png").width > 300, err
    argv = ["attend", out, "--pictures", 2, "--register", 2, "--out", tmp_path / "register"]
    assert minidino(*argv, capsys=capsys)[0] == 0
    # Random weights beside it are of the same network, not of the one that the settings tell.
    trained = load_trained(out)
    shapes, random = (
        {k: v.shape for k, v in m.state_dict().items()}
        for m in (trained.backbone, trained.random())
    )
    assert shapes == random and type(trained.random()) is type(trained.backbone)
    code, said, err = minidino("knn", out, "--max-images", 100, capsys=capsys)
    assert code == 0 and re.search(r"k-NN .*random weights", said), err
    code, _, err = minidino("export", out, "--to", "safetensors", capsys=capsys)
    again = load_pretrained(out / "minidino.safetensors")
    a, b = (m.state_dict() for m in (again, load_trained(out).backbone))
    assert all(torch.equal(v, b[k]) for k, v in a.items())
    assert again.registers == 2


def test_fine_tuning_with_labels_from_the_shipped_weights(tmp_path, capsys):
    argv = ["train", "--init", "minidino_things", "--objective", "supervised", *FEW]
    code, said, err = minidino(*argv, "--out", tmp_path / "run", capsys=capsys)
    assert code == 0 and "the head is fresh" in said, err
    head = load_checkpoint(tmp_path / "run")["teacher"]["head.weight"]
    assert head.shape == (10, 96)


def test_heads_that_a_file_does_not_tell_are_typed(tmp_path, capsys):
    file = timms(tmp_path / "vit.pth", embed_dim=48, num_heads=3)
    argv = ["train", "--init", file, *SMALL, "--snapshots", 0, "--out", tmp_path / "run"]
    code, _, err = minidino(*argv, capsys=capsys)
    assert code == 2 and "give --num-heads" in err
    code, _, err = minidino(*argv, "--num-heads", 3, capsys=capsys)
    assert code == 0 and load_checkpoint(tmp_path / "run")["config"]["num_heads"] == 3, err


MISTAKES = {
    "no such weights": (["--init", "gone"], "no checkpoint at gone"),
    "no weights": (["--init", "text.pth"], "not a readable"),
    "sizes of one's own": (["--init", "minidino_things", "--depth", "2"], "leave out --depth"),
    "pictures below a patch": (["--init", "vit.pth", "--image-size", "30"], "smaller than a p"),
    "another start on resume": (
        ["--init", "gone", "--out", "begun", "--resume"], "init was minidino_things"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_line(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pth").write_text("hello")
    timms(tmp_path / "vit.pth", img_size=64, patch_size=32)
    argv, words = MISTAKES[name]
    if "--resume" in argv:
        minidino("train", "--init", "minidino_things", *SMALL, "--out", "begun", capsys=capsys)
    out = [] if "--out" in argv else ["--out", "new"]
    code, _, err = minidino("train", *SMALL, *out, *argv, capsys=capsys)
    said = [line for line in err.splitlines() if line.startswith("minidino: ")]
    assert code == 2 and len(said) == 1 and words in said[0], err
    assert not (tmp_path / "new").exists()
