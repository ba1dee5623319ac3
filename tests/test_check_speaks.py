"""How a check speaks of an answer that raises, never ends, or changes what it should not."""

import linecache

import pytest
import torch

from minidino.checks import core, translate
from minidino.checks.compare import compare
from minidino.checks.core import NotStarted, Raised, Wrong, call, check


@check("1.1", "twice")
def check_twice(twice):
    compare(twice, [(torch.randn(3, 4),), (torch.randn(2, 5),)], lambda x: 2 * x)


def test_an_endless_loop_ends_with_a_word(monkeypatch):
    monkeypatch.setattr(core, "LIMIT", 0.3)

    def twice(x):
        while True:
            x = x + 0

    with pytest.raises(Wrong, match="still running after 0 s"):
        check_twice(twice)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: torch.nn.Linear(1, 1).parameters()[0], "generators, to be gone through once"),
        (lambda: len(torch.nn.Linear(1, 1).parameters()), "generators, to be gone through once"),
        (lambda: torch.ones(2, dtype=torch.bool).mul_(0.8), translate.INTEGERS),
        (lambda: torch.ones(2, dtype=torch.long).mul_(0.8), translate.INTEGERS),
    ],
)
def test_what_an_exception_means(attempt, words):
    with pytest.raises((TypeError, RuntimeError)) as error:
        attempt()
    assert words in translate.meaning(error.value)


def takes_two(a, b):
    return a + b


class Doubled(torch.nn.Module):
    def forward(x):
        return x


@pytest.mark.parametrize(
    ("twice", "words", "silent"),
    [
        (lambda x: abs(1.5).log(), "A plain Python number stands here, and it has no", "gradient"),
        (lambda x: x.sum().item().backward(), "it has no gradient", ""),
        (lambda x: takes_two(x), "In this call of takes_two an argument is missing: b.", "above"),
        (lambda x: x.softmax(), "In this call of softmax an argument is missing: dim.", "above"),
        (lambda x: torch.nn.Linear(3), "In this call of Linear an argument is missing", "above"),
        (lambda x: takes_two(x, x, x), "takes_two is called with more arguments than", "above"),
        (lambda x: Doubled()(x), "The first argument of a method is self.", "above"),
        (lambda: 1, "The arguments differ from those of the signature above.", "this call"),
        (lambda x, y: 1, "The arguments differ from those of the signature above.", "this call"),
        (lambda x: list(x)(0), "This is a list, no function: leave the round brackets", "f itself"),
        (lambda x: x(0), "This is a tensor, no function", "f itself"),
        (lambda x: x.ndim(x), "This is a number, no function", "f itself"),
        (lambda x: torch.func.vmap(x)(x), "hand over f itself", "This is"),
    ],
)
def test_what_an_exception_of_a_call_means(twice, words, silent):
    with pytest.raises(Raised) as raised:
        check_twice(twice)
    said = translate.meaning(raised.value.__cause__, [twice.__name__])
    assert said in str(raised.value) and words in said
    assert not silent or silent not in said


def test_a_learner_reads_no_name_of_the_checks_own():
    def inside(x):
        return call(twice, call(twice, x))

    def twice(x):
        return x @ x

    inside.__module__ = core.__name__
    with pytest.raises(RuntimeError) as raised:
        call(inside, torch.ones(2, 3))
    assert raised.value.__notes__ == ["The check called twice(float32(2, 3))."]
    with pytest.raises(TypeError) as raised:
        call(Doubled(), torch.ones(2))
    assert raised.value.__notes__ == ["The check called your module(float32(2,))."]


def test_an_object_of_the_checks_own_has_no_name_either():
    class Witness:
        pass

    assert core.describe(torch.Generator()) == "a Generator"
    Witness.__module__ = core.__name__
    assert core.describe(Witness()) == "..."


def test_a_note_that_comes_twice_is_said_once():
    def twice(x):
        return call(lambda x: call(thrown, x), x)

    def thrown(x):
        try:
            return x @ x
        except RuntimeError as error:
            error.add_note("The check called thrown(float32(3, 4)).")
            raise

    with pytest.raises(Raised) as raised:
        check_twice(twice)
    assert str(raised.value).count("The check called thrown(") == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x * torch.ones(3).to(x),
        lambda x: x * torch.ones(3).type_as(x),
        lambda x: x[torch.arange(2), torch.arange(2)],
        lambda x: x[torch.ones(2, dtype=torch.bool)],
        lambda x: _written(x, (torch.arange(2), torch.arange(2)), 0.0),
        lambda x: _written(x, slice(0, 1), torch.ones(3)),
    ],
)
def test_what_moves_a_tensor_or_points_into_one_works_on_any_device(answer):
    core.expect_any_device(answer, torch.randn(2, 3))


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x * torch.ones(3),
        lambda x: torch.ones(3).to(torch.float64),
        lambda x: torch.randn(2, 3)[x.argmax(1)],
        lambda x: _written(x, (torch.arange(2), torch.arange(2)), torch.ones(2)),
        lambda x: x.gather(1, torch.zeros(2, 1, dtype=torch.long)),
    ],
)
def test_what_mixes_devices_is_told(answer):
    with pytest.raises(Wrong, match=r"on the device of the inputs|when its inputs are not"):
        core.expect_any_device(answer, torch.randn(2, 3))


def _written(x, at, value):
    x = x.clone()
    x[at] = value
    return x


def test_ctrl_c_is_still_the_persons():
    def twice(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_twice(twice)


def test_gradients_switched_off_for_good_are_told_and_put_back():
    def twice(x):
        torch.set_grad_enabled(False)
        return 2 * x

    with pytest.raises(Wrong, match="switches gradients off for good"):
        check_twice(twice)
    assert torch.is_grad_enabled()


def test_an_exception_shows_the_learners_line_and_what_it_means():
    source = "def twice(x):\n    return x / x.sum(1) * 2\n"
    linecache.cache["cell"] = (len(source), None, source.splitlines(True), "cell")
    namespace = {}
    exec(compile(source, "cell", "exec"), namespace)
    with pytest.raises(Raised) as raised:
        check_twice(namespace["twice"])
    said = str(raised.value)
    assert "RuntimeError" in said and "line 2 of twice, `return x / x.sum(1) * 2`" in said
    assert "keepdim=True" in said and "float32(3, 4)" in said
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert raised.value._render_traceback_() == [f"\x1b[31m\u2717\x1b[0m {said}"]


def test_a_stub_is_not_started_and_another_exercises_stub_is_told():
    def twice(x):
        raise NotImplementedError

    def clip_gradients(x):
        raise NotImplementedError

    with pytest.raises(NotStarted):
        check_twice(twice)
    with pytest.raises(Wrong, match="clip_gradients, which your answer calls, is still empty"):
        check_twice(lambda x: clip_gradients(x))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: -2 * x, "its negative"),
        (lambda x: x, "0.5 x the right one"),
        (lambda x: (2 * x).sum(1), "summed over dimension 1"),
        (lambda x: (2 * x).T, "dimensions 0 and 1 are swapped"),
        (lambda x: (2 * x).flip(1), "backwards along dimension 1"),
        (lambda x: (2 * x).half().float(), "half precision"),
        (lambda x: 2 * x + 3, "plus 3"),
        (lambda x: (2 * x)[None], "a dimension of size 1 too many"),
        (lambda x: torch.randn_like(x), "is off by up to"),
    ],
)
def test_a_result_is_described_by_how_it_relates_to_the_right_one(answer, said):
    with pytest.raises(Wrong, match=said):
        check_twice(answer)


def test_a_mistake_is_named_in_all_cases_or_not_at_all():
    """One that agrees in the first case alone is a coincidence."""
    cases = [(torch.ones(1, 1),), (torch.randn(2, 3),)]
    mistakes = {"You cubed and added.": lambda x: x**3 + 2}  # 3, as the answer gives, of 1
    with pytest.raises(Wrong) as wrong:
        compare(lambda x: 3 * x, cases, lambda x: 2 * x, mistakes)
    assert "cubed" not in str(wrong.value)


def test_pairs_of_mistakes_are_made_only_when_none_alone_agrees():
    def never():
        raise AssertionError("made too early")

    cases, mistakes = [(torch.randn(2, 3),), (torch.randn(4, 2),)], {"Thrice.": lambda x: 3 * x}
    with pytest.raises(Wrong, match="Thrice"):
        compare(lambda x: 3 * x, cases, lambda x: 2 * x, mistakes, at_once=never)


def test_what_was_given_is_left_as_it_was():
    with pytest.raises(Wrong, match="changes a tensor it was given"):
        call(lambda x: x.mul_(2), torch.ones(3))


@check("1.2", "the total")
def check_total(total):
    compare(total, [(torch.randn(3),), (torch.randn(4),)], lambda x: x.sum())


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (lambda x: (x.sum(), x), "Return one number; yours is a tuple of 2"),
        (lambda x: [x.sum()], "Return one number; yours is a list of 1"),
        (lambda x: 1.0, "yours is 1, whatever is given"),  # and no softmax, clamp or rounding
        (lambda x: 0 * x.sum(), "yours is 0, whatever is given"),
    ],
)
def test_one_number_is_not_guessed_about(total, said):
    with pytest.raises(Wrong, match=said):
        check_total(total)


def test_a_gradient_of_nan_is_not_called_detached():
    x = torch.randn(3, requires_grad=True)
    zero = torch.where(torch.tensor(True), torch.zeros(()), (0 * x).sum().sqrt())
    with pytest.raises(Wrong, match="its gradient is nan"):
        core.expect_gradient(x.sum() + zero, x, "detached")
