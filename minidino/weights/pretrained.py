"""Trained weights by name or path: the released DINO models, the course's own, or any file.

What is in a file, and under which names, is ``file.py``'s to find out.
"""

import contextlib
import http.client
import os
import re
import socket
import sys
import tempfile
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm

from minidino.data.listing import few
from minidino.errors import UserError, one_line
from minidino.run.checkpoint import from_newest, has_checkpoint
from minidino.successors.by_shape import HEAD_WIDTH
from minidino.vit import VisionTransformer
from minidino.weights.file import Trained, agreed_heads, load_file

TIMEOUT = 30.0  # seconds without a byte


@dataclass(frozen=True)
class Release:
    """One released file, and the sizes that its weights must turn out to have."""

    url: str
    patch_size: int
    embed_dim: int
    depth: int = 12
    registers: int | None = None  # of DINOv2's; None for DINO's ViT, which has no such thing
    sha256: str | None = None


# Without a SHA-256: whoever wrote this could not fetch the files to compute one, and their names
# carry none, as torch.hub's ``name-0123abcd.pth`` does. A download is therefore kept only if it
# can be read, has every expected parameter in its expected shape, and all its numbers are finite.
_HOST = "https://dl.fbaipublicfiles.com/dino"
RELEASED = {
    "dino_vits16": Release(f"{_HOST}/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth",
                           patch_size=16, embed_dim=384),
    "dino_vits8": Release(f"{_HOST}/dino_deitsmall8_pretrain/dino_deitsmall8_pretrain.pth",
                          patch_size=8, embed_dim=384),
    "dino_vitb16": Release(f"{_HOST}/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
                           patch_size=16, embed_dim=768),
    "dino_vitb8": Release(f"{_HOST}/dino_vitbase8_pretrain/dino_vitbase8_pretrain.pth",
                          patch_size=8, embed_dim=768),
}  # fmt: skip

_V2 = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vit"
RELEASED |= {
    f"dinov2_vit{size}14{kind}": Release(
        f"{_V2}{size}14/dinov2_vit{size}14{file}_pretrain.pth", 14, width, depth, registers
    )
    for size, width, depth in (("s", 384, 12), ("b", 768, 12), ("l", 1024, 24), ("g", 1536, 40))
    for kind, file, registers in (("", "", 0), ("_reg", "_reg4", 4))
}
# Given out by Meta to who agrees to a licence; nobody may pass them on.
GATED = re.compile(r"dinov3[-_]vit", re.IGNORECASE)  # facebook/dinov3-vits16-... as well
CONVNET = re.compile(r"convnext", re.IGNORECASE)

# The course's own, small enough to come with the package; their cards lie beside them.
SHIPPED = {
    f"minidino_{name}": Path(__file__).with_name(f"{name}.safetensors")
    for name in ("things", "photos")
}


def load_pretrained(
    name_or_path: str | Path, num_heads: int | None = None, grid: tuple[int, int] | None = None
) -> VisionTransformer:
    """A backbone with trained weights, in eval mode on the CPU.

    Args:
        name_or_path: ``minidino_photos`` or ``minidino_things`` (they come with the package);
            ``dino_vits16``, ``dino_vits8``, ``dino_vitb16`` or ``dino_vitb8``, ``dinov2_vits14``
            (or b, l, g; with registers ``dinov2_vits14_reg``), downloaded once, to torch.hub's
            cache; or a file of PyTorch's or safetensors with the names of the released weights, of
            timm, torchvision, mmpretrain or Hugging Face's ``ViTModel``, ``Dinov2Model`` (with
            registers or without) and ``DINOv3ViTModel``, whatever stands before them: a full
            checkpoint of the official code, of lightly or of solo-learn (its teacher), a checkpoint
            or export of minidino; or a folder with one of ``checkpoint.pt``, ``model.safetensors``,
            ``pytorch_model.bin``.
        num_heads: attention heads, where nothing beside the weights tells (see ``file.py``).
        grid: rows and columns of the patches that positions are of, where they form no square.

    Returns:
        The ViT; (B, 3, H, W) normalised images -> (B, D). A classifier or projection head that
        came with it is left out. What else was assumed or left out is told on stderr.

    Raises:
        UserError: if the weights cannot be had, are damaged, or are of another architecture.
    """
    return load_trained(name_or_path, num_heads, grid).backbone


def load_trained(
    name_or_path: str | Path, num_heads: int | None = None, grid: tuple[int, int] | None = None
) -> Trained:
    """As ``load_pretrained``, with what is known of the training."""
    trained, name = _load(name_or_path, num_heads, grid), str(name_or_path)
    known = name in RELEASED or name in SHIPPED
    source = name if known else os.path.abspath(os.path.expanduser(name))
    trained = replace(trained, source=source)
    for line in trained.notes:
        tqdm.write(one_line(line), file=sys.stderr)
    return trained


def _load(name_or_path: str | Path, num_heads: int | None, grid: tuple[int, int] | None) -> Trained:
    name = str(name_or_path)
    if name in RELEASED:
        return _load_released(name, num_heads, grid)
    if name in SHIPPED:
        return replace(load_file(SHIPPED[name], num_heads, name, grid), folder=Path("runs") / name)
    path = Path(os.path.expanduser(name))
    if path.is_dir() and has_checkpoint(path):
        return from_newest(path, lambda file: load_file(file, num_heads, str(path), grid))[0]
    return load_file(_weights_file(path), num_heads, str(path), grid)


PART = re.compile(r"-\d{5}-of-(?!00001)\d{5}\.")  # as Hugging Face names them


def _weights_file(path: Path) -> Path:
    if path.is_file() and not PART.search(path.name):
        return path
    names = ("checkpoint.pt", "model.safetensors", "pytorch_model.bin")
    for name in names:
        if (path / name).is_file():
            return path / name
    folder = path.parent if path.is_file() else path
    there = folder.iterdir() if folder.is_dir() else ()
    if parts := sorted(p.name for p in there if PART.search(p.name)):
        raise UserError(
            f"{path} has weights in parts, {few(parts)}; save them whole, in transformers by "
            'save_pretrained(FOLDER, max_shard_size="100GB"), and give that folder'
        )
    if path.is_dir():
        raise UserError(f"no checkpoint at {path}; looked for {', '.join(names)} in it")
    if CONVNET.search(path.name):
        raise UserError(f"{path.name} is a ConvNeXt, and minidino computes ViTs; choose another")
    if GATED.search(path.name):
        raise UserError(
            f"{path.name} is given out by Meta after you agree to its licence: ask for it at "
            "ai.meta.com/resources/models-and-libraries/dinov3-downloads, or at huggingface.co "
            "(facebook/dinov3-...-pretrain-lvd1689m); then give the file or folder in its place"
        )
    raise UserError(
        f"no checkpoint at {path}, and no released weights of that name "
        f"({', '.join([*SHIPPED, *RELEASED])}); train one with: minidino train --out FOLDER"
    )


# ------------------------------------------------------------------ the released files


def _load_released(name: str, num_heads: int | None, grid: tuple[int, int] | None) -> Trained:
    release = RELEASED[name]
    heads = agreed_heads(release.embed_dim // HEAD_WIDTH, num_heads, name)
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(release.url).name
    if not path.is_file():
        _download(release, path)
    try:
        backbone = _checked(release, load_file(path, heads, str(path), grid).backbone)
    except UserError as error:
        raise UserError(f"{error}. To download it again, move {path} away") from None
    return Trained(backbone, None, Path("runs") / name)


def _checked(release: Release, backbone: VisionTransformer) -> VisionTransformer:
    registers = getattr(backbone, "registers", None)
    found = (backbone.patch_size, backbone.embed_dim, backbone.depth, registers)
    expected = (release.patch_size, release.embed_dim, release.depth, release.registers)
    if found != expected:
        raise UserError(
            "the file holds a ViT of patch size, width, depth and registers "
            f"{found}, not {expected} (None: DINO's own, without scaled branches)"
        )
    return backbone


def _download(release: Release, path: Path) -> None:
    """Fetch a released file; it appears at ``path`` only when it proved to be usable."""
    in_name = re.search(r"-([0-9a-f]{8})\.", path.name)
    digest = release.sha256 or (in_name and in_name[1])
    remedy = f"fetch {release.url} by other means and put it at {path}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write to {path.parent} ({error.strerror}); set TORCH_HOME to another folder"
        ) from None
    with folder:
        file = Path(folder.name) / path.name
        try:
            with _network_timeout(TIMEOUT):
                torch.hub.download_url_to_file(release.url, str(file), hash_prefix=digest)
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise UserError(f"could not download {path.name}: {reason}; {remedy}") from None
        except RuntimeError:  # torch.hub's only one
            raise UserError(
                f"what {release.url} sent has another SHA-256 than {digest}; it was not kept"
            ) from None
        try:
            _checked(release, load_file(file, None, "the file").backbone)
        except UserError as error:
            raise UserError(
                f"what {release.url} sent was not kept, since {error}; try again, or {remedy}"
            ) from None
        os.replace(file, path)


@contextlib.contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """``torch.hub`` sets no timeout of its own and would wait for a silent server forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
