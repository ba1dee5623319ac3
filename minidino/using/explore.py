"""A page with pictures and what a network makes of them: point at a patch, see what it sees.

The page needs no server and no network. It holds queries, keys and features of the last block and
computes a row of attention when a patch is pointed at: of N tokens that is 3 N D numbers, where
the matrices of all heads would be N^2 each. A number takes a byte, a row of them has a scale.
"""

import base64
import io
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from minidino import plots
from minidino.attention import queries_and_keys
from minidino.errors import UserError, check_ours
from minidino.pixels import normalize
from minidino.run.files import write_text
from minidino.using.examples import Example
from minidino.vit import VisionTransformer

MARK = "<!-- minidino explore -->"
SHARP = 128  # pixels; smaller pictures are kept without loss
Moments = Sequence[tuple[str, VisionTransformer]]


def packed(rows: Tensor) -> dict[str, str]:
    """(T, D) as bytes of -127 to 127 and a float32 scale for each row, both in base64."""
    scale = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
    whole = (rows / scale).round().to(torch.int8)
    parts = {"bytes": whole.cpu().numpy(), "scale": scale.float().cpu().numpy().astype("<f4")}
    return {name: _base64(part.tobytes()) for name, part in parts.items()}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


@torch.no_grad()
def tokens_of(model: VisionTransformer, image: Tensor) -> dict[str, dict[str, str]]:
    """Queries, keys and features of a picture, uint8 (3, H, W), in the last block.

    Queries and features are those of [CLS] and the patches; keys those of registers as well.
    """
    x = normalize(image[None].to(next(model.parameters()).device))
    q, k = (rearrange(t[0], "heads n d -> n (heads d)").float() for t in queries_and_keys(model, x))
    features = model.get_intermediate_layers(x, 1)[0][0].float()
    patches = len(features) - 1
    return {"q": packed(torch.cat([q[:1], q[-patches:]])), "k": packed(k), "f": packed(features)}


def source(image: Tensor) -> str:
    """A picture, uint8 (3, H, W), as an address that holds it."""
    kind, how = ("png", {}) if min(image.shape[-2:]) <= SHARP else ("jpeg", {"quality": 88})
    content = io.BytesIO()
    Image.fromarray(plots.to_picture(image)).save(content, kind, **how)
    return f"data:image/{kind};base64,{_base64(content.getvalue())}"


def page(examples: Iterable[Example], moments: Moments, about: str) -> str:
    """The HTML.

    Args:
        examples: pictures at sizes that patches divide.
        moments: the same architecture with several weights, by name; the page begins with the last.
        about: a sentence or two below the title.
    """
    model = moments[-1][1]
    pictures: list[dict[str, Any]] = []
    for example in examples:
        rows, columns = (side // model.patch_size for side in example.image.shape[-2:])
        pictures.append(
            {
                "name": example.name,
                "rows": rows,
                "columns": columns,
                "source": source(example.image),
                "moments": [tokens_of(m, example.image) for _, m in moments],
            }
        )
    warm = matplotlib.colormaps[plots.CMAP](np.linspace(0.15, 0.95, 256))[:, :3]
    data = {
        "about": about,
        "moments": [name for name, _ in moments],
        "heads": model.num_heads,
        "width": model.embed_dim,
        "depth": model.depth,
        "registers": getattr(model, "registers", 0),
        "colours": [",".join(map(str, c)) for c in (warm * 255).round().astype(int).tolist()],
        "pictures": pictures,
    }
    template = (files("minidino.using") / "explore.html").read_text(encoding="utf-8")
    # A name may hold anything; no "<" of it may end the script that holds it.
    return template.replace("DATA", json.dumps(data).replace("<", "\\u003c"), 1)


def check_page(out: Path) -> None:
    """Raises UserError if this cannot be the page's path, or something else is there."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"the page is HTML; {out} must end in .html")
    if out.is_dir():
        raise UserError(f"cannot write {out}: it is a folder")
    check_ours(out, _is_page, "was not written by minidino; change --out")


def _is_page(out: Path) -> bool:
    with out.open("rb") as file:
        return MARK.encode() in file.read(200)


def save_page(html: str, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, html)
