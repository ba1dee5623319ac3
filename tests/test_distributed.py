"""Many processes: the same training as one, files from one, one message when one fails.

Real processes with gloo, one thread each, in the environment that torchrun gives. The last
tests go through torchrun itself.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from forked import begun
from PIL import Image
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

from minidino.cli import main
from minidino.config import OBJECTIVES, TrainConfig
from minidino.convnet import ConvNet
from minidino.crops import MultiCrop
from minidino.data import load_data
from minidino.data.pictures import Pictures
from minidino.engine.settings import Engine, distributed
from minidino.errors import UserError
from minidino.run.checkpoint import load_checkpoint
from minidino.run.interrupts import RunStopped
from minidino.run.monitor import KnnMonitor
from minidino.run.plan import epochs_that_fit
from minidino.train import train
from minidino.trainer import Trainer, batch_indices

CPU = torch.device("cpu")
SECONDS = 150  # far longer than any of this takes: a hang fails the test


def environment(rank: int, n: int, port: int) -> dict[str, str]:
    """What torchrun sets for one of n processes on a machine."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(n),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(n),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def play(rank: int, n: int, port: int, folder: Path, work: Callable, args: tuple) -> None:
    """Be one of n processes; leave what ``work`` returns, or its UserError, in a file."""
    if n > 1:
        os.environ.update(environment(rank, n, port))
    torch.set_num_threads(1)
    try:
        result = work(*args)
    except UserError as error:
        result = (error, distributed.may_speak())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    torch.save(result, folder / f"result.{rank}")
    os._exit(0)


def in_processes(n: int, folder: Path, work: Callable, *args) -> list:
    """What ``work(*args)`` returns in each of n processes; if it raises a UserError, the error
    and whether that process may tell it."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [begun(play, rank, n, port, folder, work, args) for rank in range(n)]
    for process in processes:
        process.join(SECONDS)
    hung = [process for process in processes if process.is_alive()]
    for process in hung:
        process.kill()
    assert not hung
    assert [process.exitcode for process in processes] == [0] * n
    return [torch.load(folder / f"result.{rank}", weights_only=False) for rank in range(n)]


def run(config: TrainConfig, outs: tuple = (None, None), stop_at: int = 0, **options) -> dict:
    """Train, each process with a folder of its own: the log, the backbone, the images seen."""
    rank = int(os.environ.get("RANK", 0))
    seen, batches, step = [], Pictures.batches, Trainer.step
    with pytest.MonkeyPatch.context() as patch:

        def watched(self, indices):
            yield from batches(self, (seen.append(index) or index for index in indices))

        patch.setattr(Pictures, "batches", watched)
        if stop_at:  # by the clock of the last process
            late = []

            def counted(self, images, labels=None):
                late.append(self.now + 1 == stop_at and rank == distributed.world_size() - 1)
                return step(self, images, labels)

            patch.setattr(Trainer, "step", counted)
            patch.setattr("minidino.train.time_is_up", lambda *_: late[-1])
            options["minutes"] = 1
        result = train(config, outs[rank], progress=False, **options)
    return {
        "log": result.history,
        "finished": result.finished,
        "backbone": result.backbone.state_dict(),
        "seen": seen,
    }


@pytest.fixture
def config(tiny_config) -> TrainConfig:
    """20 steps in 2 epochs, the prototypes frozen in the first; with drop path."""
    return replace(tiny_config, max_images=160, epochs=2, drop_path_rate=0.5)


WHOLE: dict[TrainConfig, dict] = {}


@pytest.fixture
def whole(config) -> dict:
    """What one process, started without a launcher, makes of ``config``."""
    if config not in WHOLE:
        WHOLE[config] = run(config)
    return WHOLE[config]


def assert_same_training(ours: dict, theirs: dict, unseen: tuple[str, ...] = ()) -> None:
    """Every logged number, and the teacher's weights, to 1e-5.

    Not the keys' biases: a softmax does not see them, so their gradient is rounding alone, and
    AdamW makes steps of it. Nor others of which that is true.
    """
    free = {"seconds", "images_per_second"}
    assert len(ours["log"]) == len(theirs["log"])
    for a, b in zip(ours["log"], theirs["log"], strict=True):
        assert a.keys() == b.keys()
        for key in a.keys() - free:
            assert a[key] == pytest.approx(b[key], rel=1e-5, abs=1e-5), (key, a, b)
    for name, weights in ours["backbone"].items():
        if name in unseen:
            continue
        pair = [theirs["backbone"][name], weights]
        if name.endswith("qkv.bias"):
            pair = [torch.cat([b[: len(b) // 3], b[-len(b) // 3 :]]) for b in pair]
        torch.testing.assert_close(*pair, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


# ------------------------------------------------------------------ the same training


def test_two_processes_train_as_one_does(config, whole, tmp_path):
    """20 steps of the same global batch: logs and weights agree; nothing is seen twice."""
    two, other = in_processes(2, tmp_path / "two", run, config)
    assert [x["step"] for x in whole["log"] if "loss" in x] == list(range(1, 21))
    assert [x["step"] for x in whole["log"] if "knn" in x] == [0, 20]
    assert_same_training(whole, two)
    for name, weights in two["backbone"].items():
        assert torch.equal(other["backbone"][name], weights), name

    batches = list(batch_indices(160, 16, config.seed, 0, 20))
    for batch, mine, theirs in zip(batches, two["seen"], other["seen"], strict=True):
        assert len(mine) == len(theirs) == 8
        assert torch.equal(torch.cat([mine, theirs]), batch)


@pytest.mark.parametrize("objective", [o for o in OBJECTIVES if o != "dino"])
def test_two_processes_train_a_rival_as_one_does(tiny_config, tmp_path, objective):
    """Negatives, batch norm, assignments, the queue, masks and the Gaussian are those of the whole
    batch."""
    changes = OBJECTIVES[objective] | {"queue_length": 48, "out_dim": 16, "objective": objective}
    config = replace(tiny_config, max_images=96, epochs=1, knn_evals=0, **changes)
    whole = run(config)
    two, other = in_processes(2, tmp_path / "two", run, config)
    # Batch norm takes away what a bias below it adds to all images.
    normed = objective in ("byol", "swav", "lejepa")
    assert_same_training(whole, two, ("norm.bias",) if normed else ())
    for name, weights in two["backbone"].items():
        assert torch.equal(other["backbone"][name], weights), name


ALL_PIECES = {"registers": 2, "positions": "rope", "koleo": 0.1, "centering": "sinkhorn"}


@pytest.mark.parametrize(
    "pieces", [{"ibot": 1.0}, ALL_PIECES | {"ibot": 0.5}, {"head_batch_norm": True}]
)
def test_two_processes_train_with_pieces_as_one_does(tiny_config, tmp_path, pieces):
    """Neighbours, shares, masks, centers and norms are those of the whole batch."""
    config = replace(tiny_config, max_images=96, epochs=1, knn_evals=0, **pieces)
    whole = run(config)
    two, other = in_processes(2, tmp_path / "two", run, config)
    assert_same_training(whole, two)
    for name, weights in two["backbone"].items():
        assert torch.equal(other["backbone"][name], weights), name


def test_parts_of_a_batch_get_the_views_of_the_batch():
    images = torch.randint(0, 256, (12, 3, 40, 40), dtype=torch.uint8)
    crops = MultiCrop(global_size=24, local_size=12, n_local=3)
    whole = crops(images, torch.Generator().manual_seed(5))
    for i in range(3):
        own = slice(4 * i, 4 * i + 4)
        part = crops(images[own], torch.Generator().manual_seed(5), part=(i, 3))
        for views, mine in zip(whole, part, strict=True):
            expected = views.unflatten(0, (-1, 12))[:, own].flatten(0, 1)
            torch.testing.assert_close(mine, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [(1, 2), pytest.param(2, 1, marks=pytest.mark.slow)])
def test_resume_with_another_number_of_processes(config, whole, tmp_path, before, after):
    """Stopped within an epoch by one process's clock; the others have no folder to read."""
    outs = (tmp_path / "run", tmp_path / "unused")
    first = in_processes(before, tmp_path / "before", run, config, outs, 13)
    assert not any(result["finished"] for result in first)
    assert load_checkpoint(outs[0])["step"] == 13
    resumed = in_processes(after, tmp_path / "after", resume, config, outs)
    assert all(result["finished"] for result in resumed)
    assert_same_training(whole, resumed[0])
    assert not outs[1].exists()


def resume(config: TrainConfig, outs: tuple) -> dict:
    return run(config, outs, resume=True)


def in_parts(config: TrainConfig) -> tuple[int, dict]:
    """How often gradients were sent in three steps of two parts each, and the student."""
    distributed.join()
    trainer = Trainer(config, 10, CPU, Engine(accumulate=2))
    sent = []
    if distributed.world_size() > 1:

        def counted(_, bucket):
            sent.append(bucket.index())
            return default_hooks.allreduce_hook(dist.group.WORLD, bucket)

        trainer.gradients.replicas[0].network.register_comm_hook(None, counted)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        images = torch.randint(0, 256, (16, 3, 60, 60), dtype=torch.uint8, generator=generator)
        trainer.step(images[distributed.share(torch.arange(16))])
    return len(sent), trainer.student.state_dict()


def test_parts_of_a_step_send_their_gradients_once(config, tmp_path):
    config = replace(config, warmup_epochs=0)
    _, alone = in_parts(config)
    (sent, student), (_, other) = in_processes(2, tmp_path / "two", in_parts, config)
    assert sent == 3  # the network is so small that all its gradients are one message
    for name, weights in alone.items():
        assert torch.equal(student[name], other[name]), name
        torch.testing.assert_close(student[name], weights, rtol=0, atol=1e-5)


def test_a_folder_too_large_for_memory_is_streamed_in_shares(config, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(32):
        pixels = rng.integers(0, 256, (62, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"{i}.png")
    config = replace(config, data=str(pictures), max_images=None, epochs=1)
    one = run(config)
    two, _ = in_processes(2, tmp_path / "two", streamed, config)
    assert len(one["log"]) == 2
    assert_same_training(one, two)


def streamed(config: TrainConfig) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minidino.data.folders.IN_MEMORY_BYTES", 1000)
        return run(config)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_train_as_one_does(config, tmp_path):
    """Over NCCL, in bfloat16: the first losses agree to its rounding."""
    one = run(config, device="cuda")
    two, other = in_processes(2, tmp_path / "two", on_gpus, config)
    assert all(torch.equal(two["backbone"][k].cpu(), v.cpu()) for k, v in other["backbone"].items())
    losses = [[x["loss"] for x in r["log"][1:6]] for r in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)


def on_gpus(config: TrainConfig) -> dict:
    return run(config, device="cuda")


# ------------------------------------------------------------------ agreement


def agree(folder: Path) -> dict:
    """What each process gets of everything that they decide together."""
    distributed.join()
    me = distributed.rank()
    with distributed.one_downloads():
        there = (folder / "download").exists()
        (folder / "download").touch()
    rows = [
        distributed.rows_of_all(lambda x: x.flatten(1) * 2, torch.arange(2.0 * n).view(n, 1, 2))
        for n in (1, 2, 5)
    ]
    means = {"a": torch.tensor(float(me)), "b": torch.tensor([1.0, me])}
    network = ConvNet("resnet18", 32).eval()
    network.body.bn1.running_mean.fill_(me)
    pictures = Pictures(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.arange(4))
    KnnMonitor(pictures, pictures)(network)
    return {
        "there": there,
        "rows": rows,
        "any": [distributed.any_of(me == i) for i in range(4)],
        "main": distributed.from_main({"rank": me}),
        "mean": distributed.mean(means),
        "averages": network.body.bn1.running_mean,
        "share": distributed.share(torch.arange(9)),
        "local": (distributed.local_rank(), distributed.local_world_size()),
    }


def test_processes_agree(tmp_path):
    results = in_processes(3, tmp_path / "three", agree, tmp_path)
    for rank, r in enumerate(results):
        assert r["there"] == (rank > 0)
        for n, rows in zip((1, 2, 5), r["rows"], strict=True):
            assert rows.tolist() == [[4.0 * i, 4.0 * i + 2] for i in range(n)]
        assert r["any"] == [True, True, True, False]
        assert r["main"] == {"rank": 0}
        assert r["mean"]["a"].item() == 1 and r["mean"]["b"].tolist() == [1, 1]
        assert not r["averages"].any()  # the first process's, whose network is the one kept
        assert r["share"].tolist() == [3 * rank, 3 * rank + 1, 3 * rank + 2]
        assert r["local"] == (rank, 3)


def plan(config: TrainConfig) -> int:
    distributed.join()
    return epochs_that_fit(config, load_data("things", "train", 60, max_images=96), 0.5, CPU)


def test_all_processes_plan_the_same_epochs(tiny_config, tmp_path):
    a, b = in_processes(2, tmp_path / "two", plan, tiny_config)
    assert a == b >= 1


def test_without_a_launcher_nothing_is_distributed(monkeypatch):
    assert distributed.launched() == distributed.world_size() == 1
    monkeypatch.setenv("WORLD_SIZE", "4")  # alone, it is somebody else's
    distributed.join()
    assert distributed.launched() == distributed.world_size() == 1
    assert distributed.is_main() and distributed.may_speak()
    module = torch.nn.Linear(2, 2)
    assert distributed.replicate(module, CPU) is module


# ------------------------------------------------------------------ what goes wrong


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in environment(1, 4, 1).items():
        monkeypatch.setenv(name, value)
    assert distributed.own_device(torch.device("cuda")) == torch.device("cuda:1")
    assert distributed.own_device(CPU) == CPU
    with pytest.raises(UserError, match="cuda:0 is one GPU for 4 processes"):
        distributed.own_device(torch.device("cuda:0"))
    with pytest.raises(UserError, match="not on mps"):
        distributed.own_device(torch.device("mps"))
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="--nproc_per_node=2"):
        distributed.own_device(torch.device("cuda"))


def raise_in(where: str, config: TrainConfig, outs: tuple) -> dict:
    """Train, and let something go wrong in the second process only, or in both."""
    second, step = os.environ["RANK"] == "1", Trainer.step

    def failing(self, images, labels=None):
        if second and self.now == 5 and where == "step":
            raise UserError("the disk of this machine is full")
        return step(self, images, labels)

    if where == "data" and second:
        module = sys.modules["minidino.train"]  # the package has a function of that name, too
        module.load_data = lambda *a, **k: load_data(*a, **k | {"max_images": 80})
    if where == "batch":
        config = replace(config, batch_size=15)
    if where == "loss":
        config = replace(config, base_lr=1e12, warmup_epochs=0, clip_grad=0)
    Trainer.step = failing
    return run(config, outs)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("step", "the disk of this machine is full"),
        ("data", "process 1 has images 80, process 0 has 160"),
        ("batch", r"does not divide by 2 processes; try --batch-size 14 or 16"),
        ("loss", "the loss is nan at step"),
    ],
)
def test_one_message_whichever_process_fails(config, tmp_path, where, message):
    outs = (tmp_path / "run", tmp_path / "unused")
    config = replace(config, knn_evals=0)
    results = in_processes(2, tmp_path / "two", raise_in, where, config, outs)
    told = [error for error, may_tell in results if may_tell]
    assert len(told) == 1
    assert re.search(message, str(told[0]))
    assert all(isinstance(error, UserError) for error, _ in results)


def test_other_commands_do_not_run_in_many_processes(monkeypatch, capsys):
    for name, value in environment(0, 2, 1).items():
        monkeypatch.setenv(name, value)
    assert main(["knn", "runs/things"]) == 2
    assert capsys.readouterr().err.startswith("minidino: knn runs in one process")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert main(["knn", "runs/things"]) == 2
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------ torchrun


def torchrun(folder: Path, *argv: str, patch: str = "") -> tuple[int, str]:
    """``torchrun --nproc_per_node=2 -m minidino ...``: exit code and stderr.

    Args:
        patch: code that runs first in each process.
    """
    script = folder / "minidino_patched.py"
    script.write_text(f"{patch}\nfrom minidino.__main__ import entry\nentry()\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, str(script), *argv],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return done.returncode, done.stderr


SMALL = ["train", "--max-images", "64", "--batch-size", "16", "--epochs", "20", "--depth", "1",
         "--knn-evals", "0", "--snapshots", "0", "--log-every", "1"]  # fmt: skip


@pytest.mark.parametrize(
    "last_moment",
    [
        pytest.param(False, id="", marks=pytest.mark.slow),
        pytest.param(True, id="SIGTERM before it can speak"),
    ],
)
def test_a_process_that_is_killed_ends_the_run_with_one_message(tmp_path, last_moment):
    kill = """
import os, signal
from minidino.trainer import Trainer
step = Trainer.step
def killed(self, images, labels=None):
    if self.now == 6 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, images, labels)
Trainer.step = killed
"""
    sigterm = """
from minidino.engine import distributed
may_speak = distributed.may_speak
def interrupted():
    os.kill(os.getpid(), signal.SIGTERM)
    return may_speak()
distributed.may_speak = interrupted
"""
    patch = kill + sigterm * last_moment
    code, text = torchrun(tmp_path, *SMALL, "--out", str(tmp_path / "run"), patch=patch)
    assert code == 1
    assert text.count("minidino: ") == 1, text
    assert "minidino: a process of the 2 has ended or went silent, so all stop" in text
    assert load_checkpoint(tmp_path / "run")["step"] == 4


@pytest.mark.slow
def test_two_machines(tmp_path):
    """Two torchruns that meet at an endpoint, each with a disk of its own, as docs/ has it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
    meet = ["--nnodes=2", "--nproc_per_node=1", "--rdzv-id=test", "--rdzv-backend=c10d",
            f"--rdzv-endpoint={endpoint}"]  # fmt: skip
    machines = []
    for name in "ab":
        command = [sys.executable, "-m", "torch.distributed.run", *meet, "-m", "minidino", *SMALL]
        command += ["--out", str(tmp_path / name)]
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        machines.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env))
    said = [machine.communicate(timeout=SECONDS)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0]
    assert "".join(said).count("finished;") == 1
    (written,) = (tmp_path / name for name in "ab" if (tmp_path / name).exists())
    assert load_checkpoint(written)["step"] == 80


def test_a_mistake_is_told_once_and_exits_with_2(tmp_path):
    code, text = torchrun(tmp_path, "train", "--data", str(tmp_path / "nowhere"))
    assert code == 1  # torchrun's own
    assert set(re.findall(r"exitcode\s*: (\d+)", text)) == {"2"}
    assert text.count("minidino: ") == text.count("minidino: no data") == 1, text


def test_a_stop_asked_of_one_process_stops_all_after_the_same_step_and_is_saved(config, tmp_path):
    outs = (tmp_path / "run", tmp_path / "run")
    results = in_processes(2, tmp_path / "two", stopped_by_a_signal, config, outs)
    assert results[0] == results[1] == (143, 7)
    assert load_checkpoint(tmp_path / "run")["step"] == 7


def stopped_by_a_signal(config: TrainConfig, outs: tuple) -> tuple[int, int]:
    """Exit code and steps taken, where the second process gets SIGTERM, twice, in its 7th."""
    step, taken = Trainer.step, []

    def interrupted(self, images, labels=None):
        taken.append(self.now)
        if self.now == 6 and os.environ["RANK"] == "1":
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
        return step(self, images, labels)

    Trainer.step = interrupted
    try:
        run(config, outs)
    except RunStopped as stop:
        assert "after step 7 of 20, and saved" in str(stop)
        return stop.exit_code, len(taken)


def test_sigterm_to_torchrun_saves_and_tells_once(tmp_path):
    """As a cluster ends a job: torchrun passes the signal on and waits."""
    signal_parent = """
import os, signal
from minidino.trainer import Trainer
step = Trainer.step
def interrupting(self, images, labels=None):
    if self.now == 6 and os.environ["RANK"] == "0":
        os.kill(os.getppid(), signal.SIGTERM)
    return step(self, images, labels)
Trainer.step = interrupting
"""
    code, text = torchrun(tmp_path, *SMALL, "--out", str(tmp_path / "run"), patch=signal_parent)
    assert code != 0
    assert text.count("minidino: ") == text.count("minidino: stopped by SIGTERM after step") == 1
    (step,) = re.findall(r"stopped by SIGTERM after step (\d+) of 80, and saved", text)
    assert load_checkpoint(tmp_path / "run")["step"] == int(step) >= 7
