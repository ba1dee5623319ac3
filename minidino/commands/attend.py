"""``minidino attend``."""

import json
from pathlib import Path

from minidino.commands.arguments import UNSAID, Checkpoint, Weights
from minidino.engine.machine import pick_device
from minidino.errors import UserError, one_line
from minidino.run.files import write_text
from minidino.using.attend import (
    draw_attention,
    draw_filmstrip,
    load_examples,
    maps_of,
    mask_scores,
)


def attend_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    out: Path | None = None,
    masks: str | None = None,
    size: int | None = None,
    pictures: int = 8,
    device: str | None = None,
    weights: Weights = UNSAID,
) -> None:
    """Draw where the last block's [CLS] token looks, and score it where masks are known.

    Writes attention.png, filmstrip.png (if the run kept snapshots) and a folder maps/ with the
    mean attention and its 60% mask of every picture.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: A picture, a folder of pictures, or a data set (default: what it was trained on).
        out: Folder for the figures (default: attend/ beside the checkpoint).
        masks: Folder of true masks with the pictures' names, white on the thing.
        size: Shorter side of the pictures in pixels (default: what the weights were made for).
        pictures: How many are drawn; all are scored.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
    """
    if size is not None and size > 4096:
        raise UserError(f"--size is {size}; the largest is 4,096")
    trained = weights.load(checkpoint)
    where = pick_device(device)
    run, patch = trained.folder, trained.backbone.patch_size
    out = out or run / "attend"
    if pictures < 1 or (size is not None and size < patch):
        raise UserError(f"--pictures must be positive, --size at least a patch ({patch})")
    examples = load_examples(
        trained.data(data), patch, size or trained.eval_size, masks=masks, limit=2000
    )
    random = trained.random().to(where)
    maps, random_maps = maps_of(trained.backbone.to(where), examples), maps_of(random, examples)
    known = all(e.mask is not None for e in examples)
    title = f"Attention of the last block's [CLS] token: {one_line(run)}"
    if known:
        scores, floor = mask_scores(maps, examples), mask_scores(random_maps, examples)
        for name, value in scores.items():
            print(f"{name:20s} {value:.3f}   random weights {floor[name]:.3f}")
        title += (
            f"\nbest head's Jaccard {scores['jaccard_best_head']:.2f}, random weights "
            f"{floor['jaccard_best_head']:.2f}, {len(examples)} images"
        )
    try:
        draw_attention(out, examples, maps, random_maps, pictures, title)
        if trained.config is not None:
            draw_filmstrip(out, run, trained.config, where, examples, pictures)
        if known:
            both = {"trained": scores, "random": floor, "images": len(examples)}
            write_text(out / "scores.json", json.dumps(both, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    print(f"wrote {out / 'attention.png'}")
