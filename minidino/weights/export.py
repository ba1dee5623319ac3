"""A trained backbone in the files that other libraries read.

Nothing is computed anew: the same numbers are written under the names that each expects.
"""

import json
import os
import re
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from minidino.errors import UserError
from minidino.run.checkpoint import FORMAT
from minidino.vit import VisionTransformer

# What the export is called where no other name is asked for.
TARGETS = {
    "safetensors": "minidino.safetensors",
    "timm": "timm.safetensors",
    "huggingface": "huggingface",
}


def export_backbone(backbone: VisionTransformer, to: str, out: Path) -> None:
    """Write a backbone; ``out`` appears whole or not at all.

    Args:
        backbone: the ViT; its weights are written as they are.
        to: ``safetensors``, our names (the released weights' own) with patch size and number of
            heads as metadata, for ``load_pretrained``; ``timm``, the state dict of
            ``timm.create_model(..., num_classes=0)``, whose names are the same; or
            ``huggingface``, a folder for ``transformers.ViTModel.from_pretrained``.
        out: the file, or for Hugging Face the folder; it must not exist.

    Raises:
        UserError: if there is no such target, ``out`` exists, or it cannot be written.
    """
    if to not in TARGETS:
        raise UserError(f'no export to "{to}"; there are {", ".join(TARGETS)}')
    if out.exists():
        raise UserError(f"{out} exists and is kept; choose another --out")
    weights = {k: v.detach().cpu().contiguous() for k, v in backbone.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "patch_size": str(backbone.patch_size),
        "num_heads": str(backbone.num_heads),
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
            written = Path(folder) / "written"
            if to == "huggingface":
                written.mkdir()
                config = json.dumps(_config(backbone), indent=2) + "\n"
                (written / "config.json").write_text(config, encoding="utf-8")
                # transformers reads only files that say they are PyTorch's.
                save_file(_huggingface(weights), written / "model.safetensors", {"format": "pt"})
            else:
                save_file(weights, written, metadata)
            os.replace(written, out)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write {out}: {error}") from None


def timm_call(backbone: VisionTransformer, weights: Path) -> str:
    """Python that makes timm's model of the same sizes and loads the weights strictly."""
    hidden = backbone.blocks[0].mlp.fc1.out_features
    return (
        'timm.create_model("vit_small_patch16_224", num_classes=0, '
        f"img_size={backbone.image_size}, patch_size={backbone.patch_size}, "
        f"embed_dim={backbone.embed_dim}, depth={backbone.depth}, "
        f"num_heads={backbone.num_heads}, mlp_ratio={hidden / backbone.embed_dim:g}, "
        f'checkpoint_path="{weights}")'
    )


def _config(backbone: VisionTransformer) -> dict:
    """What Hugging Face's ``ViTConfig`` needs to build the same network."""
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
        "image_size": backbone.image_size,
        "patch_size": backbone.patch_size,
        "num_channels": 3,
        "qkv_bias": True,
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
