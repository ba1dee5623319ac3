"""Checkpoints: whole or not at all, and nothing unpickled that could run."""

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from minidino.errors import UserError
from minidino.run.checkpoint import (
    load_backbone,
    load_checkpoint,
    load_to_resume,
    load_weights,
    resume,
    save_checkpoint,
)
from minidino.trainer import Trainer


@pytest.fixture
def state(tiny_config):
    return Trainer(tiny_config, 6, torch.device("cpu")).state_dict()


def test_round_trip(state, tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", state)
    back = load_checkpoint(tmp_path)  # the folder will do
    assert all(torch.equal(back["student"][k], v) for k, v in state["student"].items())
    assert back["config"] == state["config"]


def test_names_inside_are_the_official_ones(state):
    for network in (state["student"], state["teacher"]):
        assert {k.split(".")[0] for k in network} == {"backbone", "head"}
    assert "head.last_layer.weight_v" in state["student"]
    assert "backbone.blocks.0.attn.qkv.weight" in state["teacher"]


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(state, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, state)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            with pytest.raises(UserError, match="No space left"):
                save_checkpoint(path, state | {"step": 99})
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("damage", ["cut short", "empty", "text", "another dict"])
def test_damaged_files_are_refused_in_words(state, tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, state)
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("hello")
    else:
        torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="checkpoint"):
        load_checkpoint(path)


def test_a_pickle_that_would_run_code_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    torch.save({"format": "minidino-1", "x": Bomb()}, tmp_path / "checkpoint.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb()))
    for name in ("checkpoint.pt", "plain.pt"):
        with pytest.raises(UserError):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="minidino train"):
        load_checkpoint(tmp_path / "nothing.pt")


def test_weights_that_do_not_fit_are_listed(tmp_path):
    module = torch.nn.Linear(3, 2)
    weights = {"weight": torch.zeros(2, 4), "gain": torch.zeros(1)}
    with pytest.raises(UserError) as error:
        load_weights(module, weights, "here")
    for part in ("here", "3 differences", "bias missing", "gain unexpected", "(2, 4), not (2, 3)"):
        assert part in str(error.value)


def test_at_most_five_differences_are_named():
    module = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(9)))
    with pytest.raises(UserError) as error:
        load_weights(module, {}, "here")
    assert "18 differences" in str(error.value) and str(error.value).count("missing") == 5


def test_moments_of_another_shape_are_refused_before_they_are_written_to(tiny_config):
    trainer = Trainer(tiny_config, 6, torch.device("cpu"))
    for p in trainer.student.parameters():
        p.grad = torch.zeros_like(p)
    trainer.optimizer.step()
    state = trainer.state_dict()
    resume(Trainer(tiny_config, 6, torch.device("cpu")), state, "here")
    state["optimizer"]["state"][0]["exp_avg_sq"] = torch.zeros(3)
    with pytest.raises(UserError, match=r"here is not what a run goes on from.* another shape"):
        resume(Trainer(tiny_config, 6, torch.device("cpu")), state, "here")


def test_backbone_of_teacher_or_student(state, tmp_path):
    state["teacher"]["backbone.norm.bias"] = torch.full((48,), 3.0)
    save_checkpoint(tmp_path / "checkpoint.pt", state)
    teacher, config = load_backbone(tmp_path)
    student, _ = load_backbone(tmp_path, which="student")
    assert (teacher.norm.bias == 3).all() and (student.norm.bias == 0).all()
    assert not teacher.training and config.embed_dim == 48


def test_a_disk_that_does_not_answer_is_no_damage(tmp_path, monkeypatch):
    """The latest checkpoint is whole: the one before must not take its place."""
    for step in (1, 2):
        save_checkpoint(tmp_path / "checkpoint.pt", {"step": step})
    before = (tmp_path / "checkpoint.pt").read_bytes()
    path_open = Path.open

    def stale(path, *args, **kwargs):
        if path.name == "checkpoint.pt":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return path_open(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", stale)
    with pytest.raises(UserError, match="Stale file handle"):
        load_to_resume(tmp_path)
    monkeypatch.undo()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert load_to_resume(tmp_path)["step"] == 2
