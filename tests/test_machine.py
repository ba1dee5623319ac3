"""What machines have and lack: devices, memory, letters of a console, ways to start a process."""

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchgen
import yaml
from torch.utils._python_dispatch import TorchDispatchMode

from minidino.attention import attention_maps
from minidino.config import OBJECTIVES, recipe
from minidino.course import notebooks
from minidino.engine import machine
from minidino.engine.compiled import Compiled
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.evaluate import extract_features
from minidino.pixels import normalize, sent
from minidino.rivals import swav
from minidino.run.objectives import make_trainer
from minidino.trainer import Trainer

CPU = torch.device("cpu")
PACKAGE = Path(__file__).resolve().parents[1] / "minidino"


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | environment
    )


# ---------------------------------------------------------------- devices


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_kind_of_device_is_the_usual_one(cuda, mps, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert machine.usual_device() == expected


def test_a_device_that_is_not_here_is_refused():
    for name in ("mps", "cuda:99", "meta", "toaster"):
        if name != machine.usual_device():
            with pytest.raises(UserError, match=f'no device "{name}" on this machine'):
                machine.pick_device(name)


def test_the_device_that_was_picked_and_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(machine, "usual_device", lambda: "meta")
    with pytest.raises(UserError, match='no device "meta" on this machine'):
        machine.pick_device()


OF_CUDA = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has ..."),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
)


@pytest.mark.parametrize("error", OF_CUDA, ids=str)
def test_a_gpu_without_room_says_so(error, monkeypatch):
    """It is there: to say that it is not would send its owner after the driver. In a training,
    too, whoever of CUDA's libraries says it; a second try, uncompiled, would need no less."""

    def full(*_, **__):
        calls.append(1)
        raise error

    calls = []
    monkeypatch.setattr(torch, "ones", full)
    with pytest.raises(UserError, match='the memory of device "cpu" is taken') as told:
        machine.pick_device("cpu")
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match=r"out of memory.*--accumulate 2"):
        machine.advised(full)()
    compiled = Compiled(full, Engine(), 0)
    compiled.function = print  # another than the plain one
    with pytest.raises(RuntimeError):
        compiled.attempt(full)
    assert len(calls) == 3


def test_apples_gpus_compute_in_one_part_and_plainly():
    assert Engine.of("mps") == Engine() and Engine.of("mps").flags(torch.device("mps")) == []
    assert Engine().threads(64, torch.device("mps")) == 1


@pytest.mark.parametrize(("device", "waits"), [("mps", True), ("cuda", False), ("cpu", False)])
def test_apples_gpus_alone_are_waited_for(device, waits):
    """They may read what they are sent when it is gone (pytorch/pytorch issue 189690)."""
    asked = []

    class Spy(torch.Tensor):
        def to(self, *args, **kwargs):
            asked.append(not kwargs["non_blocking"])
            return torch.zeros(3)

    sent(torch.zeros(3).as_subclass(Spy), SimpleNamespace(device=torch.device(device)))
    assert asked == [waits]
    named = {
        file.name: ast.unparse(node.value)
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "non_blocking"
    }
    assert named.pop("prefetch.py") == "True"  # on a stream of CUDA's alone
    assert named == {"pixels.py": "like.device.type != 'mps'", "vit.py": "not waits"}


def operators(work) -> tuple[set[str], set[torch.dtype]]:
    """What PyTorch dispatches: names of operators, with their overloads, and dtypes."""
    seen, dtypes = set(), set()

    class Record(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name = function._schema.name.removeprefix("aten::")
            overload = function._schema.overload_name
            seen.add(f"{name}.{overload}" if overload else name)
            result = function(*args, **(kwargs or {}))
            dtypes.update(x.dtype for x in (*args, result) if isinstance(x, torch.Tensor))
            return result

    with Record():
        work()
    return seen, dtypes


@functools.cache
def pytorchs_own_table() -> dict[str, dict]:
    """Operator -> its row: by which device it is computed, and how."""
    table = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"
    rows = yaml.safe_load(table.read_text("utf-8"))  # takes a second
    return {row["func"].split("(")[0]: row for row in rows}


@pytest.mark.parametrize(
    "changes",
    [{}, {"centering": "sinkhorn", "koleo": 0.1}, {"ibot": 1.0, "gram": 0.5, "positions": "rope"}]
    + [{"objective": name} for name in OBJECTIVES if name != "dino"],
    ids=str,
)
def test_pytorchs_own_table_has_every_operator_of_a_step_for_apples_gpus(changes, monkeypatch):
    """And of features and attention maps: ``--device mps`` falls back to the CPU for none.

    But for attention itself, which each kind of device has under a name of its own. Of float64,
    for which nothing falls back, there is none.
    """
    widest = swav.widest_float
    monkeypatch.setattr(swav, "widest_float", lambda _: widest(torch.device("mps")))
    config = recipe(
        "things", max_images=32, batch_size=16, depth=2, num_heads=4, embed_dim=48, out_dim=16,
        warmup_epochs=0, freeze_last_layer_epochs=0, queue_length=16, **changes,
    )  # fmt: skip
    trainer = make_trainer(config, 2, CPU, Engine(), n_classes=4)
    labels = torch.arange(16) % 4
    images = torch.randint(0, 256, (16, 3, 60, 60), dtype=torch.uint8)
    backbone = trainer.teacher.backbone

    def everything() -> None:
        trainer.step(images, labels)
        trainer.step(images, labels)
        extract_features(backbone, images)
        extract_features(backbone, images, n_last_blocks=2, mean_patches=True)
        attention_maps(backbone, normalize(images))

    rows = pytorchs_own_table()

    def on_apples_gpus(name: str) -> bool:
        row = rows[name]
        if "structured_delegate" in row:
            return on_apples_gpus(row["structured_delegate"])
        kinds = {k.strip() for keys in row.get("dispatch", {}) for k in keys.split(",")}
        return not kinds or "MPS" in kinds or any(k.startswith("Composite") for k in kinds)

    dispatched, dtypes = operators(everything)
    assert torch.float64 not in dtypes and torch.float32 in dtypes
    used = {name for name in dispatched if name in rows}
    assert len(used) > 70 and {"addmm", "_fused_adamw_.tensor_lr"} & used and "bmm" in used
    lacking = {name for name in used if not on_apples_gpus(name)}
    fused = "_scaled_dot_product_flash_attention_for_cpu"
    assert lacking <= {fused, f"{fused}_backward"}
    assert not on_apples_gpus("mkldnn_linear")  # so the table tells


def test_what_apples_gpus_lack_falls_back_with_a_word():
    """PyTorch warns of each operator that it computes on the CPU instead, if it is allowed to."""
    code = "import os, minidino; print(os.environ['PYTORCH_ENABLE_MPS_FALLBACK'])"
    clean = {"PYTORCH_ENABLE_MPS_FALLBACK": "0"}
    assert run_python(code, **clean).stdout.split() == [b"0"]  # a person's own choice stays
    code = f"import os; os.environ.pop('PYTORCH_ENABLE_MPS_FALLBACK', 0); {code}"
    assert run_python(code).stdout.split() == [b"1"]


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no Apple GPU here")
def test_apples_gpu_takes_the_steps_of_the_cpu():
    """Three steps in float32: losses to 1e-4, movements of the weights to 1% of their length."""
    config = recipe("things", max_images=32, batch_size=16, depth=2, warmup_epochs=0)
    images = torch.randint(0, 256, (16, 3, 60, 60), dtype=torch.uint8)
    losses, moved = [], []
    for device in (CPU, torch.device("mps")):
        trainer = Trainer(config, 2, device, Engine())
        before = torch.cat([p.detach().cpu().flatten() for p in trainer.parameters])
        losses.append([trainer.step(images.to(device))["loss"].item() for _ in range(3)])
        after = torch.cat([p.detach().cpu().flatten() for p in trainer.parameters])
        moved.append(after - before)
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=1e-4, atol=0)
    assert (moved[0] - moved[1]).norm() < 0.01 * moved[0].norm()


# ---------------------------------------------------------------- memory


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="the oracle is Linux's own file")
def test_memory_is_what_the_system_says():
    text = Path("/proc/meminfo").read_text()
    total, free = (
        1024 * int(re.search(rf"{name}:\s+(\d+)", text)[1]) for name in ("MemTotal", "MemAvailable")
    )
    assert machine.installed_ram() == pytest.approx(total, rel=0.01)
    assert 0 < machine.available_ram() <= free * 1.2 + 2**28


# ---------------------------------------------------------------- consoles, systems


@pytest.mark.parametrize(
    ("encoding", "done"), [("utf-8", "✓"), ("cp1252", "+"), ("ascii", "+"), (None, "+")]
)
def test_marks_are_letters_that_the_console_has(encoding, done):
    marks = notebooks.marks(encoding)
    assert marks["done"] == done and len(set(marks.values())) == 3
    "".join(marks.values()).encode(encoding or "ascii")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], marks=pytest.mark.slow),
        ["train", "--help"],
        ["knn", "päper-✓-日本"],
    ],
)
def test_a_console_of_windows_can_print_every_command(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "minidino", *arguments],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    )
    said = (done.stdout + done.stderr).decode("cp1252")
    assert "Traceback" not in said and done.returncode == (0 if "--help" in arguments else 2), said
    if done.returncode:
        assert said.startswith("minidino: no checkpoint at p") and len(said.splitlines()) == 1


ABSENT_ON_WINDOWS = """
import os, signal, sys
import psutil, torch, tyro  # which provide for every system themselves
for module, names in ((os, ("sysconf", "setpgrp", "fork")), (signal, ("SIGCHLD", "SIGKILL"))):
    for name in names:
        delattr(module, name)
sys.modules["fcntl"] = None
"""


def test_a_run_needs_nothing_that_windows_lacks(tmp_path):
    train = ["train", "--epochs", "1", "--max-images", "32", "--batch-size", "16"]
    train += ["--knn-evals", "0", "--depth", "1", "--out", str(tmp_path / "run")]
    code = f"{ABSENT_ON_WINDOWS}\nfrom minidino.cli import main\nsys.exit(main({train!r}))"
    done = run_python(code)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "run/checkpoint.pt").exists()


# A file of its own: where processes are not forked each begins by reading the file it came from.
STREAM = """
import multiprocessing
from pathlib import Path
import torch
from minidino.data.streamed import StreamedFolder

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    files = sorted(Path("pictures").glob("*.png"))
    data = StreamedFolder(files, None, (), 24, workers=2)
    for batch in data.batches(torch.arange(8).split(4)):
        print(batch[:, 0, 0, 0].tolist())
    data.close()
"""


def test_readers_begin_where_processes_are_spawned(tmp_path):
    """As on macOS and Windows; the first pixel of each picture is its number."""
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for i in range(8):
        Image.new("RGB", (24, 24), (10 * i, 0, 0)).save(tmp_path / f"pictures/{i}.png")
    (tmp_path / "stream.py").write_text(STREAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "stream.py"], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["[0, 10, 20, 30]", "[40, 50, 60, 70]"], done.stderr
