"""``minidino export``."""

from pathlib import Path
from typing import Literal

from minidino.commands.arguments import Checkpoint
from minidino.weights.export import TARGETS, export_backbone, timm_call
from minidino.weights.pretrained import load_trained


def export_command(
    checkpoint: Checkpoint,
    to: Literal["safetensors", "timm", "huggingface"],
    out: Path | None = None,
) -> None:
    """Write the trained backbone (the teacher) for other libraries, and say how to load it.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        to: safetensors (for minidino itself), timm, or huggingface (a folder).
        out: File or folder to write; it must not exist (default: beside the checkpoint).
    """
    trained = load_trained(checkpoint)
    out = out or trained.folder / TARGETS[to]
    export_backbone(trained.backbone, to, out)
    load = {
        "safetensors": f'minidino.load_pretrained("{out}")',
        "timm": timm_call(trained.backbone, out),
        "huggingface": f'transformers.ViTModel.from_pretrained("{out}", add_pooling_layer=False)',
    }
    print(f"wrote {out}; load it with: {load[to]}")
