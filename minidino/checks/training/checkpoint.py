"""Exercise 7.4, what a checkpoint holds: tells apart states that lack a part or hold more than
data, and resumed runs that go on differently.
"""

import copy
import io

import torch
from torch import Tensor, nn

from minidino.checks.core import Wrong, call, check, expect
from minidino.checks.training.common import CPU, SMALL, STEPS_PER_EPOCH, some_images
from minidino.trainer import Trainer

PARTS = ("student", "teacher", "criterion", "optimizer")


@check("7.4", "what a checkpoint holds")
def check_7_4(what_to_save, restore):
    images = [some_images() for _ in range(6)]
    run = Trainer(SMALL, STEPS_PER_EPOCH, CPU)
    # Stopped in the middle of an epoch: step and epoch are told apart.
    for x in images[:4]:
        run.step(x)
    left = picture(run)
    state = call(what_to_save, run)
    judge_left_alone(left, picture(run))
    state = through_a_file(state, run)
    resumed = Trainer(SMALL, STEPS_PER_EPOCH, CPU)
    fresh = copy.deepcopy({part: getattr(resumed, part).state_dict() for part in PARTS})
    for part, value in state.items():
        try:
            restore(resumed, {part: value})
        except (RuntimeError, TypeError, KeyError, ValueError, AttributeError) as error:
            said = " ".join(str(error).split())[:160]
            raise Wrong(
                f"What you saved as {part!r} does not fit the part that it is loaded into: {said} "
                f"... Save run.{part}.state_dict(): it holds parameters and buffers, all under "
                "their names."
            ) from None
    judge_restored(run, resumed, fresh)
    differs = (
        "The resumed run goes on differently from the run that never stopped: after 4 + 2 steps it "
        "is not, bit for bit, where 6 steps lead. What you restore beside the four parts and `now` "
        "disturbs them."
    )
    losses = [run.step(x)["loss"] for x in images[4:]]
    try:
        again = [resumed.step(x)["loss"] for x in images[4:]]
    except RuntimeError:
        raise Wrong(differs) from None
    expect(all(torch.equal(a, b) for a, b in zip(again, losses, strict=True)), differs)
    for part in PARTS:
        expect(same(getattr(resumed, part).state_dict(), getattr(run, part).state_dict()), differs)


def picture(run: Trainer) -> dict:
    """All of a run that a function which only saves could change."""
    networks = {name: getattr(run, name) for name in ("student", "teacher", "criterion")}
    return copy.deepcopy(
        {
            "state": {part: getattr(run, part).state_dict() for part in PARTS},
            "mode": {
                name: [m.training for m in network.modules()] for name, network in networks.items()
            },
            "requires_grad": {
                name: [p.requires_grad for p in network.parameters()]
                for name, network in networks.items()
            },
            "gradients": [p.grad for p in run.student.parameters()],
            "now": run.now,
            "chance": torch.get_rng_state(),
        }
    )


def judge_left_alone(before: dict, after: dict) -> None:
    kept = "A checkpoint is written in the middle of a run, and the run goes on: leave it as it is."
    for part in PARTS:
        expect(
            same(before["state"][part], after["state"][part]),
            f"Your function changes the run's {part}: it has other numbers than before. {kept} "
            "(state_dict() gives the tensors themselves: .half() of a module, or writing into what "
            "it gave you, writes into the run; make a new dict of copies if you must.)",
        )
    for kind, words in (
        ("mode", "the mode (train or eval) of the {name}"),
        ("requires_grad", "which parameters of the {name} are trained (requires_grad)"),
    ):
        for name, value in before[kind].items():
            expect(
                value == after[kind][name],
                f"Your function changes {words.format(name=name)}. {kept}",
            )
    expect(same(before["gradients"], after["gradients"]), f"You changed gradients. {kept}")
    expect(before["now"] == after["now"], f"Your function counts: run.now has changed. {kept}")
    expect(
        same(before["chance"], after["chance"]),
        f"Your function seeds the global random state or draws from it. {kept}",
    )


def through_a_file(state: object, run: Trainer) -> dict:
    """The state as another process would read it."""
    expect(isinstance(state, dict), f"Return a dict; yours is a {type(state).__name__}.")
    expect(
        not {"loss", "steps_per_epoch"} <= state.keys(),
        "run.state_dict() is the package's own checkpoint, under other names than `restore` above "
        "knows. Write the dict yourself: its keys are names of the run's attributes.",
    )
    for name, value in state.items():
        expect(
            isinstance(name, str) and hasattr(run, name),
            f"A run has no part called {name!r}. The keys are names of its attributes: student, "
            "teacher, criterion (which holds the center), optimizer, now. A random state need not "
            "be saved: every step is seeded by its number.",
        )
        expect(
            not (callable(getattr(run, name)) and not isinstance(getattr(run, name), nn.Module)),
            f"run.{name} is a method. What counts the steps is the attribute run.now.",
        )
        expect(
            not isinstance(value, nn.Module | torch.optim.Optimizer),
            f"You put the {name} itself into the file, an object with its code: it can be read "
            f"only where the code is still the same. Save what it holds, run.{name}.state_dict().",
        )
        expect(
            hasattr(getattr(run, name), "state_dict") or type(value) is type(getattr(run, name)),
            f"run.{name} is of type {type(getattr(run, name)).__name__}, and you save it as "
            f"{type(value).__name__}. What follows from the config need not be saved at all; a "
            "plain number, as run.now, is saved as it is.",
        )
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)
    except Exception:  # an unpickler's refusal has no type of its own
        raise Wrong(
            "Your state holds more than tensors and plain values (numbers, strings, lists, dicts), "
            "so reading it would run code. Save state_dict()s and run.now; schedules and crops "
            "follow from the configuration."
        ) from None


def same(a: object, b: object) -> bool:
    """Equal to the last bit, containers and all."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def judge_restored(run: Trainer, resumed: Trainer, fresh: dict) -> None:
    """Each part of the resumed run is the stopped run's, or what it is instead is named."""
    want = {part: getattr(run, part).state_dict() for part in PARTS}
    got = {part: getattr(resumed, part).state_dict() for part in PARTS}
    expect(
        not same(got["student"], fresh["student"]),
        "The student is not in the checkpoint: the resumed run starts from random weights.",
    )
    expect(
        not same(got["student"], want["teacher"]),
        "The student was restored from the teacher. They are two networks by now; save each.",
    )
    expect(
        not same(got["teacher"], fresh["teacher"]),
        "You resume without the teacher: the student goes on, and is taught by random weights. The "
        "teacher is an average over all steps so far and cannot be computed again.",
    )
    expect(
        not same(got["teacher"], want["student"]),
        "You saved the student in the teacher's place. The teacher lags behind the student; save "
        "run.teacher.state_dict().",
    )
    expect(
        not same(got["criterion"], fresh["criterion"]),
        "You resume without the center: it starts at 0 again, and for some twenty steps no target "
        "is centred. It is a buffer of run.criterion; save run.criterion.state_dict().",
    )
    expect(
        got["optimizer"]["state"],
        "You resume without the optimizer's state: Adam's moments start at 0 again, and its first "
        "steps are as rough as those of a new run. Save run.optimizer.state_dict().",
    )
    expect(
        resumed.now != 0,
        "You resume without the step: the schedules restart, warm-up and all, and the same crops "
        "are cut again. Save run.now.",
    )
    epoch = run.now // STEPS_PER_EPOCH
    expect(
        resumed.now != epoch,
        f"You saved the epoch, {epoch}, as run.now. It counts steps: schedules and crops go by the "
        "step, and a run may stop within an epoch.",
    )
    expect(
        resumed.now == run.now,
        f"The run stopped after {run.now} steps and the resumed one believes in {resumed.now}. "
        "run.now is the number of steps taken, and so of the next one, counted from 0.",
    )
    for part in PARTS:
        expect(
            same(got[part], want[part]),
            f"The {part}'s state is not what it was, to the last bit. Save it as it is: not "
            "rounded to half precision, and not a part of it.",
        )
