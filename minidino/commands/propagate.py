"""``minidino propagate``."""

import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from minidino import plots
from minidino.commands.arguments import (
    NOT_ASKED,
    UNSAID,
    Checkpoint,
    ReadingArgument,
    Weights,
    needs_a_vit,
    short_side,
)
from minidino.data import tell_namesake
from minidino.data.listing import few
from minidino.engine.machine import pick_device
from minidino.errors import UserError, check_ours, one_line
from minidino.run.files import check_json, has_key, write_text
from minidino.using.clips import MADE_BY, Clip, drawn_clips, find_clips, save_labels
from minidino.using.davis import j_and_f
from minidino.using.earlier import earlier_told, made_by, ours_among
from minidino.using.examples import check_room, fitted
from minidino.using.figures import IN_A_ROW, painted, sheet
from minidino.using.propagate import follow

COPIED = "first mask"


def propagate_command(
    checkpoint: Checkpoint,
    frames: str,
    out: Path,
    mask: Path | None = None,
    size: int | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Follow things through a video: the first frame's mask, carried on by patch features.

    Writes a mask for every frame, with the palette of the first, and propagate.png, which has
    random weights and a copy of the first mask beside it. Where masks of frames between the first
    and the last are known J, F and J&F are printed, and written to scores.json; over several clips
    their mean is over all things, as DAVIS has it.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        frames: A folder of frames, or of such folders, a clip each; or the word things: four clips
            of moving things that are drawn.
        out: Folder for the masks; of several clips each gets one in it.
        mask: The first frame's mask (a palette, labels, or white on the thing); or a folder of
            masks, PNG with the frames' names: of each clip the first is given, the others score.
        size: Shorter side in pixels that frames are brought to; larger gives finer masks (default:
            what the weights were made for; the paper's is 480).
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    trained, where = weights.load(checkpoint), pick_device(device)
    needs_a_vit(trained.backbone, "propagate")
    patch, side = trained.backbone.patch_size, short_side(trained, size)
    if frames == "things":
        if mask is not None:
            raise UserError("drawn things have their own masks; --mask goes with a folder")
        tell_namesake(frames)
        clips = drawn_clips(max(8, round(side / patch) * patch))
    elif mask is None or not mask.exists():
        raise UserError(f"--mask: no mask or folder at {mask}" if mask else "--mask is needed")
    else:
        clips = find_clips(Path(os.path.expanduser(frames)), mask, reading.over(trained.reading))
    one = len(clips) == 1
    folders = [out if one else out / clip.name for clip in clips]
    check_json(out / "scores.json", "clips", "holds no scores; choose another --out")
    ours = partial(plots.written_by, MADE_BY)
    for clip, folder in zip(clips, folders, strict=True):
        for name in clip.names:
            check_ours(folder / f"{name}.png", ours, "was not written by minidino; change --out")
        plots.check_target(folder / "propagate.png")
    models = {"trained": trained.backbone.to(where), "random weights": trained.random().to(where)}
    try:
        with earlier_told(_there(out), out):
            _follow_all(dict(zip(folders, clips, strict=True)), models, side, out)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    print(f"wrote {sum(len(clip.names) for clip in clips)} masks below {one_line(out)}")


def _there(out: Path) -> list[Path]:
    """What earlier calls wrote below ``out``, for these clips or others."""
    sheets = made_by(plots.WRITERS, out.rglob("propagate.png"))
    tables = ours_among(out.rglob("scores.json"), partial(has_key, "clips"))
    return [*tables, *sheets, *made_by(MADE_BY, out.rglob("*.png"))]


@dataclass(frozen=True)
class _Scores:
    """J, F and J&F of one clip by each way, means over its things and the frames scored."""

    ways: dict[str, dict[str, float]]
    things: int
    told: str  # of how many frames they are


def _follow_all(
    clips: dict[Path, Clip], models: dict[str, nn.Module], side: int, out: Path
) -> None:
    """Each clip in its folder; the scores of each are told as they come, and their mean last."""
    scores = {}
    for folder, clip in clips.items():
        if found := _follow(clip, models, side, folder):
            scores[clip.name] = found
            _tell(clip.name, found)
    if not scores:
        return
    things = sum(s.things for s in scores.values())
    mean = {
        way: {m: sum(s.ways[way][m] * s.things for s in scores.values()) / things for m in measures}
        for way, measures in next(iter(scores.values())).ways.items()
    }
    if len(scores) > 1:
        _tell("mean", _Scores(mean, things, f"over {things} things of {len(scores)} clips"))
    content = {"mean": mean, "clips": {name: s.ways for name, s in scores.items()}}
    write_text(out / "scores.json", json.dumps(content, indent=2) + "\n")


def _tell(name: str, scores: _Scores) -> None:
    ways = scores.ways.items()
    told = [f"{way} J&F {s['J&F']:.3f} (J {s['J']:.3f}, F {s['F']:.3f})" for way, s in ways]
    print(f"{one_line(name):16} {'   '.join(told)}   {scores.told}")


def _follow(clip: Clip, models: dict[str, nn.Module], side: int, folder: Path) -> _Scores | None:
    """Masks and picture of one clip; its scores, if they can be told."""
    patch = models["trained"].patch_size
    check_room(models["trained"], fitted(clip.size[::-1], side, patch), clip.names[0])
    last = len(clip.names) - 1
    drawn = torch.linspace(0, last, min(last + 1, IN_A_ROW)).round().int().tolist()
    found: dict[str, dict[int, Tensor]] = {}  # of the frames that are drawn or scored
    for name, model in models.items():
        bar = tqdm(
            clip.pictures(side, patch),
            f"{clip.name}, {name}",
            len(clip.names),
            leave=False,
            disable=len(clip.names) < 20,
        )
        found[name] = {}
        for i, labels in enumerate(follow(model, bar, clip.first, clip.size)):
            labels = labels if i else clip.first  # of which only patches are left
            if name == "trained":
                save_labels(labels, clip.palette, folder / f"{clip.names[i]}.png")
            if i in drawn or i in clip.truth:
                found[name][i] = labels
    found[COPIED] = dict.fromkeys(found["trained"], clip.first)
    _draw(clip, drawn, found, side, folder)
    return _score(clip, found)


def _score(clip: Clip, found: dict[str, dict[int, Tensor]]) -> _Scores | None:
    """Of the frames whose masks are known; None, and said, where only the first and last are."""
    last = len(clip.names) - 1
    known = [i for i in sorted(clip.truth) if 0 < i < last]
    if not known:
        if len(clip.truth) > 1:
            name = one_line(clip.name)
            print(
                f"{name:16} not scored: of its masks only the first and the last frame's are known"
            )
        return None
    truth = [clip.first, *map(clip.mask, known), clip.first]  # the ends do not count
    things = [i for i in clip.first.unique().tolist() if i]
    if late := sorted({i for mask in truth for i in mask.unique().tolist()} - {0, *things}):
        print(
            f"{one_line(clip.name):16} in no score, as the first mask has them not: "
            f"{len(late)} of the labels ({few([str(i) for i in late])})"
        )
    chosen = (0, *known, last)
    ways = {way: j_and_f([f[i] for i in chosen], truth, things) for way, f in found.items()}
    return _Scores(ways, len(things), f"{len(known)} of {last + 1} frames scored")


def _draw(clip: Clip, chosen: list[int], found: dict, side: int, folder: Path) -> None:
    pictures = {i: p for i, p in enumerate(clip.pictures(side, 1)) if i in chosen}
    rows: dict[str, list[Tensor]] = {}
    if all(i in clip.truth for i in chosen):
        found = {"truth": {i: clip.mask(i) for i in chosen}} | found
    for way, labels in found.items():
        rows[way] = [painted(p, _to(labels[i], p), clip.palette) for i, p in pictures.items()]
    names = [clip.names[i] for i in chosen]
    title = f"{plots.plain(clip.name)}: the mask of the first frame, carried on"
    plots.save(sheet(rows, title, names), folder / "propagate.png")


def _to(labels: Tensor, picture: Tensor) -> Tensor:
    """Labels at a picture's size."""
    size = tuple(picture.shape[-2:])
    return nn.functional.interpolate(labels[None, None], size=size, mode="nearest")[0, 0].long()
