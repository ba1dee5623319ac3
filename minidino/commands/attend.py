"""``minidino attend``."""

import json
from pathlib import Path

from minidino.attend import (
    draw_attention,
    draw_filmstrip,
    load_examples,
    maps_of,
    mask_scores,
)
from minidino.checkpoint import load_backbone, random_backbone
from minidino.commands.arguments import Checkpoint
from minidino.errors import UserError
from minidino.train import pick_device


def attend_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    out: Path | None = None,
    masks: str | None = None,
    size: int | None = None,
    pictures: int = 8,
    device: str | None = None,
) -> None:
    """Draw where the last block's [CLS] token looks, and score it where masks are known.

    Writes attention.png, filmstrip.png (if the run kept snapshots) and a folder maps/ with the
    mean attention and its 60% mask of every picture.

    Args:
        checkpoint: A checkpoint, or the folder of a run.
        data: A picture, a folder of pictures, or a data set (default: what it was trained on).
        out: Folder for the figures (default: attend/ beside the checkpoint).
        masks: Folder of true masks with the pictures' names, white on the thing.
        size: Shorter side of the pictures in pixels (default: as in the recipe).
        pictures: How many are drawn; all are scored.
        device: cpu or cuda; by default cuda where there is one.
    """
    trained, config = load_backbone(Path(checkpoint))
    where = pick_device(device)
    run = Path(checkpoint) if Path(checkpoint).is_dir() else Path(checkpoint).parent
    out = out or run / "attend"
    if pictures < 1 or (size is not None and size < config.patch_size):
        raise UserError(
            f"--pictures must be positive, --size at least a patch ({config.patch_size})"
        )
    examples = load_examples(
        data or config.data, config.patch_size, size or config.eval_size, masks=masks, limit=2000
    )
    random = random_backbone(config).to(where)
    maps, random_maps = maps_of(trained.to(where), examples), maps_of(random, examples)
    known = all(e.mask is not None for e in examples)
    title = f"Attention of the last block's [CLS] token: {run}"
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
        draw_filmstrip(out, run, config, where, examples, pictures)
        if known:
            both = {"trained": scores, "random": floor, "images": len(examples)}
            (out / "scores.json").write_text(json.dumps(both, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    print(f"wrote {out / 'attention.png'}")
