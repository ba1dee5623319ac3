"""How a check speaks: one line when an answer is right, the likely misconception when not.

A check calls the learner's function on inputs with a fixed seed and compares what comes back
with an independent computation. Where the result equals that of a *known* mistake, the
mistake is named. Nothing here reads the learner's source.
"""

import contextlib
import functools
import threading
from _thread import interrupt_main
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from minidino.checks import beside, translate
from minidino.course import progress
from minidino.engine.chance import seeded

LIMIT = 60.0  # seconds; a check takes one or two, and an endless loop for ever
BRIEF = 5.0  # seconds for a picture, which nobody is asked for


class Wrong(AssertionError):
    """An answer that is not right, and what is likely the matter, in a sentence or two."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this in place of a traceback through code the learner did not write.
        return [f"\x1b[31m✗\x1b[0m {self}"]


class NotStarted(NotImplementedError):
    """The exercise still says ``raise NotImplementedError``."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[33m·\x1b[0m {self}"]


class Raised(Wrong):
    """The learner's own code raised an exception, which is the cause of this one."""


class Endless(Wrong):
    """The learner's function was stopped after ``LIMIT`` seconds."""


def check(number: str, title: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a function that examines an answer into what a check cell calls.

    Args:
        number: as in the notebook, "3.2".
        title: of the exercise, a few words.

    The check prints one line and returns None, or raises ``NotStarted`` or ``Wrong``. An
    exception of the learner's own code becomes a ``Wrong`` that shows their line and says what
    it means. ``.number`` and ``.title`` are kept on the check.
    """

    def decorate(examine: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(examine)
        def run(*answers: Callable | type) -> None:
            try:
                with seeded(0), _limited(), _modes_kept():
                    examine(*answers)
            except NotImplementedError as error:
                if not error.args and not translate.stub(error, [a.__name__ for a in answers]):
                    _record(number, "not started", "")
                    raise NotStarted(
                        f"{number} {title}: not started. Replace `raise NotImplementedError` above."
                    ) from None
                failed: Wrong = _raised(error, answers)
            except Wrong as error:
                failed = error
            except Exception as error:
                failed = _raised(error, answers)
            else:
                _record(number, "done", "")
                print(f"✓ {number} {title}")
                return
            _record(number, "wrong", str(failed))
            if not isinstance(failed, Raised | Endless):
                with contextlib.suppress(Wrong), _limited(BRIEF), _modes_kept():
                    beside.show(number, answers[0])
            raise type(failed)(f"{number} {title}: {failed}") from failed.__cause__

        run.number, run.title = number, title
        return run

    return decorate


def _raised(error: Exception, answers: Sequence[Any]) -> Raised:
    """The learner's exception in their terms: what, in which line, on what, and what it means."""
    if isinstance(error, NotImplementedError) and not error.args:
        empty = translate.stub(error, [a.__name__ for a in answers])
        said = (
            f"{empty}, which your answer calls, is still empty. Solve its exercise first, or "
            "import the package's own in a cell after the empty one."
        )
    else:
        where = translate.their_line(error)
        told = str(error).strip().splitlines()
        notes = " ".join(dict.fromkeys(getattr(error, "__notes__", [])))
        said = " ".join(
            part
            for part in (
                f"Your code raised {type(error).__name__}"
                + (f": {told[0].rstrip('.')}" if told else "")
                + (f" (in {where})." if where else "."),
                translate.meaning(error, [a.__name__ for a in answers]),
                notes,
            )
            if part
        )
    raised = Raised(said)
    raised.__cause__ = error
    return raised


@contextlib.contextmanager
def _limited(seconds: float | None = None) -> Iterator[None]:
    """Endless in place of an endless loop, after so many seconds, or ``LIMIT``."""
    over = threading.Event()

    def stop() -> None:
        over.set()
        interrupt_main()

    timer = threading.Timer(seconds or LIMIT, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if not over.is_set():
            raise
        raise Endless(
            f"Your function was still running after {LIMIT:.0f} s. Is there a loop that never "
            "ends, such as `while` with a condition that no draw can meet?"
        ) from None
    finally:
        timer.cancel()


@contextlib.contextmanager
def _modes_kept() -> Iterator[None]:
    """What an answer switches on or off for good is put back, and said."""
    was = torch.is_grad_enabled()
    off = Wrong(
        "Your function switches gradients off for good: after it nothing learns. Use `with "
        "torch.no_grad():`, which ends."
    )
    try:
        yield
        if torch.is_grad_enabled() != was:
            raise off
    except Wrong:
        if torch.is_grad_enabled() != was:  # the cause of what else is missing
            raise off from None
        raise
    finally:
        torch.set_grad_enabled(was)


def _record(number: str, status: str, hint: str) -> None:
    """Leave word for ``minidino check`` or ``minidino status``, if this is a learner's answer."""
    if file := progress.target():
        progress.note(file, number=number, status=status, hint=hint)


@contextlib.contextmanager
def example() -> Iterator[None]:
    """A wrong answer to look at: what its check says is printed, and the notebook goes on.

    >>> with example():
    ...     check_0_1(lambda x: x)
    """
    try:
        with progress.example():
            yield
    except Wrong as wrong:
        print(wrong)


# ---------------------------------------------------------------- asking


def call(answer: Callable, *args: Any, **kwargs: Any) -> Any:
    """``answer(*args, **kwargs)``; its tensors must come out of it unchanged.

    Raises:
        Wrong: if it returns None or changes an input in place.
    """
    given = [*args, *kwargs.values()]
    tensors = [a for a in given if isinstance(a, Tensor)]
    before = [(a.detach().clone(), a.requires_grad) for a in tensors]
    try:
        got = answer(*args, **kwargs)
    except Exception as error:
        if name := _known_as(answer):
            said = [*map(describe, args), *(f"{k}={describe(v)}" for k, v in kwargs.items())]
            error.add_note(f"The check called {name}({', '.join(said)}).")
        raise
    for a, (b, learns) in zip(tensors, before, strict=True):
        if not (a.shape == b.shape and torch.equal(a, b)):
            raise Wrong(
                "Your function changes a tensor it was given. The caller still needs it: "
                "write x = x - c rather than x -= c, and no method ending in _."
            )
        expect(
            a.requires_grad == learns,
            "Your function switches the gradient of a tensor it was given on or off (detach_(), or "
            "requires_grad = ...), and the caller still needs it. x.detach() is a new tensor.",
        )
    if got is None:
        raise Wrong("Your function returns None. Is a `return` missing?")
    return got


def _known_as(answer: Callable) -> str:
    """The name under which a learner knows it; "" of a check's own function."""
    if isinstance(answer, torch.nn.Module):
        return "your module"
    own = str(getattr(answer, "__module__", "")).startswith(f"{__package__}.")
    return "" if own else getattr(answer, "__name__", "")


def describe(value: Any) -> str:
    """An argument in a few characters: a tensor by its shape."""
    if isinstance(value, torch.nn.Module):
        return f"a {type(value).__name__}"
    if isinstance(value, Tensor) and value.ndim:
        return f"{str(value.dtype).removeprefix('torch.')}{tuple(value.shape)}"
    text = repr(value.item() if isinstance(value, Tensor) else value)
    if text.startswith("<"):  # an object of no more than an address
        own = type(value).__module__.startswith(f"{__package__}.")
        return "..." if own else f"a {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."


# ---------------------------------------------------------------- expecting


def expect(condition: bool | Tensor, message: str) -> None:
    """Raise Wrong(message) unless ``condition`` holds."""
    if not condition:
        raise Wrong(message)


def expect_tensor(
    got: Any,
    shape: Sequence[int],
    names: str = "",
    dtype: torch.dtype | None = None,
    what: str = "The result",
) -> None:
    """A tensor of this shape (and dtype).

    Args:
        names: what the dimensions are, "(B, heads, N, N)".
    """
    if not isinstance(got, Tensor):
        raise Wrong(f"{what} should be a tensor; yours is a {type(got).__name__}.")
    if tuple(got.shape) != tuple(shape):
        named = f", that is {names}" if names else ""
        raise Wrong(f"{what} has shape {tuple(got.shape)}; expected {tuple(shape)}{named}.")
    if dtype is not None and got.dtype != dtype:
        raise Wrong(f"{what} is {got.dtype}; expected {dtype}.")


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All their numbers, one after the other, as they are now."""
    return torch.cat([t.detach().double().flatten() for t in tensors])


def close(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    """Same shape, and equal to within ``tolerance`` of the larger of 1 and the largest value."""
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    if a.shape != b.shape or not a.numel():
        return a.shape == b.shape
    scale = b.abs().nan_to_num(0.0, posinf=0.0).max().clamp(min=1.0).item()
    return torch.isclose(a, b, rtol=0.0, atol=tolerance * scale, equal_nan=True).all().item()


def expect_close(
    got: Any,
    want: Tensor | float,
    mistakes: Mapping[str, Tensor | float] | None = None,
    names: str = "",
    what: str = "The result",
    tolerance: float = 1e-4,
) -> None:
    """``got`` equals ``want``; where it equals a known mistake's result, that is named.

    Args:
        mistakes: what is wrong -> what it would return on these inputs. Inputs must be such
            that the mistakes differ from ``want`` and from each other.
        names: what the dimensions are.
        tolerance: relative to the larger of 1 and the largest value of ``want``.

    Raises:
        Wrong: with the name of the mistake, or the shape, or the largest difference.
    """
    want = torch.as_tensor(want)
    if isinstance(got, int | float):
        got = torch.tensor(got, dtype=torch.float64)
    if isinstance(got, Tensor) and close(got, want, tolerance):
        return
    if isinstance(got, Tensor):
        for message, value in (mistakes or {}).items():
            if close(got, torch.as_tensor(value), tolerance):
                raise Wrong(message)
    expect_tensor(got, want.shape, names, what=what)
    if not torch.isfinite(got).all() and torch.isfinite(want).all():
        raise Wrong(f"{what} holds {'nan' if got.isnan().any() else 'inf'}.")
    difference = (got.detach().double().cpu() - want.double().cpu()).abs()
    at = tuple(int(i) for i in torch.unravel_index(difference.argmax(), difference.shape))
    place = f" at index {at}" if at else ""
    raise Wrong(
        f"{what} is off by up to {difference.max().item():.3g}{place}: "
        f"yours is {got[at].item():.4g}, expected {want[at].item():.4g}."
    )


def expect_numbers(*gradients: Tensor | None) -> None:
    """No gradient is nan: what is repaired after a 0 / 0 or a root of 0 has no slope."""
    expect(
        not any(g is not None and g.isnan().any() for g in gradients),
        "The value is right and its gradient is nan: somewhere 0 is divided by 0, or a root or a "
        "logarithm is taken of 0, and torch.where, a mask or nan_to_num mends the value after it, "
        "but not the slope. Mend what goes in: clamp(min=1) below a fraction, a length by "
        ".norm(), the mask before the root.",
    )


def expect_gradient(got: Tensor, source: Tensor, message: str) -> None:
    """``got`` was computed from ``source`` in a way that gradients flow back through."""
    if not got.requires_grad:
        raise Wrong(message)
    (gradient,) = torch.autograd.grad(got.sum(), source, allow_unused=True, retain_graph=True)
    expect_numbers(gradient)
    if gradient is None or not torch.isfinite(gradient).all() or not gradient.abs().sum() > 0:
        raise Wrong(message)


# What takes from a tensor of another device its numbers, its shape or its address.
FREE = {"new_tensor", "expand_as", "view_as", "reshape_as", "to", "type_as"}


class _Devices(TorchFunctionMode):
    """Raises where an operation mixes tensors of the inputs' device with others."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        mixed = [args, kwargs or {}]
        from_cpu = bool(args) and _on_cpu(args[0])
        if "copy_" in name or (name in FREE and (from_cpu or name not in ("to", "type_as"))):
            mixed = []  # also of _has_compatible_shallow_copy_type, which Module.to asks
        elif name in ("__getitem__", "__setitem__") and not from_cpu:
            index = _arrays(args[1])  # which may stay on the CPU
            values = args[2:] if index else ()  # without it they are copied, wherever they are
            mixed = [args[0], [i for i in index if not _on_cpu(i)], *values]
        if len({t.device.type for t in _arrays(mixed)}) > 1:
            raise RuntimeError("tensors on more than one device")
        return function(*args, **(kwargs or {}))


def _on_cpu(x: Any) -> bool:
    return isinstance(x, Tensor) and x.device.type == "cpu"


def _arrays(x: Any) -> list[Tensor]:
    """Tensors of one dimension or more: a single number may come from the CPU."""
    return [t for t in _flatten(x) if isinstance(t, Tensor) and t.ndim]


def _flatten(x: Any) -> Iterator[Any]:
    if isinstance(x, Mapping):
        x = x.values()
    if isinstance(x, Iterable) and not isinstance(x, str | Tensor | Iterator):
        for y in x:
            yield from _flatten(y)
    else:
        yield x


def expect_any_device(answer: Callable, *args: Any, **kwargs: Any) -> None:
    """New tensors are made where the inputs are: tried on the GPU, or on the meta device.

    A meta tensor has a shape and no values. Code that mixes it with a CPU tensor fails as
    it would with a CUDA tensor, so this slip shows on a machine without a GPU. Of a function
    that reads values into Python, as .item() and .numpy() do, the meta device can tell nothing.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "meta")

    def there(value: Any) -> Any:
        return value.to(device) if isinstance(value, Tensor) else value

    try:
        with _Devices():
            got = answer(*map(there, args), **{k: there(v) for k, v in kwargs.items()})
    except (RuntimeError, NotImplementedError, TypeError) as error:
        if "device" not in str(error) or "numpy" in str(error):
            if device.type == "meta":
                return  # it reads values (x[mask], .item(), .numpy()), so nothing can be said
            raise
        raise Wrong(
            "Your function fails when its inputs are not on the CPU. Make new tensors where "
            "the inputs are: torch.arange(n, device=x.device), x.new_zeros(...)."
        ) from None
    for part in _flatten(got):
        if isinstance(part, Tensor):
            expect(
                part.device.type == device.type, "The result is not on the device of the inputs."
            )


def expect_dtype(
    answer: Callable, *args: Any, what: str = "the result", both: bool = False
) -> None:
    """float64 in, float64 out, and no number rounded to float32 on the way.

    Args:
        both: float32 in, float32 out, too.
    """
    for dtype in (torch.float64, torch.float32)[: 1 + both]:
        given = [
            a.to(dtype) if isinstance(a, Tensor) and a.is_floating_point() else a for a in args
        ]
        for part in _flatten(call(answer, *given)):
            if isinstance(part, Tensor) and part.is_floating_point():
                inn, out = (str(t).removeprefix("torch.") for t in (dtype, part.dtype))
                expect(
                    part.dtype == dtype,
                    f"Given {inn}, {what} is {out}: a type is written in. Leave it as it comes, or "
                    "take that of the input: dtype=x.dtype.",
                )
