"""Which parameters of a file are the network, and what ``VisionTransformer`` calls them.

Every library puts other words before the names of a backbone: ``teacher.backbone.`` the official
code, ``state_dict.momentum_backbone.`` solo-learn, ``state_dict.teacher_backbone.vit.`` lightly.
So the words are not listed here. A network is where its patch embedding is.
"""

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from minidino.errors import UserError

Weights = dict[str, Tensor]

# What PyTorch adds to names, wherever it wraps a part of a network.
_WRAPPED = re.compile(r"\b(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# By these a network is found; by the second, one that lacks the first, to say what it lacks.
_FOUND_BY = [
    re.compile(
        r"(|.*\.)(?:patch_embed\.proj(?:ection)?|embeddings\.patch_embeddings\.projection|conv_proj)"
        r"\.weight"
    ),
    re.compile(r"(|.*?\.)(?:embeddings\.)?cls_token"),
]
_TEACHER, _STUDENT = {"teacher", "momentum", "ema", "target"}, {"student", "online"}
# Words before a name that leave nothing to guess.
_PLAIN = {"state_dict", "model", "teacher", "module", "backbone", "vit"}
# What sits on top of a backbone and is no part of it.
_ON_TOP = re.compile(r"(heads?|classifier|pooler)\.")
# MAE's decoder, and the token in place of what was masked in training.
_NO_ENCODER = re.compile(r"(?:.*\.)?(?:decoder\w*|mask_token|masked_embed)(?:\.|$)")


def tensors_in(content: Any) -> Weights:
    """All tensors of nested dictionaries: {"teacher": {"bias": t}} -> {"teacher.bias": t}."""
    seen: set[int] = set()  # a dictionary in a file may hold itself

    def walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, dict) and depth < 8 and id(value) not in seen:
            seen.add(id(value))
            for key, inner in value.items():
                yield from walk(inner, f"{name}.{key}" if name else str(key), depth + 1)

    return {_WRAPPED.sub("", name): v for name, v in walk(content, "", 0)}


def the_network(named: Weights, where: str) -> tuple[Weights, list[str]]:
    """The parameters of one backbone, the teacher's if there is one, without what precedes them.

    Args:
        named: every tensor of the file.
        where: what messages call the file.

    Returns:
        the weights, and lines about what was chosen, guessed or left out.

    Raises:
        UserError: if there are several networks, and no name tells which is the teacher.
    """
    notes = []
    found: dict[str, Tensor] = {}  # what precedes a network's names -> the tensor it was found by
    for pattern in _FOUND_BY:
        matches = ((pattern.fullmatch(name), v) for name, v in named.items())
        found = found or {match[1]: v for match, v in matches if match}
    prefix = _choose(found, where) if found else ""
    others = [other for other in found if other != prefix]
    official = all("student" in other.split(".") for other in others)
    if not (official and set(prefix.split(".")[:-1]) <= _PLAIN):
        rest = f"; it also holds {_listed(others)}" if others else ""
        notes.append(f'{where}: read the network under "{prefix}"{rest}')
    left_out = [name for name in named if _NO_ENCODER.match(name)]
    if left_out:
        notes.append(f"{where}: left out, as no part of an encoder: {_listed(left_out)}")
    weights = {
        name.removeprefix(prefix): v
        for name, v in named.items()
        if name.startswith(prefix) and not _NO_ENCODER.match(name)
    }
    return {name: v for name, v in weights.items() if not _ON_TOP.match(name)}, notes


def _choose(found: dict[str, Tensor], where: str) -> str:
    def claim(prefix: str) -> int:
        words = re.split(r"[._]", prefix)
        return sum((word in _TEACHER) - (word in _STUDENT) for word in words)

    best = [prefix for prefix in found if claim(prefix) == max(map(claim, found))]
    one = {v.data_ptr() if v.layout == torch.strided else id(v) for v in map(found.get, best)}
    if len(one) > 1:  # else it is one network by several names
        raise UserError(
            f"{where} holds {len(best)} networks, {_listed(best)}, and no name tells which is "
            "the teacher; save the one you mean in a file of its own"
        )
    return best[0]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f'"{name}"' for name in names[:5]) + more


# Hugging Face's names and ours. Version 5 of transformers has shorter names for the blocks in
# memory, and writes the older ones to files. (Its ViTConfig has a default epsilon of 1e-12 for
# LayerNorm; ours is the 1e-6 that DINO's weights were trained with.)
_BLOCK = r"(?:encoder\.layer|layers|(?:model\.)?layer)\.(\d+)\."
_HUGGINGFACE = [
    (r"embeddings\.cls_token", r"cls_token"),
    (r"embeddings\.position_embeddings", r"pos_embed"),
    (r"embeddings\.patch_embeddings\.(?:projection\.)?", r"patch_embed.proj."),
    (r"layernorm\.", r"norm."),
    (_BLOCK + r"layernorm_before\.", r"blocks.\1.norm1."),
    (_BLOCK + r"layernorm_after\.", r"blocks.\1.norm2."),
    (_BLOCK + r"attention\.(?:attention\.query|q_proj)\.", r"blocks.\1.attn.q."),
    (_BLOCK + r"attention\.(?:attention\.key|k_proj)\.", r"blocks.\1.attn.k."),
    (_BLOCK + r"attention\.(?:attention\.value|v_proj)\.", r"blocks.\1.attn.v."),
    (_BLOCK + r"attention\.(?:output\.dense|o_proj)\.", r"blocks.\1.attn.proj."),
    (_BLOCK + r"(?:intermediate\.dense|mlp\.fc1)\.", r"blocks.\1.mlp.fc1."),
    (_BLOCK + r"(?:output\.dense|mlp\.fc2)\.", r"blocks.\1.mlp.fc2."),
    # DINOv2's and DINOv3's
    (r"embeddings\.register_tokens", r"register_tokens"),
    (_BLOCK + r"norm([12])\.", r"blocks.\1.norm\2."),
    (_BLOCK + r"layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
    (_BLOCK + r"mlp\.weights_in\.", r"blocks.\1.mlp.w12."),
    (_BLOCK + r"mlp\.(?:weights_out|down_proj)\.", r"blocks.\1.mlp.w3."),
    (_BLOCK + r"mlp\.(gate|up)_proj\.", r"blocks.\1.mlp.\2."),
]
_BLOCK = r"encoder\.layers\.encoder_layer_(\d+)\."
_TORCHVISION = [
    (r"class_token", r"cls_token"),
    (r"encoder\.pos_embedding", r"pos_embed"),
    (r"conv_proj\.", r"patch_embed.proj."),
    (r"encoder\.ln\.", r"norm."),
    (_BLOCK + r"ln_([12])\.", r"blocks.\1.norm\2."),
    (_BLOCK + r"self_attention\.in_proj_", r"blocks.\1.attn.qkv."),
    (_BLOCK + r"self_attention\.out_proj\.", r"blocks.\1.attn.proj."),
    (_BLOCK + r"mlp\.(?:0|linear_1)\.", r"blocks.\1.mlp.fc1."),
    (_BLOCK + r"mlp\.(?:3|linear_2)\.", r"blocks.\1.mlp.fc2."),
]
_BLOCK = r"layers\.(\d+)\."
_OPENMMLAB = [  # mmpretrain, mmselfsup, mmsegmentation
    (r"patch_embed\.projection\.", r"patch_embed.proj."),
    (r"ln1\.", r"norm."),
    (_BLOCK + r"ln([12])\.", r"blocks.\1.norm\2."),
    (_BLOCK + r"attn\.attn\.in_proj_", r"blocks.\1.attn.qkv."),
    (_BLOCK + r"attn\.attn\.out_proj\.", r"blocks.\1.attn.proj."),
    (_BLOCK + r"attn\.", r"blocks.\1.attn."),
    (_BLOCK + r"ffn\.layers\.0\.0\.", r"blocks.\1.mlp.fc1."),
    (_BLOCK + r"ffn\.layers\.1\.", r"blocks.\1.mlp.fc2."),
]
# What names a library's patch embedding begins with -> the library's names and ours.
_THEIRS = {
    "embeddings.": _HUGGINGFACE,
    "conv_proj.": _TORCHVISION,
    "patch_embed.projection.": _OPENMMLAB,
}
# Blocks in chunks, as DINOv2's code has them for FSDP: blocks.CHUNK.BLOCK.
_CHUNKED = re.compile(r"^blocks\.(\d{1,4})\.(\d{1,4})\.")


def our_names(weights: Weights) -> Weights:
    """The same backbone under the names that ``VisionTransformer`` uses."""
    pairs = (_CHUNKED.match(name) for name in weights)
    pairs = sorted({(int(pair[1]), int(pair[2])) for pair in pairs if pair})
    number = {pair: i for i, pair in enumerate(pairs)}  # BLOCK may count anew in each chunk

    def renamed_block(match: re.Match) -> str:
        return f"blocks.{number[int(match[1]), int(match[2])]}."

    found = [pairs for start, pairs in _THEIRS.items() if any(n.startswith(start) for n in weights)]
    renamed = {}
    for name, v in weights.items():
        name = _CHUNKED.sub(renamed_block, name)
        for theirs, ours in found[0] if found else ():
            if re.match(theirs, name):
                name = re.sub(f"^{theirs}", ours, name)
                break
        renamed[name] = v
    return _later_generations(renamed)


# DINOv2's and DINOv3's parameters: in the official code, in timm, and ours.
_LATER = [
    (r"storage_tokens|reg_token$", "register_tokens"),
    (r"\.gamma_([12])$", r".ls\1.gamma"),
    (r"\.mlp\.(?:w1|fc1_g)\.", ".mlp.gate."),
    (r"\.mlp\.(?:w2|fc1_x)\.", ".mlp.up."),
]
# Fixed by the sizes, or of use in training alone.
_NOT_NEEDED = re.compile(r"rope_embed\.periods|local_cls_norm\.|.*\.bias_mask")
_JOINT = [(".attn.qkv.", [f".attn.{part}." for part in "qkv"]),
          (".mlp.w12.", [".mlp.gate.", ".mlp.up."])]  # fmt: skip


def _later_generations(weights: Weights) -> Weights:
    """Parts that we keep together are joined, and what later networks call otherwise is renamed."""
    named = {}
    for name, v in weights.items():
        for theirs, ours in _LATER:
            name = re.sub(theirs, ours, name)
        named[name] = v
    _keys_without_bias(named)
    for joint, parts in _JOINT:
        for name in [n for n in named if parts[0] in n]:
            group = [name.replace(parts[0], part) for part in parts]
            if all(part in named for part in group):
                named[name.replace(parts[0], joint)] = torch.cat([named.pop(p) for p in group])
    if "pos_embed" not in named:  # DINOv3's largest has no biases at all there
        for name in [n for n in named if n.endswith(".attn.qkv.weight")]:
            named.setdefault(name.replace("weight", "bias"), named[name][:, 0] * 0)
    if "blocks.0.ls1.gamma" in named:
        named = {name: v for name, v in named.items() if not _NOT_NEEDED.fullmatch(name)}
    if any(".mlp.up." in name for name in named):  # no gate: Hugging Face's names of a plain MLP
        return _renamed(named, {".mlp.up.": ".mlp.fc1.", ".mlp.w3.": ".mlp.fc2."})
    if any(".mlp.w12." in name for name in named):
        named = _renamed(named, {".mlp.fc2.": ".mlp.w3."})
    first, second = (named.get(f"blocks.0.mlp.fc{i}.weight") for i in (1, 2))
    both = first is not None and second is not None and first.ndim == second.ndim == 2
    if both and len(first) == 2 * second.shape[1]:  # timm's gated MLP
        named = _renamed(named, {".mlp.fc1.": ".mlp.w12.", ".mlp.fc2.": ".mlp.w3."})
    positions = named.get("pos_embed")
    if "reg_token" in weights and positions is not None and positions.ndim == 3:
        # timm has added [CLS]'s position to the token itself.
        named["pos_embed"] = torch.cat([positions[:, :1] * 0, positions], dim=1)
    return named


def _renamed(weights: Weights, pairs: dict[str, str]) -> Weights:
    for theirs, ours in pairs.items():
        weights = {name.replace(theirs, ours): v for name, v in weights.items()}
    return weights


def _keys_without_bias(named: Weights) -> None:
    """DINOv3's keys have none: it is masked, or left out."""
    for name, v in list(named.items()):
        if name.endswith(".attn.qkv.bias_mask") and name.removesuffix("_mask") in named:
            bias = named[name.removesuffix("_mask")]
            named[name.removesuffix("_mask")] = torch.where(v.bool(), bias, 0.0)
        elif name.endswith(".attn.q_bias"):
            values = named.pop(name.replace("q_bias", "v_bias"), v * 0)
            named[name.replace("q_bias", "qkv.bias")] = torch.cat([named.pop(name), v * 0, values])
        elif name.endswith(".attn.q.bias") and name.replace(".q.", ".v.") in named:
            named.setdefault(name.replace(".q.", ".k."), v * 0)
