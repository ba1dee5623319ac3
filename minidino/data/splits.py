"""Which pictures of a folder are trained on, which are held out, and of which class they are.

Decided by the names of files and folders alone: the disk was read before (``listing.py``).
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minidino.data.listing import few
from minidino.errors import UserError

SPELLINGS = {
    "train": re.compile(r"(train|training)([-_ ]?(set|data|images|imgs))?[-_ ]?\d*|tr", re.I),
    "val": re.compile(r"(val|valid|validation|dev)([-_ ]?(set|data|images|imgs))?[-_ ]?\d*", re.I),
    "test": re.compile(
        r"(test|testing|eval|evaluation)([-_ ]?(set|data|images|imgs))?[-_ ]?\d*|te", re.I
    ),
}
Inner = tuple[Path, list[str]]  # a picture, and the names that lead to it from the folder
Part = tuple[list[Path], list[int] | None]  # pictures, and the number of each one's class


@dataclass
class Layout:
    """The parts of a folder (``train``, ``val``, ``test``, those there are), and what to say."""

    parts: dict[str, Part]
    classes: list[str]
    notes: list[str] = field(default_factory=list)

    def part(self, split: str, folder: Path) -> Part:
        """The part for a split. What is held out only once serves for ``val`` and ``test``.

        Raises:
            UserError: if nothing is held out of a folder with a part named ``train``.
        """
        wanted = {"val": ("val", "test"), "test": ("test", "val")}.get(split, ("train",))
        for name in wanted:
            if name in self.parts:
                return self.parts[name]
        raise UserError(f"{folder} has a train folder but no val or test folder")

    def digest(self) -> str:
        """Of the names of the pictures to train on, wherever they lie: another fifth held out
        makes another one."""
        files = self.parts["train"][0]
        root = os.path.commonpath([file.parent for file in files])
        names = sorted(file.relative_to(root).as_posix() for file in files)
        return hashlib.sha256(ascii(names).encode()).hexdigest()[:16]


def lay_out(folder: Path, files: Sequence[Path], group_by: str | None = None) -> Layout:
    """Sort the pictures of a folder into parts and classes.

    Args:
        folder: what they lie below.
        files: by name.
        group_by: see ``Reading``.

    Raises:
        UserError: if there is nothing but parts to hold out, or the pattern finds nothing.
    """
    inner = [(f, list(f.parts[len(folder.parts) :])) for f in files]
    while inner and not (parts := _parts(inner)):  # the one folder that holds all
        wrapped = len({path[0] for _, path in inner}) == 1 and all(len(p) > 2 for _, p in inner)
        if not wrapped:
            break
        inner = [(f, path[1:]) for f, path in inner]
    tops = {path[0] for _, path in inner}
    if len(tops) > 1 and {_kind(name) for name in tops} <= {"val", "test"}:
        names = " and ".join(sorted(tops))
        raise UserError(f"{folder} has {names} but no train folder; give the one to use")
    if not inner or not parts:
        return _held_out_by_us(inner, group_by)
    notes = []
    used = {file for some in parts.values() for file, _ in some}
    if rest := sorted({"/".join(path[:-1]) or path[-1] for f, path in inner if f not in used}):
        notes.append(f"left out, beside the folders of the splits: {few(rest)}")
    if group_by is not None:
        notes.append("--group-by changes nothing: the folder has its own held-out part")
    said = ", ".join(f"{name} {len(some):,}" for name, some in parts.items())
    prefix = _common(parts["train"])
    bare = {k: [(f, p[len(prefix):] if p[: len(prefix)] == prefix else p) for f, p in some]
            for k, some in parts.items()}  # fmt: skip
    classes, why = _classes(bare["train"])
    out: dict[str, Part] = {}
    for name, some in bare.items():
        labels = _numbers(some, classes) if len(classes) > 1 else None
        if len(classes) > 1 and labels is None:
            unknown = sorted({_class(p) or "no folder" for _, p in some} - set(classes))
            notes.append(f"no labels in {name}: of no class in train: {few(unknown)}")
        out[name] = [f for f, _ in some], labels
    notes.append(f"{said} pictures; {why}")
    return Layout(out, classes, notes)


# ---------------------------------------------------------------- splits that are there


def _kind(name: str) -> str | None:
    return next((kind for kind, spelt in SPELLINGS.items() if spelt.fullmatch(name)), None)


def _parts(inner: list[Inner]) -> dict[str, list[Inner]]:
    """The pictures of each split, their paths without its folder; empty if there are no splits.

    A split's folder lies on top (``train/cat``) or in every class (``cat/train``). One named train
    alone is a class if there are others beside it and no folders in it: bus, car, train.
    """
    for depth in (0, 1):
        deep = [(f, path) for f, path in inner if len(path) > depth + 1]
        kinds = {path[depth]: _kind(path[depth]) for _, path in deep}
        named = {kind: min(n for n, k in kinds.items() if k == kind) for kind in kinds.values()}
        tops = {path[0] for _, path in inner}
        nested = any(kinds[p[depth]] == "train" and len(p) > depth + 2 for _, p in deep)
        if "train" not in named or not (named.keys() & {"val", "test"} or not depth):
            continue
        if depth and {p[0] for _, p in deep if kinds[p[1]] == "train"} != tops:
            continue
        if depth or named.keys() & {"val", "test"} or nested or set(kinds) == {named["train"]}:
            return {
                kind: [(f, p[:depth] + p[depth + 1 :]) for f, p in deep if p[depth] == named[kind]]
                for kind in SPELLINGS
                if kind in named
            }
    return {}


def _common(some: list[Inner]) -> list[str]:
    """The folders that all paths begin with and more folders follow: train/images/cat/1.png."""
    prefix: list[str] = []
    paths = [p for _, p in some]
    while all(len(p) > len(prefix) + 2 for p in paths):
        if len(names := {p[len(prefix)] for p in paths}) > 1:
            break
        prefix += names
    return prefix


# ---------------------------------------------------------------- classes


def _class(path: list[str]) -> str:
    """The folder a picture is in; the same name however its accents are stored."""
    return unicodedata.normalize("NFC", path[0]) if len(path) > 1 else ""


def _classes(some: list[Inner]) -> tuple[list[str], str]:
    """The classes there are, none if pictures are of no class; and how to say it."""
    count = Counter(_class(path) for _, path in some)
    loose = count.pop("", 0)
    names = sorted(count)
    if loose and names:
        return [], f"no labels, as {loose:,} lie beside the folders ({few(names)})"
    if len(names) < 2:
        return names, f"no labels, as all are in one folder{''.join(f' ({n})' for n in names)}"
    return names, f"{len(names):,} classes: {few(names)}"


def _numbers(some: list[Inner], classes: list[str]) -> list[int] | None:
    """Each one's place among the classes, however its folder's case; None if one is of no class."""
    distinct = len({name.casefold() for name in classes}) == len(classes)
    fold = str.casefold if distinct else str
    number = {fold(name): i for i, name in enumerate(classes)}
    numbers = [number.get(fold(_class(path)), -1) for _, path in some]
    return None if -1 in numbers else numbers


# ---------------------------------------------------------------- a fifth held out


def _held_out_by_us(inner: list[Inner], group_by: str | None) -> Layout:
    """No part is held out: of every class a fifth is, the same each time."""
    classes, why = _classes(inner)
    files = [f for f, _ in inner]
    if len(classes) < 2:
        flat = all(len(path) == 1 for _, path in inner)
        notes = [] if flat else [f"{len(files):,} pictures; {why}; nothing is held out"]
        return Layout(dict.fromkeys(SPELLINGS, (files, None)), classes, notes)
    labels = _numbers(inner, classes)
    groups = _groups(inner, group_by)
    out = _every_fifth(groups, labels)
    kept = [i for i, g in enumerate(groups) if g not in out]
    held = [i for i, g in enumerate(groups) if g in out]
    train, test = (([files[i] for i in some], [labels[i] for i in some]) for some in (kept, held))
    by = "" if group_by is None else f", whole groups ({len(out):,} of {len(set(groups)):,})"
    notes = [f"{len(files):,} pictures; {why}; {len(held):,} are held out{by}"]
    if missing := sorted(set(labels) - set(test[1])):
        few_names = few([classes[i] for i in missing])
        notes.append(f"nothing is held out of classes too small for it: {few_names}")
    return Layout({"train": train, "val": test, "test": test}, classes, notes)


def _groups(inner: list[Inner], group_by: str | None) -> list[str]:
    """What stays together: a picture alone, those of a folder, or of what a pattern finds.

    Raises:
        UserError: if the pattern finds nothing.
    """
    paths = ["/".join(path) for _, path in inner]
    if group_by is None:
        return paths
    if group_by == "folder":
        return [os.path.dirname(path) for path in paths]
    found = [re.search(group_by, path) for path in paths]
    if not any(found):
        raise UserError(f'--group-by "{group_by}" is found in no name, such as {paths[0]}')
    alone = [f"\0{path}" for path in paths]  # what it is not found in
    key = min(re.compile(group_by).groups, 1)
    return [(m and m[key]) or a for m, a in zip(found, alone, strict=True)]


def _every_fifth(groups: list[str], labels: list[int]) -> set[str]:
    """The groups to hold out: of each class every fifth, the last of two to four, none of one.

    A group in several classes is wherever the first of them put it.
    """
    of_class: dict[int, dict[str, None]] = defaultdict(dict)
    for group, label in zip(groups, labels, strict=True):
        of_class[label][group] = None
    out: set[str] = set()
    seen: set[str] = set()
    for label in sorted(of_class):
        names = list(of_class[label])
        fresh = [name for name in names if name not in seen]
        fifth = fresh[4::5]
        if not fifth and len(names) > 1 and fresh and not out & set(names):
            fifth = fresh[-1:]
        out |= set(fifth)
        seen |= set(names)
    return out
