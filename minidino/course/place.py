"""Where the course lies: a learner's notebooks, and what they read."""

from pathlib import Path

from minidino.errors import UserError


def is_course(folder: Path) -> bool:
    """Whether ``notebooks/`` and ``solutions/`` lie in a folder."""
    return (folder / "notebooks").is_dir() and (folder / "solutions").is_dir()


def home() -> Path:
    """The folder with the course's own ``solutions/``, ``results/`` and ``benchmarks/``.

    That is the repository, or what was installed of it.
    """
    repository = Path(__file__).resolve().parents[2]
    return repository if is_course(repository) else Path(__file__).resolve().parent / "shipped"


def root() -> Path:
    """The folder that holds ``notebooks/`` and ``solutions/``.

    Raises:
        UserError: if neither the working folder, nor the one around it, nor the package's has them.
    """
    here = Path.cwd()
    for folder in (here, here.parent, home()):
        if is_course(folder):
            return folder
    raise UserError(
        "no notebooks/ here; run this in the folder that you cloned minidino to, or that "
        "`minidino course FOLDER` made"
    )
