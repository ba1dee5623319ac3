"""The command line: ``minidino demo | train | knn | linear | attend | data | check | ...``.

A person's mistake costs one line on stderr and exit code 2; ``--debug`` shows the traceback.
"""

import argparse
import contextlib
import functools
import io
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence

import tyro

from minidino import __version__
from minidino.commands.attend import attend_command
from minidino.commands.compare import compare_command
from minidino.commands.course import (
    check_command,
    course_command,
    hint_command,
    reset_command,
    status_command,
)
from minidino.commands.data import data_command
from minidino.commands.demo import demo_command
from minidino.commands.embed import embed_command
from minidino.commands.explore import explore_command
from minidino.commands.export import export_command
from minidino.commands.predict import predict_command
from minidino.commands.propagate import propagate_command
from minidino.commands.retrieve import retrieve_command
from minidino.commands.score import knn_command, linear_command
from minidino.commands.segment import segment_command
from minidino.commands.train import make_train_command
from minidino.config import recipe
from minidino.engine.distributed import launched, may_speak
from minidino.engine.machine import out_of_memory, usual_device
from minidino.engine.settings import Engine
from minidino.errors import UserError, one_line
from minidino.run.interrupts import RunStopped

COMMANDS = {
    "demo": demo_command,
    "train": None,  # made from what is typed, see _train_command
    "knn": knn_command,
    "linear": linear_command,
    "predict": predict_command,
    "attend": attend_command,
    "compare": compare_command,
    "embed": embed_command,
    "retrieve": retrieve_command,
    "segment": segment_command,
    "propagate": propagate_command,
    "explore": explore_command,
    "export": export_command,
    "data": data_command,
    "course": course_command,
    "check": check_command,
    "hint": hint_command,
    "status": status_command,
    "reset": reset_command,
}


def _run(argv: list[str]) -> int:
    """Parse and run a command; its exit code, where it has more to say than that it worked."""
    training = argv[:1] == ["train"]
    commands = COMMANDS | {"train": _train_command(argv if training else [])}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command = tyro.extras.subcommand_cli_from_dict(
                {name: _later(commands[name]) for name in commands},
                prog="minidino",
                description="Build DINO, self-distillation with no labels, and use it.",
                args=argv,
            )
    except SystemExit as stop:
        if stop.code in (0, None):  # --help
            raise
        raise UserError(_one_line(said.getvalue(), argv)) from None
    if launched() > 1 and argv[0] not in ("train", "embed"):
        raise UserError(
            f"{argv[0]} runs in one process, train and embed in several; leave out torchrun"
        )
    return command() or 0


def _train_command(argv: Sequence[str]) -> Callable:
    """``train``, whose defaults are those of the recipe, length and device that are typed."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe", nargs="?", default="things", const="things")
    first.add_argument("--objective", nargs="?")
    first.add_argument("--epochs", nargs="?")
    first.add_argument("--device", nargs="?")
    early, _ = first.parse_known_args(argv)
    base = recipe(early.recipe, **({"objective": early.objective} if early.objective else {}))
    if epochs := int(early.epochs) if (early.epochs or "").isdecimal() else None:
        base = base.with_epochs(epochs)  # what is no number is the parser's to refuse
    engine = Engine.of(early.device or usual_device())
    return make_train_command(base, _names_given(argv), engine)


def _names_given(argv: Sequence[str]) -> set[str]:
    """Settings by name: ["--base-lr=1", "--no-compile", "--appearance.hue", "0"] -> base_lr, ..."""
    flags = (a.removeprefix("--").removeprefix("no-") for a in argv if a.startswith("--"))
    return {re.split(r"[=.]", flag)[0].replace("-", "_") for flag in flags}


def _later(function):
    """The same arguments, but calling it only binds them: parsing ends before work begins."""

    @functools.wraps(function)
    def bind(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return bind


def _one_line(box: str, argv: Sequence[str]) -> str:
    """The first part of the parser's box of text (drawn in Unicode or in ASCII)."""
    lines = [line.strip("│|╭╮╰╯").rstrip() for line in box.splitlines()[1:]]  # after a title
    is_text = [bool(line.strip(" ─-+")) for line in lines]
    begin = is_text.index(True) if any(is_text) else 0  # after a rule, in ASCII
    end = is_text.index(False, begin) if False in is_text[begin:] else None
    first = textwrap.dedent("\n".join(lines[begin:end])).splitlines()
    words = " ".join(line for line in first if not line.startswith(" "))
    if words.endswith(":"):  # what is missing: options, or the help of what has no name
        indented = [line.strip() for line in first if line.startswith(" ")]
        options = [line for line in indented if line.startswith("-")]
        missing = ", ".join(options) or " ".join(indented[1:]).removesuffix(" (required)")
        words = f"{words} {missing}"
    lines = [line.strip() for line in lines]
    if "Perhaps you meant:" in lines:
        meant = lines[lines.index("Perhaps you meant:") + 1].split()[0]
        words += f" (perhaps {meant})" * (meant not in words.split())  # else another command's
    words = _takes(words) or words
    command = f"minidino {argv[0]}" if argv and argv[0] in COMMANDS else "minidino"
    return f"{words or 'the arguments were not understood'}; see {command} --help"


_KINDS = {  # what the parser says of a type -> what the option takes
    r"Tuple\[int": "whole numbers",
    r"Tuple\[float": "numbers",
    r"int\(\)|\bINT\b": "a whole number",
    r"\bfloat\b|\bFLOAT\b": "a number",
}


def _takes(words: str) -> str | None:
    """--size takes a whole number, not 1e9: in place of the parser's words for it."""
    option = re.match(r"Error parsing (--[\w.-]+): ", words)
    kind = next((kind for said, kind in _KINDS.items() if re.search(said, words)), None)
    if option is None or kind is None:
        return None
    typed = " ".join(value for _, value in re.findall(r"""(['"])(.*?)\1""", words))
    return f"{option[1]} takes {kind}, not {typed}"


def _in_words(argv: list[str]) -> int:
    """``_run``; what the machine refuses is bad input too, and told in words.

    Raises:
        UserError: for a file that cannot be read or written, and for want of memory.
    """
    try:
        return _run(argv)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        raise UserError(f"{where}{error.strerror or error}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or out_of_memory(error):
            raise UserError(
                f"not enough memory for {argv[0]} with these sizes; use fewer or smaller images, "
                "a smaller batch or a smaller network"
            ) from error
        raise


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 if all is well, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM."""
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    argv = [a for a in argv if a != "--debug"] or ["--help"]
    if argv == ["--version"]:
        print(f"minidino {__version__}")
        return 0
    # A person cannot act on a library's deprecation notices.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    try:
        return _in_words(argv)
    except UserError as error:
        if debug:
            raise
        if may_speak():
            print(f"minidino: {one_line(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads has read enough, as in `minidino train --help | head`
        return 141  # as programs that SIGPIPE ends
    except RunStopped as stop:
        if may_speak():
            print(f"minidino: {stop}", file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt:
        if may_speak():
            print(
                "minidino: stopped; a run with a checkpoint goes on with --resume", file=sys.stderr
            )
        return 130
