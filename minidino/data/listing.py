"""Which files below a folder are pictures; what is left out is counted and named."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from minidino.data.pictures import FORMATS, opened
from minidino.engine import distributed
from minidino.errors import UserError, one_line, written_by

SUFFIXES = {s for s, kind in Image.registered_extensions().items() if kind in FORMATS}
# Beside pictures people expect these; of any other suffix that is not read they are told.
NO_PICTURES = {
    ".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".toml",
    ".html", ".htm", ".log", ".ini", ".cfg", ".db", ".pdf", ".py", ".ipynb", ".sh", ".pt", ".pth",
    ".safetensors", ".xmp", ".aae", ".lnk", ".url", ".sha256", ".md5",
}  # fmt: skip
HEIF = {".heic", ".heif", ".hif"}
# What lies in them are no pictures of their own. Whole names: "with_mask" is a class.
SYSTEM = {"__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found", "__pycache__"}
ASIDE = re.compile(
    r"((train|val|test|images?)[-_ ]?)?masks?|annotations?|annots?|labels?|trimaps?|gt|gtfine"
    r"|ground[-_ ]?truths?|segmentations?|segmentation(class|object)|thumbs|thumbnails?",
    re.IGNORECASE,
)
THUMBNAIL = re.compile(r"(?:thumb[-_])(.+)|(.+)[-_.](?:thumb|thumbnail)", re.IGNORECASE)
# What our figures and maps are called; of such a file its content says whether it is one.
OWN = re.compile(
    r"(.+\.)?(attention|overlay|pca|similarity)|filmstrip|propagate|retrieve|duplicates|curves"
)
OWN_MASK = ".mask.png"  # what ``minidino segment`` writes beside a picture


def few(names: list[str]) -> str:
    """The first five, then how many more: ``a, b and 3 more``."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return one_line(", ".join(names[:5])) + more


def same_file(a: Path, b: Path) -> bool:
    """Do two paths lead to one file? (``Path.resolve`` would stop at a loop of links.)"""
    return os.path.realpath(a) == os.path.realpath(b)


@dataclass
class Found:
    """The pictures below a folder, by name, and what is not taken for one."""

    files: list[Path] = field(default_factory=list)
    others: Counter = field(default_factory=Counter)  # by suffix
    folders: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)  # folders that minidino wrote
    doubled: list[str] = field(default_factory=list)  # links to a folder that is there already
    closed: list[str] = field(default_factory=list)  # not to be read

    def left_out(self) -> str:
        """One line, or nothing."""
        kinds = [f"{n:,} {suffix}" for suffix, n in self.others.most_common()]
        said = [few(kinds)] if kinds else []
        if any(suffix in HEIF for suffix in self.others):
            said[0] += " (HEIC is read after: pip install pillow-heif)"
        for what, names in (
            ("folders that hold no pictures by their name", self.folders),
            ("folders of minidino's runs", self.own),
            ("links to folders that are there already", self.doubled),
            ("folders that cannot be read", self.closed),
        ):
            said += [f"{what}: {few(names)}"] if names else []
        return f"left out: {'; '.join(said)}" if said else ""


def list_pictures(folder: Path) -> list[Path]:
    """Every picture below a folder, by name; says what is left out."""
    found = find_pictures(folder)
    if text := found.left_out():
        distributed.note(text)
    return found.files


def find_pictures(folder: Path) -> Found:
    """Walk a folder. Links are followed, but no folder is entered twice, so loops end.

    What minidino wrote below it is left out: ./runs, and where a checkpoint is.

    Raises:
        UserError: if the folder itself cannot be read.
    """
    found, seen = Found(), set()
    around, runs = Path(os.path.realpath(folder)).parents, os.path.realpath("runs")
    inside, linked = [str(folder)], []
    while inside or linked:
        is_link = not inside  # last, so that of a folder and a link to it the folder is kept
        at = (inside or linked).pop()
        real = os.path.realpath(at)
        name = os.path.relpath(at, folder)
        if real in seen or (is_link and Path(real) in around):
            found.doubled.append(name)
            continue
        seen.add(real)
        try:
            with os.scandir(at) as entries:
                entries = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
        except OSError as error:
            if at == str(folder):
                raise UserError(f"cannot read {folder}: {error.strerror}") from None
            found.closed.append(name)
            continue
        if at != str(folder) and (real == runs or any(e.name == "checkpoint.pt" for e in entries)):
            found.own.append(name)
            continue
        names = {os.path.splitext(e.name)[0] for e in entries}
        for entry in reversed(entries):  # the last one pushed is the first to be taken
            if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                if entry.name.lower() in SYSTEM or ASIDE.fullmatch(entry.name):
                    found.folders.append(os.path.relpath(entry.path, folder))
                else:
                    (linked if entry.is_symlink() else inside).append(entry.path)
            else:
                _sort_in(found, entry.path, names)
    found.files.sort()
    found.folders.sort()
    return found


def _sort_in(found: Found, path: str, names: set[str]) -> None:
    """One file: a picture, or a suffix to count. ``names``: all in its folder, without suffix."""
    name = os.path.basename(path)
    stem, suffix = os.path.splitext(name)
    suffix = suffix.lower()
    small = THUMBNAIL.fullmatch(stem)
    if name.endswith(OWN_MASK):
        found.others[OWN_MASK] += 1
    elif suffix not in SUFFIXES and (suffix or not _is_picture(path)):
        if suffix and suffix not in NO_PICTURES:
            found.others[suffix] += 1
    elif small and (small[1] or small[2]) in names:  # only beside what it is the thumbnail of
        found.others["thumbnails"] += 1
    elif suffix == ".png" and (OWN.fullmatch(stem) or "propagate" in names) and _is_own(path):
        found.others["pictures that minidino wrote"] += 1
    else:
        found.files.append(Path(path))


def _is_own(path: str) -> bool:
    try:
        return os.path.isfile(path) and written_by("minidino", Path(path))
    except Exception:  # whatever Pillow's parsers make of bytes that are not theirs
        return False


def _is_picture(path: str) -> bool:
    """Of a file without a suffix the content decides. (A pipe would be waited for.)"""
    try:
        if not os.path.isfile(path):
            return False
        with opened(path):
            return True
    except Exception:  # whatever Pillow's parsers make of bytes that are not theirs
        return False
