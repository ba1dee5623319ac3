"""``minidino export``."""

from pathlib import Path
from typing import Literal

from minidino.commands.arguments import UNSAID, Checkpoint, Weights, needs_a_vit
from minidino.weights.export import TARGETS, export_backbone, how_to_load, not_kept


def export_command(
    checkpoint: Checkpoint,
    to: Literal["safetensors", "timm", "huggingface", "onnx"],
    out: Path | None = None,
    weights: Weights = UNSAID,
) -> None:
    """Write the trained backbone (the teacher) for other libraries, and say how to load it.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        to: safetensors (for minidino itself), timm, huggingface (a folder), or onnx.
        out: File or folder to write; it must not exist (default: beside the checkpoint).
    """
    trained = weights.load(checkpoint)
    needs_a_vit(trained.backbone, "export")
    out = out or trained.folder / TARGETS[to]
    how = {"eval_size": trained.eval_size, "reading": trained.reading}
    export_backbone(trained.backbone, to, out, **how)
    load = how_to_load(trained.backbone, to, out, trained.eval_size)
    print(f"wrote {out}; load it with: {load}")
    if line := not_kept(trained.backbone, to, **how):
        print(line)
