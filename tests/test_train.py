"""The loop: the order of a step, resume, and clear stops (``parity.py`` has its numbers)."""

import json
import math
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from minidino import plots
from minidino.attention import attention_maps
from minidino.data import load_data
from minidino.data.pictures import Pictures
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.evaluate import extract_features
from minidino.pixels import normalize
from minidino.run import recorder
from minidino.run.checkpoint import load_backbone, load_checkpoint, random_backbone, resume
from minidino.run.plan import epochs_that_fit, n_classes_of
from minidino.train import TrainingDiverged, train
from minidino.trainer import (
    Schedules,
    Trainer,
    batch_indices,
    clip_gradients,
    parameter_groups,
)

CPU = torch.device("cpu")


def steps_of(result):
    return [line for line in result.history if "loss" in line]


# ------------------------------------------------------------------ one step


def test_loss_and_entropy_of_the_first_step_are_near_ln_k(tiny_config):
    """Random prototypes hardly prefer any: both start just below ln K."""
    trainer = Trainer(tiny_config, 6, CPU)
    out = trainer.step(torch.randint(0, 256, (16, 3, 48, 48), dtype=torch.uint8))
    assert out["entropy"] <= math.log(32) + 1e-5
    assert out["loss"] >= out["entropy"]
    assert out["mean_target"].sum().item() == pytest.approx(1, abs=1e-5)
    together = torch.special.entr(out["mean_target"]).sum()
    assert out["entropy"] <= together <= math.log(32) + 1e-5


def test_teacher_gets_no_gradients_stays_in_eval_and_is_another_object(tiny_config):
    trainer = Trainer(tiny_config, 6, CPU)
    trainer.step(torch.randint(0, 256, (8, 3, 48, 48), dtype=torch.uint8))
    assert all(p.grad is None and not p.requires_grad for p in trainer.teacher.parameters())
    assert not any(m.training for m in trainer.teacher.modules())
    assert trainer.student.training and trainer.criterion.training
    ours = {p.data_ptr() for p in trainer.teacher.parameters()}
    assert not ours & {p.data_ptr() for p in trainer.student.parameters()}


def test_the_teacher_sees_global_views_only(tiny_config):
    trainer = Trainer(tiny_config, 6, CPU, Engine())
    seen = {"teacher": [], "student": []}
    for name in seen:
        getattr(trainer, name).backbone.register_forward_pre_hook(
            lambda _, args, name=name: seen[name].append(tuple(args[0].shape))
        )
    trainer.step(torch.randint(0, 256, (8, 3, 48, 48), dtype=torch.uint8))
    assert seen == {
        "teacher": [(16, 3, 36, 36)],
        "student": [(16, 3, 36, 36), (32, 3, 18, 18)],
    }


def test_the_last_layer_is_frozen_for_its_time_only(tiny_config):
    trainer = Trainer(replace(tiny_config, freeze_last_layer_epochs=0.5), 6, CPU)
    before = trainer.student.head.last_layer.weight_v.clone()
    body = trainer.student.head.mlp[0].weight.clone()
    images = torch.randint(0, 256, (8, 3, 48, 48), dtype=torch.uint8)
    for _ in range(3):
        trainer.step(images)
    assert torch.equal(trainer.student.head.last_layer.weight_v, before)
    assert not torch.equal(trainer.student.head.mlp[0].weight, body)
    trainer.step(images)
    assert not torch.equal(trainer.student.head.last_layer.weight_v, before)


def test_parameter_groups_spare_biases_and_norms(tiny_config):
    trainer = Trainer(tiny_config, 6, CPU)
    decayed, plain = parameter_groups(trainer.student)
    named = {id(p): n for n, p in trainer.student.named_parameters()}
    names = {named[id(p)] for p in decayed["params"]}
    assert {"backbone.cls_token", "backbone.pos_embed", "head.last_layer.weight_v"} <= names
    assert not any(n.endswith("bias") or ".norm" in n for n in names)
    assert plain["weight_decay"] == 0.0
    assert all(p.ndim == 1 for p in plain["params"])
    both = len(decayed["params"]) + len(plain["params"])
    assert both == sum(p.requires_grad for p in trainer.student.parameters())


def test_clipping_is_per_tensor():
    p = [torch.nn.Parameter(torch.zeros(4)) for _ in range(3)]
    p[0].grad, p[1].grad = torch.full((4,), 10.0), torch.full((4,), 0.1)
    clip_gradients(p, 3.0)
    assert p[0].grad.norm().item() == pytest.approx(3.0, rel=1e-5)
    assert p[1].grad.tolist() == pytest.approx([0.1] * 4)


def test_schedules_reach_what_the_config_says(tiny_config):
    config = replace(tiny_config, epochs=10, warmup_epochs=2, warmup_teacher_temp=0.02,
                     warmup_teacher_temp_epochs=3)  # fmt: skip
    s = Schedules.of(config, 7)
    assert all(len(v) == 70 for v in vars(s).values())
    assert s.lr[0] == 0 and max(s.lr) == pytest.approx(config.base_lr * 16 / 256)
    assert s.lr.index(max(s.lr)) in (13, 14)
    assert s.weight_decay[0] == pytest.approx(0.04) and s.weight_decay[-1] == pytest.approx(
        0.4, abs=1e-3
    )
    assert s.teacher_momentum[0] == pytest.approx(config.teacher_momentum)
    assert 0.9999 < s.teacher_momentum[-1] < 1
    assert s.teacher_temp[0] == 0.02 and s.teacher_temp[21] == pytest.approx(0.04)


def test_every_image_once_an_epoch_in_a_new_order():
    epochs = torch.cat(list(batch_indices(10, 5, seed=3, start=0, stop=4))).view(2, 10)
    assert (epochs.sort(dim=1).values == torch.arange(10)).all()
    assert not torch.equal(epochs[0], epochs[1])
    late = list(batch_indices(10, 5, seed=3, start=3, stop=4))
    assert torch.equal(late[0], epochs[1, 5:])


# ------------------------------------------------------------------ the run


def test_a_squared_error_has_no_parts_and_none_is_told(tiny_config):
    """Loss less entropy is negative there, and no KL."""
    result = train(replace(tiny_config, pair_loss="mse", epochs=1), progress=False)
    for line in steps_of(result):
        assert "entropy" in line and "kl" not in line
    left = plots.curves_figure(result.history, tiny_config.out_dim, "").axes[0]
    assert [text.get_text() for text in left.get_legend().get_texts()][:2] == ["loss", "H(teacher)"]
    assert not any("KL" in text.get_text() for text in left.get_legend().get_texts())


def test_a_run_leaves_what_it_promises(tiny_config, tmp_path):
    result = train(tiny_config, tmp_path / "run", progress=False)
    assert result.finished and result.images_per_second > 0
    lines = [json.loads(x) for x in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert lines == result.history
    assert [x["step"] for x in lines if "loss" in x] == list(range(1, 19))
    assert [x["step"] for x in lines if "knn" in x] == [0, 18]
    for x in steps_of(result):
        assert x["kl"] == pytest.approx(x["loss"] - x["entropy"])
    snapshots = sorted(p.name for p in (tmp_path / "run/snapshots").iterdir())
    assert len(snapshots) == 3 and snapshots[-1] == "step_0000018.safetensors"
    saved = json.loads((tmp_path / "run/config.json").read_text())
    assert saved["config"]["seed"] == 0 and {"torch", "commit", "device"} <= set(saved)


def test_the_checkpoint_holds_the_teacher_and_random_weights_are_where_it_began(
    tiny_config, tmp_path
):
    result = train(replace(tiny_config, knn_evals=0), tmp_path / "run", progress=False)
    backbone, config = load_backbone(tmp_path / "run")
    x = normalize(torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8))
    torch.testing.assert_close(backbone(x), result.backbone(x))
    start = Trainer(config, 6, CPU).student.backbone.eval()
    torch.testing.assert_close(random_backbone(config)(x), start(x))
    assert (backbone(x) - start(x)).norm() > 1e-2


def test_pictures_without_labels_train_the_same_from_memory_and_streamed(
    tiny_config, tmp_path, monkeypatch
):
    rng = np.random.default_rng(0)
    for i in range(40):
        pixels = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    config = replace(tiny_config, data=str(tmp_path), max_images=None, epochs=2)
    memory = train(config, progress=False)
    monkeypatch.setattr("minidino.data.folders.IN_MEMORY_BYTES", 1000)
    streamed = train(config, progress=False)
    losses = [[x["loss"] for x in steps_of(r)] for r in (memory, streamed)]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    assert not [x for x in memory.history if "knn" in x]


def test_same_seed_same_result_other_seed_another(tiny_config):
    config = replace(tiny_config, knn_evals=0, epochs=1)
    runs = [train(replace(config, seed=s), progress=False) for s in (0, 0, 1)]
    losses = [[x["loss"] for x in steps_of(r)] for r in runs]
    assert losses[0] == losses[1] != losses[2]


def test_the_callers_random_state_is_left_alone(tiny_config):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(replace(tiny_config, epochs=1, knn_evals=0), progress=False)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("stop_at", [6, 9], ids=["at an epoch's end", "within an epoch"])
def test_resume_continues_exactly(tiny_config, tmp_path, monkeypatch, stop_at):
    """Stopped by the clock and resumed: same weights, center, optimizer and metrics."""
    whole = train(tiny_config, tmp_path / "whole", progress=False)

    step = Trainer.step
    clock = {"late": False}
    monkeypatch.setattr("minidino.train.time_is_up", lambda *_: clock["late"])

    def counted(self, images, labels=None):
        out = step(self, images, labels)
        clock["late"] = self.now == stop_at
        return out

    monkeypatch.setattr(Trainer, "step", counted)
    first = train(tiny_config, tmp_path / "parts", minutes=1, progress=False)
    assert not first.finished
    assert load_checkpoint(tmp_path / "parts")["step"] == stop_at
    second = train(tiny_config, tmp_path / "parts", resume=True, progress=False)
    assert second.finished

    a, b = (load_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    for part in ("student", "teacher", "loss"):
        assert all(torch.equal(a[part][k], b[part][k]) for k in a[part])
    for i, state in a["optimizer"]["state"].items():
        assert all(torch.equal(v, b["optimizer"]["state"][i][k]) for k, v in state.items())

    def timeless(history):
        drop = {"seconds", "images_per_second"}
        return [{k: v for k, v in line.items() if k not in drop} for line in history]

    assert timeless(whole.history) == timeless(second.history)
    on_disk = (tmp_path / "parts/metrics.jsonl").read_text().splitlines()
    assert timeless(map(json.loads, on_disk)) == timeless(whole.history)


def test_a_line_cut_short_by_a_kill_is_dropped(tiny_config, tmp_path):
    config = replace(tiny_config, knn_evals=0)
    whole = train(config, tmp_path / "run", progress=False)
    state = load_checkpoint(tmp_path / "run")
    log = tmp_path / "run/metrics.jsonl"
    log.write_text(log.read_text() + '{"step": 19, "lo')
    again = train(config, tmp_path / "run", resume=True, progress=False)
    assert again.finished and again.history == whole.history
    assert load_checkpoint(tmp_path / "run")["step"] == state["step"]


def test_a_run_is_not_overwritten(tiny_config, tmp_path):
    config = replace(tiny_config, epochs=1, knn_evals=0)
    train(config, tmp_path / "run", progress=False)
    before = (tmp_path / "run/checkpoint.pt").read_bytes()
    with pytest.raises(UserError, match="--resume"):
        train(config, tmp_path / "run", progress=False)
    for changes, message in (
        ({"embed_dim": 96}, "embed_dim was 48, asked for 96"),
        ({"max_images": 48, "seed": 3}, "max_images was 96, asked for 48; seed was 0, asked for 3"),
        ({"epochs": 2}, "epochs was 1, asked for 2"),
    ):
        with pytest.raises(UserError, match=f"started with other settings: .*{message}"):
            train(replace(config, **changes), tmp_path / "run", resume=True, progress=False)
    assert (tmp_path / "run/checkpoint.pt").read_bytes() == before


def test_a_state_of_another_network_or_of_other_data_is_refused(tiny_config):
    state = Trainer(tiny_config, 6, CPU).state_dict()
    with pytest.raises(UserError, match="a file does not fit"):
        resume(Trainer(replace(tiny_config, embed_dim=96), 6, CPU), state, "a file")
    with pytest.raises(UserError, match="6 steps an epoch, this data gives 5"):
        resume(Trainer(tiny_config, 5, CPU), state, "a file")


def test_a_run_that_chose_its_epochs_goes_on_with_them(tiny_config, tmp_path, monkeypatch):
    """The second call is the first one again, with resume: its epochs are not those of the run."""
    monkeypatch.setattr("minidino.train.epochs_that_fit", lambda *_: 2)
    monkeypatch.setattr("minidino.train.time_is_up", lambda *_: True)
    call = dict(minutes=1, fit="fill", progress=False, resume=True)
    first = train(tiny_config, tmp_path / "run", **call)
    assert first.config.epochs == 2 != tiny_config.epochs and not first.finished
    monkeypatch.setattr("minidino.train.time_is_up", lambda *_: False)
    second = train(tiny_config, tmp_path / "run", **call)
    assert second.finished and second.config == first.config
    assert load_checkpoint(tmp_path / "run")["step"] == 12


def test_a_log_with_lines_of_another_kind_is_cut_there(tiny_config, tmp_path):
    config = replace(tiny_config, epochs=1, knn_evals=0)
    whole = train(config, tmp_path / "run", progress=False)
    log = tmp_path / "run/metrics.jsonl"
    log.write_text(log.read_text() + '{"step": "seven"}\n')
    assert train(config, tmp_path / "run", resume=True, progress=False).history == whole.history


def test_a_time_that_is_no_number_is_refused(tiny_config, tmp_path):
    config = replace(tiny_config, epochs=1, knn_evals=0)
    train(config, tmp_path / "run", progress=False)
    file = tmp_path / "run/checkpoint.pt"
    torch.save(load_checkpoint(file) | {"seconds": "long", "format": "minidino-1"}, file)
    with pytest.raises(UserError, match="does not say in numbers how long"):
        train(config, tmp_path / "run", resume=True, progress=False)


def test_a_loss_that_is_no_number_stops_with_advice_and_keeps_the_checkpoint(tiny_config, tmp_path):
    config = replace(tiny_config, base_lr=1e12, warmup_epochs=0, clip_grad=0, knn_evals=0)
    with pytest.raises(TrainingDiverged, match="lower --base-lr"):
        train(config, tmp_path / "run", progress=False)
    assert load_checkpoint(tmp_path / "run")["step"] == 0


def test_weights_that_are_no_numbers_are_not_saved(tiny_config, tmp_path, monkeypatch):
    """The step at an epoch's end ruins the weights; its loss was still a number."""
    step = Trainer.step

    def ruined(self, images, labels=None):
        out = step(self, images, labels)
        if self.now == 12:
            self.student.head.last_layer.weight_v.data[0, 0] = float("inf")
        return out

    monkeypatch.setattr(Trainer, "step", ruined)
    with pytest.raises(TrainingDiverged, match="the weights are no longer numbers at step 12"):
        train(replace(tiny_config, knn_evals=0), tmp_path / "run", progress=False)
    assert load_checkpoint(tmp_path / "run")["step"] == 6


@pytest.mark.parametrize(("seconds", "steps"), [(0, [0, 6, 12, 18]), (0.3, [0, 18])])
def test_saving_takes_a_twentieth_of_the_time_at_most(
    tiny_config, tmp_path, monkeypatch, seconds, steps
):
    """Epochs of less than a second on a disk that takes 0.3 s: no save but the first and last."""
    saved = []

    def slow(path, state):
        time.sleep(seconds)
        saved.append(state["step"])

    monkeypatch.setattr(recorder, "save_checkpoint", slow)
    train(replace(tiny_config, knn_evals=0), tmp_path / "run", progress=False)
    assert saved == steps


def test_too_few_images_is_named(tiny_config):
    with pytest.raises(UserError, match="1 image in things, fewer than one batch of 16"):
        train(replace(tiny_config, max_images=1), progress=False)


def test_no_such_device_is_named(tiny_config):
    with pytest.raises(UserError, match="warp"):
        train(tiny_config, device="warp", progress=False)


class Slow(Pictures):
    """Pictures of which a batch takes a second to read, by the clock of the test."""

    now = 0.0

    def batches(self, indices):
        for batch in super().batches(indices):
            self.now += 1
            yield batch


def test_planning_counts_reading_steps_and_its_own_time(tiny_config, monkeypatch):
    """8 steps of a second are the trial, an epoch has 6, and 85% of what is left is used."""
    quick = load_data("things", "train", 60, max_images=96)
    slow = Slow(quick.images, quick.labels)
    clock = "minidino.run.plan.time.perf_counter"
    monkeypatch.setattr(clock, lambda: slow.now)
    queue = replace(tiny_config, objective="moco", n_local=0, queue_length=64)
    for config in (tiny_config, queue):
        assert [epochs_that_fit(config, slow, m, CPU) for m in (0.05, 1, 10)] == [1, 7, 83]
    monkeypatch.setattr(clock, map(float, range(10**6)).__next__)  # asked after every step
    assert [epochs_that_fit(tiny_config, quick, m, CPU) for m in (0.05, 1, 10)] == [1, 7, 83]


def test_pictures_of_which_some_have_no_label_are_none_to_learn_labels_from():
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    for labels, classes in (([0, 1, 2, -1], 0), ([0, 1, 2, 2], 3), (None, 0)):
        labels = None if labels is None else torch.tensor(labels)
        assert n_classes_of(Pictures(images, labels)) == classes


def test_a_run_says_at_its_end_whether_it_collapsed(tiny_config):
    """Equal targets: no center's momentum and no learning at a temperature that flattens all."""
    healthy = train(replace(tiny_config, knn_evals=0), progress=False)
    flat = replace(tiny_config, knn_evals=0, teacher_temp=100, warmup_teacher_temp=100)
    assert healthy.verdict.startswith("not collapsed: a target tells ")
    end = healthy.history[-10:]
    told = sum(line["usage"] - line["entropy"] for line in end) / len(end)
    assert f" {told:.2f} nats of its image (at most {math.log(32):.2f})" in healthy.verdict
    assert train(flat, progress=False).verdict.startswith("every image gets the same flat target")


def test_a_longer_plan_for_a_run_is_refused_with_what_one_can_do(tiny_config, tmp_path):
    config = replace(tiny_config, epochs=1, knn_evals=0)
    train(config, tmp_path / "run", progress=False)
    with pytest.raises(
        UserError, match=r"epochs was 1, asked for 2.*leave out --epochs.*anew with"
    ):
        train(replace(config, epochs=2), tmp_path / "run", resume=True, progress=False)


@pytest.mark.parametrize(("fit", "expected"), [("fill", 7), ("shorten", 3), (None, 3)])
def test_a_run_can_be_fitted_to_the_time(tiny_config, monkeypatch, fit, expected):
    monkeypatch.setattr("minidino.train.epochs_that_fit", lambda *_: 7)
    config = replace(tiny_config, knn_evals=0, max_images=32)
    result = train(config, minutes=5, fit=fit, progress=False)
    assert result.finished and result.config.epochs == expected
    assert max(x["step"] for x in steps_of(result)) == 2 * expected


@pytest.mark.slow
def test_it_learns(tmp_path):
    """A short run of the things recipe beats random weights on held-out images."""
    from minidino.config import recipe
    from minidino.using.demo import summarize

    config = recipe("things", max_images=3000, epochs=6, knn_evals=0)
    summary = summarize(train(config, tmp_path / "run", progress=False))
    assert summary["knn"] > summary["knn_random"] + 5
    assert summary["jaccard_best_head"] > 1.2 * summary["jaccard_best_head_random"]


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu_in_fp32(tiny_config, monkeypatch):
    """Without autocast and TF32 the first steps' losses agree to 1e-3."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # of the patch embedding
    real = torch.autocast
    monkeypatch.setattr("torch.autocast", lambda *a, **k: real(*a, **(k | {"enabled": False})))
    config = replace(tiny_config, epochs=1, knn_evals=0, drop_path_rate=0.0)
    cpu, gpu = (steps_of(train(config, device=d, progress=False)) for d in ("cpu", "cuda"))
    assert [x["loss"] for x in gpu] == pytest.approx([x["loss"] for x in cpu], abs=1e-3)


@pytest.mark.gpu
def test_cuda_trains_in_bf16_and_resumes(tiny_config, tmp_path):
    result = train(tiny_config, tmp_path / "run", device="cuda", progress=False)
    assert result.finished and all(math.isfinite(x["loss"]) for x in steps_of(result))
    assert train(tiny_config, tmp_path / "run", resume=True, device="cuda", progress=False).finished


@pytest.mark.gpu
def test_features_and_attention_on_cuda_are_those_of_the_cpu(tiny_config):
    """In float32; convolutions may round to TF32 there."""
    images, backbone = torch.randint(0, 256, (64, 3, 60, 60), dtype=torch.uint8), {}
    for device in ("cpu", "cuda"):
        backbone[device] = random_backbone(tiny_config).to(device)
    here, there = (extract_features(b, images) for b in backbone.values())
    torch.testing.assert_close(there, here, rtol=0, atol=5e-3)
    here, there = (attention_maps(b, normalize(images.to(d))).cpu() for d, b in backbone.items())
    torch.testing.assert_close(there, here, rtol=0, atol=1e-3)


def test_a_collapse_is_told_while_training_goes_on(tiny_config, capsys):
    """No centering, and a teacher that is so sharp that one prototype takes all."""
    config = replace(
        tiny_config, epochs=12, teacher_temp=0.001, warmup_teacher_temp=0.001,
        center_momentum=1.0, base_lr=0.05, warmup_epochs=0, knn_evals=0,
    )  # fmt: skip
    result = train(config, progress=False)
    assert result.finished
    assert capsys.readouterr().out.count("training has collapsed") == 1


def folder_of_classes(top, held_out):
    for place in ("train/a", "train/b", held_out):
        (top / place).mkdir(parents=True)
        for i in range(12):
            Image.new("RGB", (60, 60), (20 * i, 99, 7)).save(top / place / f"{i}.png")
    return str(top)


@pytest.mark.parametrize("trouble", ["flat", "large"])
def test_without_labels_or_room_for_the_held_out_pictures_there_is_no_knn(
    tiny_config, tmp_path, monkeypatch, capsys, trouble
):
    spec = folder_of_classes(tmp_path / "photos", "val" if trouble == "flat" else "val/a")
    config = replace(tiny_config, data=spec, max_images=None, epochs=1)
    if trouble == "large":
        config = replace(config, eval_size=120)
        monkeypatch.setattr("minidino.data.folders.IN_MEMORY_BYTES", 24 * 3 * 60 * 60)
    result = train(config, progress=False)
    assert result.finished and not any("knn" in line for line in result.history)
    told = {"flat": "not in folders named as in train", "large": "images of 120 px are too many"}
    assert f"no k-NN during training: {'' if trouble == 'flat' else '24 '}" in (
        out := capsys.readouterr().out
    )
    assert told[trouble] in out


@pytest.mark.parametrize("spoilt", ["{,}", "[1]", '{"resumed": 3}', "\xff"])
def test_a_spoilt_config_json_does_not_stop_a_resume(tiny_config, tmp_path, spoilt):
    config = replace(tiny_config, epochs=1, knn_evals=0)
    train(config, tmp_path / "run", progress=False)
    file = tmp_path / "run/config.json"
    file.write_bytes(spoilt.encode("latin1"))
    assert train(config, tmp_path / "run", resume=True, progress=False).finished
    record = json.loads(file.read_text())
    assert record["config"]["embed_dim"] == 48 and record["resumed"][0]["step"] == 6


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.json", '{"model_type": "vit"}', "a config.json that is not a run's"),
        ("metrics.jsonl", '{"step": 1}\n', "files of a run whose checkpoint is gone"),
        ("snapshots/step_0000001.safetensors", "", "files of a run whose checkpoint is gone"),
    ],
)
def test_files_of_others_are_not_overwritten(tiny_config, tmp_path, name, text, message):
    file = tmp_path / "run" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        train(tiny_config, tmp_path / "run", progress=False)
    assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


def test_a_run_that_cannot_begin_leaves_no_folder(tiny_config, tmp_path):
    with pytest.raises(UserError, match="no data"):
        train(replace(tiny_config, data="nowhere"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_folder_is_free_again_when_a_run_ends_however_it_ends(tiny_config, tmp_path):
    """The exception, kept as notebooks keep the last one, holds on to everything in its frames."""
    config = replace(tiny_config, base_lr=1e12, warmup_epochs=0, clip_grad=0, knn_evals=0)
    with pytest.raises(TrainingDiverged) as kept:
        train(config, tmp_path / "run", progress=False)
    free = "import sys; from pathlib import Path; from minidino.run.files import held\n"
    free += "with held(Path(sys.argv[1])) as free: sys.exit(not free)"
    done = subprocess.run([sys.executable, "-c", free, str(tmp_path / "run")])
    assert done.returncode == 0 and kept


def test_pictures_may_have_moved(tiny_config, tmp_path, monkeypatch):
    spec = folder_of_classes(tmp_path / "photos", "val/a")
    config = replace(tiny_config, data=spec, max_images=None, epochs=2)
    monkeypatch.setattr("minidino.train.time_is_up", lambda *_: True)
    train(config, tmp_path / "run", minutes=1, progress=False)
    monkeypatch.undo()
    (tmp_path / "photos").rename(tmp_path / "moved")
    config = replace(config, data=str(tmp_path / "moved"))
    assert train(config, tmp_path / "run", resume=True, progress=False).finished
    assert load_checkpoint(tmp_path / "run")["config"]["data"] == config.data
