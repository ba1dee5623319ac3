"""Killed anywhere and resumed, a run ends as if nothing had been; signals; full disks; memory."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed import TINY, Victim, assert_same_run, log_of

from minidino.run.checkpoint import LATEST, PREVIOUS, load_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, dict[str, int], float]:
    """The run that nothing interrupts: its folder, its moments of writing, its seconds."""
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    said = Victim([*TINY, "--out", str(folder / "run")], folder / "report").ended()
    assert said["code"] == 0 and "finished" in said["out"], said
    return folder / "run", said["moments"], time.monotonic() - began


def finish(run: Path, report: Path, **options) -> dict:
    """Go on with a run to its end."""
    said = Victim([*TINY, "--out", str(run), "--resume"], report, **options).ended()
    assert said["code"] == 0 and "finished" in said["out"], said
    return said


def test_the_same_seed_gives_the_same_run_in_another_process(whole, tmp_path):
    finish(tmp_path / "run", tmp_path / "report")
    assert_same_run(whole[0], tmp_path / "run")
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["config"]["seed"] == 0
    assert {"minidino", "commit", "python", "torch", "numpy", "device"} <= set(config)


# ------------------------------------------------------------------ killed


def killed(whole, tmp_path: Path, seed: int) -> None:
    """Kill a run up to three times: within a write, or at any time; then let it end."""
    reference, moments, seconds = whole
    chance, kills = random.Random(seed), 0
    run, report = tmp_path / "run", tmp_path / "report"
    for life in range(chance.randint(1, 3)):
        argv = [*TINY, "--out", str(run), "--resume"]
        if chance.random() < 0.7 or life == 0:  # a first life comes to every moment
            kind = chance.choice(sorted(moments))
            said = Victim(argv, report, kill_at=(kind, chance.randrange(moments[kind]))).ended()
        else:
            victim = Victim(argv, report)
            time.sleep(chance.uniform(0.1, 0.9) * seconds)
            victim.send(signal.SIGKILL)
            said = victim.ended()
        kills += said is None
        if run.exists():  # at every moment all that is there is whole
            for name in (LATEST, PREVIOUS):
                if (run / name).exists():
                    load_checkpoint(run / name)
    assert kills > 0
    finish(run, report)
    assert_same_run(reference, run)


@pytest.mark.parametrize(
    "kind", [LATEST, "metrics.jsonl", "config.json", "snapshot", "replace", "fsync", "step"]
)
def test_killed_in_the_middle_of_the_middle_one(whole, tmp_path, kind):
    """With half of the bytes written, between the two renames, between a step and its log line."""
    reference, moments, _ = whole
    run, report = tmp_path / "run", tmp_path / "report"
    at = moments[kind] // 2 | 1  # the odd ones are half done, or just done
    assert Victim([*TINY, "--out", str(run)], report, kill_at=(kind, at)).ended() is None
    finish(run, report)
    assert_same_run(reference, run)


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_run_goes_on_exactly(whole, tmp_path, seed):
    killed(whole, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 24))
def test_a_killed_run_goes_on_exactly_20_times(whole, tmp_path, seed):
    killed(whole, tmp_path, seed)


@pytest.mark.slow
def test_a_kill_at_every_moment_of_writing(whole, tmp_path):
    """One kill each; of the many pieces of a checkpoint's file, every 500th."""
    reference, moments, _ = whole
    assert {LATEST, "metrics.jsonl", "config.json", "snapshot", "replace", "fsync"} < set(moments)
    for kind, count in sorted(moments.items()):
        for number in range(0, count, 500 if kind == LATEST else 1):
            run = tmp_path / f"{kind}-{number}"
            argv = [*TINY, "--out", str(run)]
            assert Victim(argv, tmp_path / "report", kill_at=(kind, number)).ended() is None
            finish(run, tmp_path / "report")
            assert_same_run(reference, run)


# ------------------------------------------------------------------ asked to stop


def steps_logged(run: Path) -> int:
    log = run / "metrics.jsonl"
    return log.read_text().count('"loss"') if log.exists() else 0


@pytest.mark.parametrize(
    ("number", "code", "name"),
    [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")],
)
def test_a_signal_saves_the_step_under_way_and_leaves_with_a_word(
    whole, tmp_path, number, code, name
):
    run = tmp_path / "a run"
    victim = Victim([*TINY, "--out", str(run), "--resume"], tmp_path / "report")
    assert victim.wait_for(lambda: steps_logged(run) >= 2)
    victim.send(number)
    said = victim.ended()
    step = load_checkpoint(run)["step"]
    assert said["code"] == code and 2 <= step < 12
    assert said["err"].splitlines()[-1] == (
        f"minidino: stopped by {name} after step {step} of 12, and saved; go on with: "
        f"minidino train --out '{run}' --device cpu --resume"
    )
    assert log_of(run)[-1]["step"] == step
    finish(run, tmp_path / "report")
    assert_same_run(whole[0], run)


def slow_knn() -> None:
    """k-NN that would take a minute."""
    from minidino.run.monitor import KnnMonitor

    KnnMonitor.__call__ = lambda self, backbone: time.sleep(60)


def test_a_signal_cuts_k_nn_short_and_the_resume_makes_up_for_it(whole, tmp_path):
    run = tmp_path / "run"
    victim = Victim([*TINY, "--out", str(run)], tmp_path / "report", patch=slow_knn)
    assert victim.wait_for((run / LATEST).exists)
    victim.send(signal.SIGTERM)
    assert victim.ended()["code"] == 143
    assert log_of(run) == []
    finish(run, tmp_path / "report")
    assert_same_run(whole[0], run)


def slow_step() -> None:
    """Steps that would take a minute."""
    from minidino.trainer import Trainer

    Trainer.step = lambda self, *_: time.sleep(60)


def test_a_second_signal_does_not_wait(tmp_path):
    run = tmp_path / "run"
    victim = Victim([*TINY, "--out", str(run)], tmp_path / "report", patch=slow_step)
    assert victim.wait_for(lambda: log_of(run) if (run / LATEST).exists() else False)
    time.sleep(0.5)  # the step has begun
    victim.send(signal.SIGINT)
    time.sleep(0.5)
    assert victim.process.is_alive()
    victim.send(signal.SIGINT)
    said = victim.ended()
    assert said["code"] == 130 and "stopped at once by Ctrl-C" in said["err"]
    assert load_checkpoint(run)["step"] == 0


def test_two_runs_do_not_write_to_one_folder(whole, tmp_path):
    run = tmp_path / "run"
    victim = Victim([*TINY, "--out", str(run)], tmp_path / "report", patch=slow_step)
    assert victim.wait_for(lambda: log_of(run) if (run / LATEST).exists() else False)
    said = Victim([*TINY, "--out", str(run), "--resume"], tmp_path / "second").ended()
    assert said["code"] == 2 and said["err"].splitlines()[-1] == (
        f"minidino: another process is training into {run}; wait for it, or stop it"
    )
    victim.send(signal.SIGKILL)
    assert victim.ended() is None
    finish(run, tmp_path / "report")  # the lock went with the process
    assert_same_run(whole[0], run)


def test_a_stop_does_not_wait_for_threads_that_are_at_work():
    code = "import threading, time; from minidino.engine.distributed import leave; "
    code += "threading.Thread(target=time.sleep, args=(60,)).start(); print('said'); leave(143)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=40)
    assert done.returncode == 143 and done.stdout.strip() == b"said"


def slow_data() -> None:
    """Pictures that take a minute to read."""
    import sys

    def load(*args, **kwargs):
        Path("loading").touch()
        time.sleep(60)

    sys.modules["minidino.train"].load_data = load  # the package has a function of that name, too


def test_a_stop_before_the_first_step_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    victim = Victim([*TINY, "--out", "run"], tmp_path / "report", patch=slow_data)
    assert victim.wait_for(Path("loading").exists)
    victim.send(signal.SIGTERM)
    said = victim.ended()
    assert said["code"] == 143 and "stopped by SIGTERM before the first step" in said["err"]


def test_the_handlers_and_the_exception_suit_a_notebook(tiny_config, monkeypatch, tmp_path):
    """Ctrl-C in the step that is under way: the cell ends by KeyboardInterrupt, all is saved."""
    from minidino.train import train
    from minidino.trainer import Trainer

    step, before = Trainer.step, signal.getsignal(signal.SIGINT)

    def interrupted(self, images, labels=None):
        if self.now == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, images, labels)

    monkeypatch.setattr(Trainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt, match="after step 8 of 18, and saved"):
        train(tiny_config, tmp_path / "run", progress=False)
    assert load_checkpoint(tmp_path / "run")["step"] == 8
    assert signal.getsignal(signal.SIGINT) is before


# ------------------------------------------------------------------ the last two checkpoints


@pytest.fixture
def stopped(whole, tmp_path) -> Path:
    """A finished run of one's own, to be damaged."""
    shutil.copytree(whole[0], tmp_path / "run")
    return tmp_path / "run"


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


@pytest.mark.parametrize("damage", [cut_short, emptied, Path.unlink])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(whole, stopped, tmp_path, damage):
    damage(stopped / LATEST)
    said = finish(stopped, tmp_path / "report")
    assert said["err"].count("using the one before it") == 1
    assert f"{stopped / PREVIOUS}" in said["err"]
    assert_same_run(whole[0], stopped)


def test_where_both_are_damaged_it_is_an_error(stopped, tmp_path):
    for name in (LATEST, PREVIOUS):
        cut_short(stopped / name)
    said = Victim([*TINY, "--out", str(stopped), "--resume"], tmp_path / "report").ended()
    assert said["code"] == 2 and said["err"].count("\n") == 1
    assert f"{stopped / LATEST} is not a readable checkpoint" in said["err"]


@pytest.mark.parametrize(
    "command", ["knn", pytest.param("attend", marks=pytest.mark.slow), "export"]
)
def test_other_commands_use_the_one_before_too(stopped, tmp_path, command):
    cut_short(stopped / LATEST)
    argv = {
        "knn": ["knn", str(stopped), "--max-images", "60"],
        "attend": ["attend", str(stopped), "--out", str(tmp_path / "o"), "--pictures", "2"],
        "export": [
            "export",
            str(stopped),
            "--to",
            "timm",
            "--out",
            str(tmp_path / "o.safetensors"),
        ],
    }[command]
    said = Victim(argv, tmp_path / "report").ended()
    assert said["code"] == 0, said
    assert said["err"].count("using the one before it") == 1
    assert (stopped / LATEST).stat().st_size < (stopped / PREVIOUS).stat().st_size  # left alone


# ------------------------------------------------------------------ no room


def test_a_file_that_may_not_grow_costs_one_line_and_nothing_saved(whole, tmp_path):
    """A limit on the size of files, as a quota is felt: the second checkpoint does not fit."""
    run, report = tmp_path / "run", tmp_path / "report"
    size = (whole[0] / LATEST).stat().st_size  # with AdamW's moments, which step 0 lacks
    said = Victim([*TINY, "--out", str(run)], report, limit=size - 1000).ended()
    assert said["code"] == 2
    assert said["err"].splitlines()[-1] == (
        f"minidino: could not write {run / LATEST}: File too large; what was saved before is kept"
    )
    assert load_checkpoint(run)["step"] == 0
    finish(run, report)
    assert_same_run(whole[0], run)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few KiB, and how to resize it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(kib: int, *options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={kib}k", *options]), "tmpfs"]
        return subprocess.run([*command, str(disk)], capture_output=True).returncode == 0

    if os.geteuid() or not mount(1):
        pytest.skip("only root can mount a small disk")
    yield disk, lambda kib: mount(kib, "remount")
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("share", [0.3, 0.9, 1.3, 1.8, 2.5])
def test_a_full_disk_costs_one_line_and_nothing_saved(whole, small_disk, tmp_path, share):
    disk, resize = small_disk
    run, report = disk / "run", tmp_path / "report"
    checkpoint = (whole[0] / LATEST).stat().st_size
    assert resize(int(share * checkpoint) // 1024)
    said = Victim([*TINY, "--out", str(run)], report).ended()
    assert said["code"] == 2, said["err"]
    told = said["err"].splitlines()[-1]
    assert told.startswith(("minidino: could not write", "minidino: cannot write")), told
    assert "No space left on device" in told
    saved = [load_checkpoint(f)["step"] for f in sorted(run.glob("checkpoint*.pt"))]
    assert bool(saved) == (share > 0.5)
    # A full disk stays full: a second try says the same, and again nothing is lost.
    said = Victim([*TINY, "--out", str(run), "--resume"], report).ended()
    assert said["code"] == 2 and "No space left on device" in said["err"]
    assert [load_checkpoint(f)["step"] for f in sorted(run.glob("checkpoint*.pt"))] == saved
    assert resize(20 * checkpoint // 1024)
    finish(run, report)
    assert_same_run(whole[0], run)


# ------------------------------------------------------------------ long runs


def report_memory() -> None:
    """Note the memory in use, in KiB, after step 200 and after step 2,000."""
    import gc

    from minidino.trainer import Trainer

    step = Trainer.step

    def watched(self, images, labels=None):
        out = step(self, images, labels)
        if self.now in (200, 2000):
            gc.collect()
            status = Path("/proc/self/status").read_text()
            with open("memory", "a") as file:
                file.write(status.split("VmRSS:")[1].split()[0] + "\n")
        return out

    Trainer.step = watched


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow(tmp_path, monkeypatch):
    """2,000 steps in 500 epochs, each of which saves; log, k-NN and snapshots as in any run."""
    monkeypatch.chdir(tmp_path)
    argv = [*TINY, "--out", "run", "--epochs", "500", "--log-every", "10"]
    said = Victim(argv, tmp_path / "report", patch=report_memory).ended()
    assert said["code"] == 0, said
    early, late = map(int, Path("memory").read_text().split())
    print(f"memory: {early / 1024:.1f} MiB after 200 steps, {late / 1024:.1f} MiB after 2,000")
    assert late < early + 8 * 1024
