"""A trained backbone in the files that other libraries read.

The same numbers are written under the names that each expects. For Hugging Face alone the positions
are interpolated to the size that is evaluated, as nothing there does it unasked.
"""

import json
import os
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from minidino.config import USUAL, Reading
from minidino.errors import UserError
from minidino.pixels import IMAGENET_MEAN, IMAGENET_STD
from minidino.run.checkpoint import FORMAT
from minidino.run.files import save_tensors
from minidino.successors.registers import RegisterViT
from minidino.vit import VisionTransformer
from minidino.weights.onnx import write_onnx

# What the export is called where no other name is asked for.
TARGETS = {
    "safetensors": "minidino.safetensors",
    "timm": "timm.safetensors",
    "huggingface": "huggingface",
    "onnx": "minidino.onnx",
}


def export_backbone(
    backbone: VisionTransformer,
    to: str,
    out: Path,
    eval_size: int | None = None,
    reading: Reading = USUAL,
) -> None:
    """Write a backbone; ``out`` appears whole or not at all.

    Args:
        backbone: the ViT; its weights are written as they are.
        to: ``safetensors``, our names (the released weights' own) with patch size and number of
            heads as metadata, for ``load_pretrained``; ``timm``, the state dict of
            ``timm.create_model(..., num_classes=0)``, whose names are the same; ``huggingface``,
            a folder for ``transformers.ViTModel.from_pretrained``; or ``onnx``.
        out: the file, or for Hugging Face the folder; it must not exist.
        eval_size: side in pixels of the images to evaluate.
        reading: how pictures are read. A safetensors file keeps both, for us; Hugging Face's folder
            has what of them it can express; see ``not_kept``.

    Raises:
        UserError: if there is no such target, ``out`` exists, or it cannot be written.
    """
    if to not in TARGETS:
        raise UserError(f'no export to "{to}"; there are {", ".join(TARGETS)}')
    if isinstance(backbone, RegisterViT) and to != "safetensors":
        raise UserError(
            "a backbone with what came after DINO (registers, turned positions, scaled branches) "
            "is exported --to safetensors alone, under its own names"
        )
    if out.exists():
        raise UserError(f"{out} exists and is kept; choose another --out")
    if to in ("safetensors", "timm") and out.suffix != ".safetensors":
        raise UserError(f"--out {out}: a name ends in .safetensors, or no library reads the file")
    weights = {k: v.detach().cpu().contiguous() for k, v in backbone.state_dict().items()}
    metadata = _metadata(backbone, eval_size, reading)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
            written = Path(folder) / "written"
            if to == "huggingface":
                side = huggingface_size(backbone, eval_size)
                _write_huggingface(backbone, weights, metadata, side, reading, written)
            elif to == "onnx":
                write_onnx(backbone, written)
            else:
                save_tensors(weights, written, metadata)
            os.replace(written, out)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write {out}: {error}") from None


def _metadata(
    backbone: VisionTransformer, eval_size: int | None, reading: Reading
) -> dict[str, str]:
    """What a file of ours tells beside the weights; the usual reading is not told."""
    told = {"eval_size": str(eval_size)} if eval_size else {}
    told |= {"reading": json.dumps(asdict(reading))} if reading != USUAL else {}
    return told | {
        "format": FORMAT,
        "patch_size": str(backbone.patch_size),
        "num_heads": str(backbone.num_heads),
        "image_size": str(backbone.image_size),
    }


def _write_huggingface(
    backbone: VisionTransformer,
    weights: dict[str, Tensor],
    metadata: dict[str, str],
    side: int,
    reading: Reading,
    folder: Path,
) -> None:
    """Weights for pictures of a side, with Hugging Face's two configurations."""
    grid = 2 * (side // backbone.patch_size,)
    positions = backbone.interpolate_positions(*grid).detach().cpu().contiguous()
    folder.mkdir()
    configs = {"config": _config(backbone, side)}
    configs["preprocessor_config"] = _preprocessor(side, reading)
    for name, content in configs.items():
        text = json.dumps(content, indent=2) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    # transformers reads only files that say they are PyTorch's.
    metadata = metadata | {"format": "pt", "image_size": str(side)}
    named = _huggingface(weights | {"pos_embed": positions})
    save_tensors(named, folder / "model.safetensors", metadata)


def huggingface_size(backbone: VisionTransformer, eval_size: int | None) -> int:
    """Side of the pictures that Hugging Face's folder is for: what is evaluated, if it can be."""
    fits = eval_size and 0 < eval_size <= 4096 and eval_size % backbone.patch_size == 0
    return eval_size if fits else backbone.image_size


def not_kept(backbone: VisionTransformer, to: str, eval_size: int, reading: Reading) -> str | None:
    """A line on what of the reading of pictures an export cannot hold; None if it holds all."""
    if to == "safetensors":
        return None
    size = (
        [f"--size {eval_size}"] if to != "huggingface" and eval_size != backbone.image_size else []
    )
    by_fit = reading.fit == "pad" or (to != "huggingface" and reading.fit != USUAL.fit)
    fit = [f"--fit {reading.fit}"] if by_fit else []
    scaled = [f"--range {reading.range}"] if reading.range else []
    if not (how := size + fit + scaled):
        return None
    where = {
        "huggingface": "its preprocessor_config.json cannot say this",
        "timm": "timm reads this from no file",
        "onnx": "the file cannot say this",
    }[to]
    return (
        f"minidino read the pictures of this network by {', '.join(how)}; {where}, so bring "
        "pictures there yourself, or features differ"
    )


def how_to_load(
    backbone: VisionTransformer, to: str, out: Path, eval_size: int | None = None
) -> str:
    """A line of Python that loads an export, and in its comment what to know of it."""
    file, p = str(out), backbone.patch_size
    side = huggingface_size(backbone, eval_size)
    load = {
        "safetensors": f"minidino.load_pretrained({file!r})",
        "timm": _timm_call(backbone, file),
        "huggingface": f"transformers.ViTModel.from_pretrained({file!r}, add_pooling_layer=False)"
        f"  # pictures of another size than {side}: interpolate_pos_encoding=True",
        "onnx": f"onnxruntime.InferenceSession({file!r})"
        f"  # images (any, 3, any, any), sides multiples of {p}, normalised -> features",
    }
    return load[to]


def _timm_call(backbone: VisionTransformer, file: str) -> str:
    """Python that makes timm's model of the same sizes and loads the weights strictly."""
    width, hidden = backbone.embed_dim, backbone.blocks[0].mlp.fc1.out_features
    ratio = hidden / width
    ratio = ratio if int(width * ratio) == hidden else (hidden + 0.5) / width  # timm rounds down
    return (
        'timm.create_model("vit_small_patch16_224", num_classes=0, '
        f"img_size={backbone.image_size}, patch_size={backbone.patch_size}, "
        f"embed_dim={width}, depth={backbone.depth}, "
        f"num_heads={backbone.num_heads}, mlp_ratio={ratio!r}, checkpoint_path={file!r})"
    )


def _config(backbone: VisionTransformer, side: int) -> dict:
    """What Hugging Face's ``ViTConfig`` needs to build the same network, for pictures of a side."""
    return {
        "architectures": ["ViTModel"],
        "model_type": "vit",
        "hidden_size": backbone.embed_dim,
        "num_hidden_layers": backbone.depth,
        "num_attention_heads": backbone.num_heads,
        "intermediate_size": backbone.blocks[0].mlp.fc1.out_features,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": backbone.norm.eps,
        "image_size": side,
        "patch_size": backbone.patch_size,
        "num_channels": 3,
        "qkv_bias": True,
    }


def _preprocessor(side: int, reading: Reading) -> dict:
    """What Hugging Face does to a picture: as ``square`` and ``normalize`` here, to rounding.

    It has no margin in a picture's mean colour, so of ``pad`` it takes the middle.
    """
    whole = {"height": side, "width": side}
    squeezed = reading.fit == "keep"
    return {
        "image_processor_type": "BitImageProcessor",  # scales the shorter side, then crops
        "do_convert_rgb": True,
        "do_resize": True,
        "size": whole if squeezed else {"shortest_edge": side},
        "resample": 3,  # bicubic
        "do_center_crop": not squeezed,
        "crop_size": whole,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(IMAGENET_MEAN),
        "image_std": list(IMAGENET_STD),
    }


# Ours and Hugging Face's. Version 5 of transformers has shorter names for the blocks in
# memory, but these in files, which version 4 reads too.
_NAMES = [
    (r"cls_token", r"embeddings.cls_token"),
    (r"pos_embed", r"embeddings.position_embeddings"),
    (r"patch_embed\.proj\.", r"embeddings.patch_embeddings.projection."),
    (r"norm\.", r"layernorm."),
    (r"blocks\.(\d+)\.norm1\.", r"encoder.layer.\1.layernorm_before."),
    (r"blocks\.(\d+)\.norm2\.", r"encoder.layer.\1.layernorm_after."),
    (r"blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
    (r"blocks\.(\d+)\.mlp\.fc1\.", r"encoder.layer.\1.intermediate.dense."),
    (r"blocks\.(\d+)\.mlp\.fc2\.", r"encoder.layer.\1.output.dense."),
]


def _huggingface(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's names; the joint projection of queries, keys and values becomes three."""
    renamed = {}
    for name, v in weights.items():
        if joint := re.match(r"blocks\.(\d+)\.attn\.qkv\.(\w+)", name):
            block, kind = joint.groups()
            for part, rows in zip(("query", "key", "value"), v.chunk(3), strict=True):
                renamed[f"encoder.layer.{block}.attention.attention.{part}.{kind}"] = rows.clone()
            continue
        ours, theirs = next(pair for pair in _NAMES if re.match(pair[0], name))
        renamed[re.sub(f"^{ours}", theirs, name)] = v
    return renamed
