"""``minidino attend``."""

import json
from pathlib import Path

from minidino.commands.arguments import NOT_ASKED, UNSAID, Checkpoint, ReadingArgument, Weights
from minidino.convnet import ConvNet
from minidino.engine.machine import pick_device
from minidino.errors import UserError, one_line
from minidino.run.files import write_text
from minidino.using.attend import (
    Looked,
    draw_attention,
    draw_filmstrip,
    look_at_all,
    mean_scores,
)
from minidino.using.examples import Examples
from minidino.using.masks import told

LOOKED_AT = {
    False: "Attention of the last block's [CLS] token",
    True: "Mean of the last map (a ResNet has no attention)",
}


def attend_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    out: Path | None = None,
    masks: str | None = None,
    size: int | None = None,
    pictures: int = 8,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Draw where the last block's [CLS] token looks, and score it where masks are known.

    Writes attention.png, filmstrip.png (if the run kept snapshots) and a folder maps/, laid out
    as --data is, with the mean attention and its 60% mask of every picture.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: A picture, a folder of pictures, or a data set, of which 2,000 test images at most
            are taken (default: what it was trained on).
        out: Folder for the figures (default: attend/ beside the checkpoint).
        masks: Folder of true masks with the pictures' names: white on the thing, or labels or a
            palette with background 0.
        size: Shorter side of the pictures in pixels (default: what the weights were made for).
        pictures: How many are drawn; all are scored.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if size is not None and size > 4096:
        raise UserError(f"--size is {size}; the largest is 4,096")
    trained = weights.load(checkpoint)
    where = pick_device(device)
    run, patch = trained.folder, trained.backbone.patch_size
    out = out or run / "attend"
    if pictures < 1 or (size is not None and size < patch):
        raise UserError(f"--pictures must be positive, --size at least a patch ({patch})")
    read = reading.over(trained.reading)
    examples = Examples(trained.data(data), patch, size or trained.eval_size, masks, out, read)
    random = trained.random().to(where)
    try:
        (out / "maps").mkdir(parents=True, exist_ok=True)
        looked = look_at_all(trained.backbone.to(where), random, examples, out / "maps", pictures)
        convnet = isinstance(trained.backbone, ConvNet)
        title = f"{LOOKED_AT[convnet]}: {one_line(run)}"
        if scores := _told(looked):
            scores["map"] = LOOKED_AT[convnet]
            write_text(out / "scores.json", json.dumps(scores, indent=2) + "\n")
            best, floor = (scores[who]["jaccard_best_head"] for who in ("trained", "random"))
            whose = "its" if convnet else "best head's"
            title += f"\n{whose} Jaccard {best:.2f}, random weights {floor:.2f}, "
            title += f"{scores['images']} images"
        draw_attention(out, looked.drawn, title)
        if trained.config is not None:
            chosen = [example for example, *_ in looked.drawn]
            draw_filmstrip(out, run, trained.config, where, chosen)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    print(f"wrote {out / 'attention.png'}")


def _told(looked: Looked) -> dict | None:
    """Print the scores, trained and random, and return them, if there is something to score."""
    count, things = len(looked.names), sum(looked.ways.values())
    if count and not things:
        print(f"nothing to score: the thing is in none of the {count} masks")
    if not things:
        return None
    if any(looked.ways):  # masks that were read, not drawn
        print(told(looked.ways))
    if things < count:
        print(f"{count - things} of {count} masks are empty; on those any mask scores 0")
    scores, floor = (mean_scores(looked.names, s) for s in (looked.scores, looked.floor))
    for name, value in scores.items():
        print(f"{name:20s} {value:.3f}   random weights {floor[name]:.3f}")
    if scores["jaccard_best_head"] == floor["jaccard_best_head"] == 0:
        print("exactly 0, with random weights too: the masks are probably misread, or of others")
    return {"trained": scores, "random": floor, "images": count}
