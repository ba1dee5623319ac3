"""Parts, recomputing and compiling leave a step's outcome as it is; nothing waits for a GPU."""

import contextlib
import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from variants import VARIANTS, variant

from minidino.engine.compiled import Compiled
from minidino.engine.gradients import split_images
from minidino.engine.parallel import SideBySide
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run.checkpoint import resume
from minidino.run.objectives import make_trainer
from minidino.trainer import Trainer, parameter_groups, seed_of

CPU = torch.device("cpu")
PLAIN = Engine()


@pytest.fixture
def config(tiny_config):
    """A run whose steps all move: no warm-up from 0, a temperature that changes."""
    return replace(
        tiny_config, warmup_epochs=0, warmup_teacher_temp=0.02, warmup_teacher_temp_epochs=2,
        freeze_last_layer_epochs=0.5, clip_grad=0.3,
    )  # fmt: skip


def batch(i: int, n: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(i)
    return torch.randint(0, 256, (n, 3, 48, 48), dtype=torch.uint8, generator=generator)


def run(config, engine, steps=5, device=CPU):
    """A trainer after some steps, and what each step returned."""
    trainer = Trainer(config, 6, device, engine)
    return trainer, [trainer.step(batch(i).to(device)) for i in range(steps)]


def moved(trainer, which: str, start: Trainer) -> torch.Tensor:
    """How far the weights have come, as one long vector."""
    pairs = zip(
        getattr(trainer, which).parameters(), getattr(start, which).parameters(), strict=True
    )
    return torch.cat([(a.detach() - b.detach()).flatten() for a, b in pairs])


def assert_same_to_rounding(config, ours, theirs, bound=1e-3):
    (a, out_a), (b, out_b) = ours, theirs
    start = Trainer(config, 6, CPU, PLAIN)
    for which in ("student", "teacher"):
        x, y = moved(a, which, start), moved(b, which, start)
        assert y.norm() > 1e-3  # there was something to get wrong
        assert (x - y).norm() < bound * y.norm(), which
    torch.testing.assert_close(a.criterion.center, b.criterion.center, rtol=1e-4, atol=1e-6)
    for x, y in zip(out_a, out_b, strict=True):
        for name in y:
            torch.testing.assert_close(x[name], y[name], rtol=1e-4, atol=1e-5)


def assert_identical(a: Trainer, b: Trainer):
    one, two = a.state_dict(), b.state_dict()
    for part in ("student", "teacher", "loss"):
        assert list(one[part]) == list(two[part])
        assert all(torch.equal(one[part][k], two[part][k]) for k in one[part]), part


# ------------------------------------------------------------------ a part for each core


@pytest.fixture
def cores():
    """Pretend to so many cores: more threads than cores are slower and no different."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "engine", [Engine(data_parallel=2), Engine(data_parallel=4, accumulate=2)], ids=str
)
def test_threads_give_the_step_of_the_whole(config, engine):
    config = replace(config, batch_size=32, drop_path_rate=0.5)
    images = [batch(i, 32) for i in range(5)]
    trainers = [Trainer(config, 6, CPU, e) for e in (engine, PLAIN)]
    assert len(trainers[0].gradients.replicas) == engine.data_parallel
    ours, whole = ((t, [t.step(x) for x in images]) for t in trainers)
    assert_same_to_rounding(config, ours, whole)


def test_threads_come_to_the_same_numbers_every_time(config):
    """Bit for bit, drop path included, though threads end in any order."""
    assert config.drop_path_rate > 0
    first, second = (run(config, Engine(data_parallel=2))[0] for _ in range(2))
    assert_identical(first, second)


def test_threads_follow_the_weights_that_a_checkpoint_brings(config):
    state = run(config, PLAIN, 3)[0].state_dict()
    trainer = Trainer(config, 6, CPU, Engine(data_parallel=2))
    resume(trainer, state, "a file")
    trainer.step(batch(0))
    for r in trainer.gradients.replicas:
        twin, student = r.network.state_dict(), trainer.student.state_dict()
        assert all(torch.equal(twin[k], student[k]) for k in student)


@pytest.mark.parametrize(
    ("engine", "images", "threads"),
    [
        (Engine(data_parallel=4), 64, 4),
        (Engine(data_parallel=4), 30, 3),  # 8 a thread, and equal parts
        (Engine(data_parallel=4), 24, 3),
        (Engine(data_parallel=4), 15, 1),
        (Engine(data_parallel=2), 17, 1),
        (Engine(data_parallel=4, accumulate=2), 48, 4),
        (Engine(data_parallel=4, accumulate=4), 36, 3),
        (Engine(data_parallel=4, compile=True), 64, 1),
        (Engine(data_parallel=4, checkpoint_activations=True), 64, 1),
    ],
    ids=str,
)
def test_how_many_threads_share_a_batch(cores, engine, images, threads):
    cores(1)
    assert engine.threads(images, CPU) == threads
    assert engine.threads(images, torch.device("cuda")) == 1


@pytest.mark.parametrize(
    ("engine", "images", "mib", "pieces"),
    [
        (Engine(), 64, 0.125, 1),  # all of them: 8 MiB
        (Engine(), 64, 0.126, 2),
        (Engine(), 128, 0.5, 8),
        (Engine(data_parallel=2), 128, 0.5, 4),  # each has a half of them
        (Engine(accumulate=2), 128, 0.5, 8),
        (Engine(accumulate=16), 128, 0.5, 16),  # as asked for
        (Engine(), 75, 0.5, 5),  # equal parts: 4 would do
        (Engine(), 62, 0.5, 2),  # of 31 and no fewer, since 31 is prime
        (Engine(), 64, 100.0, 8),  # no fewer than 8 images each
        (Engine(), 15, 100.0, 1),
    ],
    ids=str,
)
def test_in_how_many_pieces_a_thread_takes_its_images(cores, engine, images, mib, pieces):
    cores(1)
    assert engine.pieces(images, CPU, int(mib * 2**20)) == pieces
    assert engine.pieces(images, torch.device("cuda"), int(mib * 2**20)) == engine.accumulate


@pytest.mark.parametrize("engine", [PLAIN, Engine(data_parallel=2)], ids=str)
def test_pieces_give_the_step_of_the_whole(config, engine, monkeypatch):
    config = replace(config, batch_size=32, drop_path_rate=0.5)
    images = [batch(i, 32) for i in range(5)]
    trainers = [Trainer(config, 6, CPU, e) for e in (engine, PLAIN)]
    whole = trainers[1], [trainers[1].step(x) for x in images]
    monkeypatch.setattr("minidino.engine.settings.LARGEST_ACTIVATION", 0)
    seen = spy_on_scores(trainers[0])
    ours = trainers[0], [trainers[0].step(x) for x in images]
    assert seen == [8] * 20  # images of each of 4 pieces in 5 steps
    assert_same_to_rounding(config, ours, whole)


def spy_on_scores(trainer: Trainer) -> list[int]:
    """How many images each call of the networks has; two views of each are global."""
    seen, plain = [], trainer.gradients.objective.function
    trainer.gradients.objective.function = lambda *a: seen.append(len(a[2]) // 2) or plain(*a)
    return seen


def test_threads_divide_the_cores(cores):
    cores(6)
    assert Engine.of(CPU).data_parallel == 4
    team = SideBySide(3)
    assert team.map(lambda i: (i, torch.get_num_threads())) == [(0, 2), (1, 2), (2, 2)]
    assert torch.get_num_threads() == 6
    cores(1)
    assert Engine.of(CPU).data_parallel == 1


def test_cores_are_not_left_over(cores):
    """64 images do not divide by three: two threads of three cores, not of one each."""
    cores(6)
    assert Engine.of(CPU).threads(64, CPU) == 2
    cores(3)
    assert Engine.of(CPU).threads(64, CPU) == 1 and Engine.of(CPU).threads(60, CPU) == 3


def test_a_trainer_and_its_threads_end_with_their_use(config):
    """Without waiting for the garbage collector, which may be long in coming."""
    gc.collect()
    gc.disable()
    try:
        trainer = Trainer(config, 6, CPU, Engine(data_parallel=2))
        trainer.step(batch(0))
        meet = threading.Barrier(2)
        team = trainer.gradients.threads.map(
            lambda _: meet.wait(10) * 0 or threading.current_thread()
        )
        gone = weakref.ref(trainer)
        del trainer
        assert gone() is None and len(set(team)) == 2
        for thread in team:
            thread.join(10)
            assert not thread.is_alive()
    finally:
        gc.enable()


def test_one_set_of_gradients_for_each_thread(config):
    trainer = Trainer(config, 6, CPU, Engine(data_parallel=2))
    kept = []
    for r in trainer.gradients.replicas:
        r.network.register_forward_pre_hook(
            lambda *_: kept.extend(p for p in trainer.parameters if p.grad is not None)
        )
    for i in range(2):
        trainer.step(batch(i))
    assert not kept


def test_threads_that_cannot_all_begin_do_not_hang(monkeypatch):
    submit, asked = ThreadPoolExecutor.submit, []

    def second_fails(*args):
        asked.append(args)
        if len(asked) == 2:
            raise RuntimeError("can't start new thread")
        return submit(*args)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", second_fails)
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="can't start"):
        SideBySide(2)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_an_error_is_raised_when_all_threads_have_ended():
    team, ended = SideBySide(2), []

    def work(i):
        if i == 0:
            raise ValueError("the first")
        time.sleep(0.3)
        ended.append(i)

    with pytest.raises(ValueError, match="the first"):
        team.map(work)
    assert ended == [1]


@pytest.mark.parametrize(
    ("engine", "device", "flags"),
    [
        (Engine.of(CPU), CPU, []),
        (replace(Engine.of(CPU), accumulate=8), CPU, ["--accumulate", "8"]),
        (Engine(compile=False), "cuda", ["--no-compile"]),
        (Engine(compile=True, checkpoint_activations=True), "cuda", ["--checkpoint-activations"]),
    ],
)
def test_the_options_that_ask_for_an_engine(engine, device, flags):
    assert engine.flags(device) == flags


def test_threads_are_threads_and_an_error_in_one_is_raised():
    team, here = SideBySide(2), threading.get_ident()
    meet = threading.Barrier(2)  # both are at work at the same time
    assert here not in team.map(lambda _: meet.wait(10) * 0 or threading.get_ident())
    with pytest.raises(ZeroDivisionError):
        team.map(lambda i: 1 // i)
    assert SideBySide(1).map(lambda _: threading.get_ident()) == [here]


# ------------------------------------------------------------------ parts of a batch


@pytest.mark.parametrize("parts", [2, 8])
def test_parts_of_a_batch_give_the_step_of_the_whole(config, parts):
    config = replace(config, drop_path_rate=0.5)
    whole = run(config, PLAIN)
    assert_same_to_rounding(config, run(config, Engine(accumulate=parts)), whole)


def test_parts_are_images_with_all_their_views():
    """View v of image i is the number 10 v + i."""
    views = [torch.tensor([[10 * v + i] for v in range(n) for i in range(4)]) for n in (2, 3)]
    first, second = split_images(tuple(views), 2, 4)
    assert [t.flatten().tolist() for t in first] == [[0, 1, 10, 11], [0, 1, 10, 11, 20, 21]]
    assert [t.flatten().tolist() for t in second] == [[2, 3, 12, 13], [2, 3, 12, 13, 22, 23]]


def test_views_are_drawn_once_and_the_center_waits_for_the_last_part(config):
    trainer = Trainer(config, 6, CPU, Engine(accumulate=4))
    seen, centers = [], []
    crops = trainer.crops.__class__.__call__

    class Spy(trainer.crops.__class__):
        def __call__(self, images, *args, **kwargs):
            seen.append(len(images))
            return crops(self, images, *args, **kwargs)

    trainer.crops.__class__ = Spy
    trainer.student.register_forward_pre_hook(
        lambda *_: centers.append(trainer.criterion.center.clone())
    )
    for i in range(2):
        trainer.step(batch(i))
    assert seen == [16, 16] and len(centers) == 8
    assert all(torch.equal(c, centers[4 * (i // 4)]) for i, c in enumerate(centers))
    assert not torch.equal(centers[0], centers[4])


def test_a_batch_that_does_not_divide_is_named(config):
    with pytest.raises(
        UserError, match="16 does not divide into 5 equal parts; try --batch-size 15"
    ):
        Trainer(config, 6, CPU, Engine(accumulate=5))
    with pytest.raises(UserError, match="data_parallel is 0; it must be at least 1"):
        Engine(data_parallel=0)
    with pytest.raises(UserError, match="at least 1"):
        Engine(accumulate=0)


# ------------------------------------------------------------------ activations computed again


def kept_bytes(trainer, engine_parts: int = 1) -> int:
    """Bytes that a backward pass would find saved, parameters apart."""
    parameters = {p.untyped_storage().data_ptr() for p in trainer.student.parameters()}
    found: dict[int, int] = {}

    def pack(t):
        storage = t.untyped_storage()
        if storage.data_ptr() not in parameters:
            found[storage.data_ptr()] = storage.nbytes()
        return t

    views = trainer.crops(batch(0), torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss, _ = trainer.gradients.objective(trainer.student, torch.tensor(0.04), *views)
    assert loss.requires_grad
    return sum(found.values())


def test_recomputed_activations_give_the_same_numbers_for_less_memory(config):
    """Drop path included: the second time it draws what it drew the first time."""
    config = replace(config, drop_path_rate=0.5, depth=4)
    (kept, a), (again, b) = (
        run(config, Engine(checkpoint_activations=on), 3) for on in (False, True)
    )
    assert_identical(kept, again)
    assert all(torch.equal(x[k], y[k]) for x, y in zip(a, b, strict=True) for k in x)
    assert kept_bytes(again) < 0.5 * kept_bytes(kept)


# ------------------------------------------------------------------ compiling


@pytest.fixture
def compile_with(monkeypatch):
    """Let torch.compile use another backend than inductor, which needs a C++ compiler."""
    real = torch.compile

    def use(backend):
        torch._dynamo.reset()
        asked = []

        def compile(function, *, dynamic, options):
            asked.append(options)
            return real(function, dynamic=dynamic, backend=backend)

        monkeypatch.setattr("torch.compile", compile)
        return asked

    yield use
    torch._dynamo.reset()


COMPILED = Engine(compile=True)


@pytest.mark.parametrize(
    "again",
    [pytest.param(False, id="kept"), pytest.param(True, id="recomputed", marks=pytest.mark.slow)],
)
def test_compiled_steps_are_the_plain_ones(config, compile_with, again, capsys):
    compile_with("aot_eager")
    engine = replace(COMPILED, checkpoint_activations=again)
    assert_same_to_rounding(config, run(config, engine, 2), run(config, PLAIN, 2), bound=2e-3)
    assert "failed" not in capsys.readouterr().out


def test_compiled_parts_drop_paths_of_their_own_and_gradients_are_averaged(config, compile_with):
    """Against gradients taken by hand, half by half, each half from its own random numbers."""
    compile_with("aot_eager")
    config = replace(config, drop_path_rate=0.5, clip_grad=0.0, freeze_last_layer_epochs=0)
    trainer = Trainer(config, 6, CPU, replace(COMPILED, accumulate=2))
    start = Trainer(config, 6, CPU, COMPILED)  # its student draws from PyTorch's generator
    trainer.step(batch(0))
    temp = start.schedules.teacher_temp[0]
    crops = torch.Generator().manual_seed(seed_of(config.seed, "step", 0))
    start.criterion.eval()  # the center stays
    for i, (g, local) in enumerate(split_images(start.crops(batch(0), crops), 2, 16)):
        torch.manual_seed(seed_of(config.seed, "drop path", 0) + i)
        (start.criterion(start.student(g, local), start.teacher(g), temp) / 2).backward()
    for ours, theirs in zip(trainer.parameters, start.parameters, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_a_run_is_compiled_once_though_temperatures_change(config, compile_with):
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_with(count)
    trainer, _ = run(config, COMPILED, 6)
    assert len(set(trainer.schedules.teacher_temp[:6])) == 6
    compiled = len(graphs)
    trainer.step(batch(9))
    assert len(graphs) == compiled <= 3


def broken(graph, inputs):
    raise RuntimeError("no compiler here\nand more lines")


def broken_backward(graph, inputs):
    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.aot_autograd import make_boxed_func

    return aot_autograd(fw_compiler=lambda g, _: make_boxed_func(g.forward), bw_compiler=broken)(
        graph, inputs
    )


@pytest.mark.parametrize("backend", [broken, broken_backward])
def test_where_compiling_fails_training_goes_on_without_it(config, compile_with, backend, capsys):
    compile_with(backend)
    ours = run(config, COMPILED, 2)[0]
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == 1 and "torch.compile failed" in said[0], said
    assert_identical(ours, run(config, PLAIN, 2)[0])


def test_the_tenth_network_of_a_process_is_compiled_as_the_first(compile_with):
    """``compare`` trains one after another; PyTorch's own limit is eight for all of them."""
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_with(count)
    for n in range(2, 12):
        objective = partial(lambda teacher, student, x: teacher(student(x)), nn.Linear(n, n))
        Compiled(objective, COMPILED, 0)(nn.Linear(n, n), torch.zeros(1, n))
        assert len(graphs) == n - 1


def test_an_error_of_the_step_itself_is_not_hidden(config, compile_with, monkeypatch):
    compile_with("eager")
    calls = []

    def no_memory(*_):
        calls.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    trainer = Trainer(config, 6, CPU, COMPILED)
    monkeypatch.setattr(trainer.gradients, "_compute", no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        trainer.step(batch(0))
    assert len(calls) == 1  # a second try, uncompiled, would need no less memory


def test_cuda_graphs_are_for_small_networks_taken_whole(config, compile_with):
    asked = compile_with("eager")
    wide = replace(config, out_dim=65536, bottleneck_dim=256, hidden_dim=32)
    for c, engine in (
        (config, COMPILED),
        (wide, COMPILED),
        (config, replace(COMPILED, accumulate=2)),
    ):
        Trainer(c, 6, CPU, engine)
    assert [o["triton.cudagraphs"] for o in asked] == [True, False, False]


def test_cuda_compiles_and_the_cpu_does_not():
    assert Engine.of(torch.device("cuda")).compile and not Engine.of(CPU).compile


# ------------------------------------------------------------------ the host never waits


class Waits(TorchDispatchMode):
    """Copies from the host to the device that wait for it."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        source = None
        if "_to_copy" in str(f) and str(kwargs.get("device")) == "meta":
            source, waits = args[0], not kwargs.get("non_blocking")
        if "aten.copy_" in str(f) and args[0].device.type == "meta":
            source, waits = args[1], not (args[2:] and args[2])
        if source is not None and source.device.type == "cpu" and waits:
            self.found.append((str(f), tuple(source.shape)))
        return f(*args, **kwargs)


@pytest.mark.parametrize(
    ("name", "engine"),
    [("dino", Engine(accumulate=2, checkpoint_activations=True)), *((v, PLAIN) for v in VARIANTS)],
)
def test_a_step_reads_nothing_from_its_device(config, name, engine, monkeypatch):
    """On the device "meta" tensors have no values: reading one raises, however it is done."""
    monkeypatch.setattr("torch.autocast", lambda *_, **__: contextlib.nullcontext())
    meta = torch.device("meta")
    trainer = make_trainer(variant(config, name), 6, meta, engine, n_classes=10)
    images, labels = batch(0).to(meta), torch.zeros(16, dtype=torch.long, device=meta)
    with pytest.raises((RuntimeError, NotImplementedError)):
        images.sum().item()
    with Waits() as waits:
        # Of AdamW's kernels the fused one, which waits for nothing on CUDA, lacks this device.
        trainer.optimizer = torch.optim.AdamW(parameter_groups(trainer.student), fused=False)
        out = trainer.step(images, labels)
    assert all(v.device == meta for v in out.values()) and not waits.found


# ------------------------------------------------------------------ precision


def test_what_products_are_computed_in_by_default(monkeypatch):
    cuda = torch.device("cuda")
    assert Engine().dtype(CPU) == Engine().dtype(torch.device("mps")) == torch.float32
    for native, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda native=native, **_: native)
        assert Engine().dtype(cuda) == expected
    assert Engine(precision="fp32").dtype(cuda) == torch.float32
    assert Engine(precision="fp16").flags(CPU)[-2:] == ["--precision", "fp16"]


def scale_of(trainer: Trainer, scale: float) -> None:
    """Set the factor that fp16's losses are multiplied by; other precisions have none."""
    scaler = trainer.gradients.scaler
    if scaler.is_enabled():
        scaler.load_state_dict(scaler.state_dict() | {"scale": scale})


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_takes_nearly_the_same_steps(config, precision):
    """Weights stay float32, and the loss differs by as much as products are rounded."""
    exact, rounded = (Trainer(config, 6, CPU, Engine(precision=p)) for p in ("fp32", precision))
    scale_of(rounded, 2.0**3)
    for trainer in (exact, rounded):
        for i in range(3):
            trainer.step(batch(i))
    assert all(p.dtype == torch.float32 for p in rounded.parameters)
    start = Trainer(config, 6, CPU, PLAIN)
    ours, theirs = (moved(t, "student", start) for t in (rounded, exact))
    assert 0 < (ours - theirs).norm() < 0.5 * theirs.norm()


def test_gradients_of_fp16_are_scaled_for_the_way_back_only(config):
    """A factor in the loss that is divided out again: clipping sees the true gradients."""
    trainers = [Trainer(config, 6, CPU, Engine(precision=p)) for p in ("fp32", "fp16")]
    scale_of(trainers[1], 2.0**3)
    for t in trainers:
        t.step(batch(0))
    assert trainers[1].gradients.scaler.get_scale() == 2.0**3
    exact, scaled = ([p.grad for p in t.parameters if p.grad is not None] for t in trainers)
    a, b = (torch.cat([g.flatten() for g in some]) for some in (exact, scaled))
    assert (a - b).norm() < 0.05 * a.norm()


def test_a_step_of_fp16_that_overflows_is_not_taken(config):
    trainer = Trainer(config, 6, CPU, Engine(precision="fp16"))
    before = [p.clone() for p in trainer.parameters]
    scale_of(trainer, 2.0**60)
    trainer.step(batch(0))
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))
    assert trainer.gradients.scaler.get_scale() == 2.0**59
    state = trainer.state_dict()
    other = Trainer(config, 6, CPU, Engine(precision="fp16"))
    resume(other, state, "a file")
    assert other.gradients.scaler.get_scale() == 2.0**59


# ------------------------------------------------------------------ CUDA


@pytest.mark.gpu
@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_on_cuda_never_waits(config, name):
    cuda = torch.device("cuda")
    trainer = make_trainer(variant(config, name), 6, cuda, PLAIN, n_classes=10)
    images, labels = [batch(i).cuda() for i in range(4)], (torch.arange(16) % 10).cuda()
    for x in images[:2]:
        trainer.step(x, labels)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        out = [trainer.step(x, labels) for x in images[2:]]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isfinite(v) for step in out for v in step.values())


@pytest.mark.gpu
@pytest.mark.parametrize(
    "engine",
    [
        COMPILED,
        Engine(compile=True, accumulate=4),
        Engine(checkpoint_activations=True),
        Engine(compile=True, checkpoint_activations=True),
    ],
    ids=str,
)
def test_engines_agree_on_cuda(config, engine, capsys):
    """In bf16 a compiled graph rounds in other places; the losses stay close."""
    cuda = torch.device("cuda")
    config = replace(config, drop_path_rate=0.0)
    ours, plain = (run(config, e, 6, cuda) for e in (engine, PLAIN))
    for a, b in zip(ours[1], plain[1], strict=True):
        torch.testing.assert_close(a["loss"], b["loss"], rtol=0.02, atol=0.02)
    assert "failed" not in capsys.readouterr().out
