"""The memory model against autograd and the allocator; the largest batch; a full memory."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minidino.config import RECIPES, recipe
from minidino.engine import batch as B
from minidino.engine import machine
from minidino.engine.memory import parameter_counts, step_memory, widest_activation
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run import plan
from minidino.train import train
from minidino.trainer import Network, Trainer

CPU = torch.device("cpu")
KEPT, AGAIN = Engine(), Engine(checkpoint_activations=True)
# Narrow heads and wide, drop path and none, a head that hardly counts and one that dominates.
CONFIGS = {
    "things": recipe("things", batch_size=48),
    "wide heads": recipe("things", batch_size=48, num_heads=3, drop_path_rate=0.1),
    "many tokens": recipe("things", batch_size=8, image_size=96, global_size=72),
    "tiny": recipe("tiny", batch_size=2),
    "many prototypes": recipe("tiny", batch_size=2, depth=4, out_dim=32768),
    "small": recipe("small", batch_size=2, depth=3),
}


def saved_bytes(trainer: Trainer, views) -> int:
    """What autograd keeps of a forward pass, each storage once; not the weights nor the views."""
    given = [*trainer.student.parameters(), *views]
    known = {t.untyped_storage().data_ptr() for t in given}
    found: dict[int, int] = {}

    def pack(t):
        storage = t.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        kept = trainer.gradients.objective(trainer.student, torch.tensor(0.04), *views)
    assert kept[0].requires_grad
    return sum(found.values())


def peak_bytes(trainer: Trainer, images: torch.Tensor) -> int:
    """The allocator's highest mark during a step, as the profiler records it."""
    trainer.step(images)  # AdamW's moments are made
    tensors = [*trainer.student.parameters(), *trainer.teacher.parameters(), images]
    tensors += [p.grad for p in trainer.student.parameters() if p.grad is not None]
    tensors += [v for s in trainer.optimizer.state.values() for v in s.values()]
    now = peak = sum(t.nbytes for t in tensors)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(profile_memory=True, activities=activities) as profile:
        trainer.step(images)
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def some_images(config) -> torch.Tensor:
    shape = (config.batch_size, 3, config.image_size, config.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8)


@pytest.mark.parametrize("name", RECIPES)
def test_parameters_are_counted_exactly(name):
    plain = replace(RECIPES[name], out_dim=512, depth=2)
    for config in (plain, replace(plain, norm_last_layer=False, global_size=48, local_size=48)):
        numbers = [(p.numel(), p.requires_grad) for p in Network(config).parameters()]
        assert parameter_counts(config) == (
            sum(n for n, trained in numbers if trained),
            sum(n for n, _ in numbers),
        )


@pytest.mark.parametrize("name", CONFIGS)
def test_activations_are_within_15_percent_of_what_autograd_saves(name):
    config = CONFIGS[name]
    trainer = Trainer(config, 10, CPU, KEPT)
    views = trainer.crops(some_images(config), torch.Generator().manual_seed(0))
    saved = saved_bytes(trainer, views)
    assert step_memory(config, KEPT, cuda=False).activations == pytest.approx(saved, rel=0.15)


@pytest.mark.parametrize("engine", [KEPT, AGAIN, Engine(accumulate=2)], ids=str)
@pytest.mark.parametrize("name", ["things", "many prototypes", "small"])
def test_the_peak_is_within_20_percent_of_the_allocators(name, engine):
    config = replace(CONFIGS[name], freeze_last_layer_epochs=0)  # its gradients and moments too
    peak = peak_bytes(Trainer(config, 10, CPU, engine), some_images(config))
    assert step_memory(config, engine, cuda=False).total == pytest.approx(peak, rel=0.2)


def test_a_large_batch_takes_its_activations_a_few_images_at_a_time_on_a_cpu():
    """The recipe's 128 images and 16 of them; on CUDA activations grow with the batch."""
    for cuda, growth in ((False, 1), (True, 8)):
        small, large = (
            step_memory(recipe("tiny", batch_size=n), Engine(data_parallel=2), cuda=cuda)
            for n in (16, 128)
        )
        assert large.activations == pytest.approx(growth * small.activations, rel=0.05)


def test_images_that_are_compared_are_all_kept_at_once():
    """On a CPU too, where other batches are taken a few images at a time."""
    small, large = (
        step_memory(recipe("photos", batch_size=n), Engine(), cuda=False).activations
        for n in (64, 1024)
    )
    assert large == pytest.approx(16 * small, rel=0.05)
    with pytest.raises(UserError, match="--accumulate 2 takes a batch in parts"):
        step_memory(recipe("photos"), Engine(accumulate=2), cuda=False)


def test_the_largest_activation_is_the_largest_that_autograd_keeps():
    config = CONFIGS["tiny"]
    trainer, sizes = Trainer(config, 10, CPU, KEPT), []
    views = trainer.crops(some_images(config), torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: sizes.append(t.nbytes) or t, lambda t: t
    ):
        trainer.student.backbone(views[0])
    assert widest_activation(config) * config.batch_size == max(sizes)


def test_every_thread_has_gradients_of_its_own():
    config = recipe("things")
    gradients = sum(p.nbytes for p in Network(config).parameters() if p.requires_grad)
    one, three = (
        step_memory(replace(config, batch_size=48), Engine(data_parallel=n), cuda=False)
        for n in (1, 3)
    )
    assert three.weights - one.weights == 2 * gradients


@pytest.mark.gpu
@pytest.mark.parametrize("engine", [KEPT, AGAIN, Engine(accumulate=2)], ids=str)
@pytest.mark.parametrize("name", ["tiny", "small", "paper-vits16"])
def test_the_peak_on_cuda(name, engine):
    config, cuda = recipe(name, batch_size=16), torch.device("cuda")
    torch.cuda.empty_cache()
    trainer, images = Trainer(config, 10, cuda, engine), some_images(config).cuda()
    for _ in range(2):
        torch.cuda.reset_peak_memory_stats()
        trainer.step(images)
    peak = torch.cuda.max_memory_allocated()
    assert step_memory(config, engine, cuda=True).total == pytest.approx(peak, rel=0.2)


# ------------------------------------------------------------------ the largest batch


class Card:
    """A card whose steps need so many times what the model says."""

    def __init__(self, memory: float, factor: float, engine: Engine):
        self.memory, self.factor, self.engine, self.tried = memory, factor, engine, []

    def need(self, config) -> float:
        return self.factor * step_memory(config, self.engine, cuda=True).total

    def __call__(self, config):
        self.tried.append(config.batch_size)
        return need if (need := self.need(config)) <= self.memory else None


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3, 2.5])
@pytest.mark.parametrize("engine", [KEPT, Engine(accumulate=3)], ids=str)
def test_steps_correct_the_model_and_the_largest_that_fits_is_found(factor, engine):
    config, budget = recipe("small"), 6 * 2**30
    card = Card(budget, factor, engine)
    found = B.search(config, engine, budget, 1024, card)
    sizes = B.batch_sizes(1024, engine.accumulate)
    assert card.need(replace(config, batch_size=found)) <= budget
    larger = sizes[sizes.index(found) + 1]
    assert card.need(replace(config, batch_size=larger)) > budget
    assert len(card.tried) <= 8 and found % engine.accumulate == 0


def test_a_card_that_holds_nothing_is_told_in_one_line():
    with pytest.raises(UserError, match="not even a batch of 2 fits"):
        B.search(recipe("small"), KEPT, 10**6, 1024, Card(10**6, 1.0, KEPT))
    with pytest.raises(UserError, match="not even a batch"):
        B.search(recipe("small"), KEPT, 10**6, 1024, None)


def test_the_batch_leaves_steps_to_take(monkeypatch):
    monkeypatch.setattr(plan, "available_ram", lambda: 2**40)
    assert plan.largest_batch(recipe("things"), KEPT, CPU, 800) <= 100
    assert 512 < plan.largest_batch(recipe("things"), KEPT, CPU, 10**6) <= plan.MOST


def test_sizes_divide_into_the_parts():
    for parts in (1, 2, 3, 8, 16):
        sizes = B.batch_sizes(1024, parts)
        assert sizes == sorted(set(sizes)) and all(s % parts == 0 and s > 1 for s in sizes)
        assert len(sizes) > 10


def test_ram_is_some_gigabytes():
    assert 2**26 < machine.available_ram() < 2**46


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has ..."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: "
                     "you tried to allocate 90 bytes. Error code 12"),
    ],
    ids=["cuda", "cpu"],
)  # fmt: skip
def test_running_out_of_memory_costs_one_line_and_no_checkpoint(
    tiny_config, tmp_path, monkeypatch, error
):
    step = Trainer.step

    def full(self, images, labels=None):
        if self.now == 8:  # after the first epoch, of 6 steps, was saved
            raise error
        return step(self, images, labels)

    monkeypatch.setattr(Trainer, "step", full)
    config = replace(tiny_config, knn_evals=0, snapshots=0)
    with pytest.raises(UserError, match=r"out of memory \(.*--accumulate 2") as told:
        train(config, tmp_path / "run", progress=False)
    assert "\n" not in str(told.value) and (tmp_path / "run/checkpoint.pt").exists()
    monkeypatch.setattr(Trainer, "step", step)
    assert train(
        config, tmp_path / "run", resume=True, progress=False, engine=Engine(accumulate=2)
    ).finished


def test_other_errors_are_passed_on():
    @machine.advised
    def fail():
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        fail()


@pytest.mark.gpu
def test_the_largest_batch_of_a_card_trains_and_leaves_nothing_behind():
    cuda, config = torch.device("cuda"), recipe("tiny")
    before = torch.cuda.memory_allocated()
    size = plan.largest_batch(config, KEPT, cuda, 10**6)
    assert size > 1 and torch.cuda.memory_allocated() <= before + 2**20
    config = replace(config, batch_size=size)
    trainer = Trainer(config, 10, cuda)
    for _ in range(3):
        trainer.step(some_images(config).cuda())


def test_the_page_of_what_fits_is_what_the_model_says():
    tool = Path(__file__).resolve().parents[1] / "tools/memory_table.py"
    assert subprocess.run([sys.executable, tool, "--check"], check=False).returncode == 0
