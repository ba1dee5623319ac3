"""What a file is that should hold weights, by its content: its name may say anything."""

import re
import zipfile
from contextlib import suppress
from pathlib import Path

GIT_LFS = "it only tells where Git LFS has the weights: git lfs pull"
WEB_PAGE = "it is a web page, as a download leaves that failed or wants a sign-in; fetch it again"
PACKED = "it is packed; unpack it"
BEGINS = [
    (rb"version https://git-lfs", GIT_LFS),
    (rb"\s*<(!doctype|html|\?xml|head|script)", WEB_PAGE),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", PACKED),
    (rb'\s*\{\s*"', "it is JSON, which tells of weights; give the file or folder that has them"),
    (rb"\x08[\0-\x7f]\x12\x07pytorch", "it is ONNX's; give the checkpoint it was exported from"),
    (rb"\x89HDF", "it is HDF5, as of Keras, and not PyTorch's"),
]
TORCH = (b"PK\x03\x04", b"\x80\x02")  # a zip; before version 1.6 a pickle


def is_safetensors(path: Path) -> bool:
    """Does a file begin with the length of a header, in 8 bytes, and the header, in JSON? What
    is of no kind is what its suffix says.
    """
    head = b""
    with suppress(OSError), path.open("rb") as file:  # whoever reads it will say why
        head = file.read(9)
    if head.startswith(TORCH):
        return False
    return head[8:] == b"{" or path.suffix == ".safetensors"


def what_it_is(path: Path) -> str:
    """What was taken for weights, and what to do about it; nothing if that is not known."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
        for pattern, what in BEGINS:
            if re.match(pattern, head, re.IGNORECASE):
                return what
        if head[257:262] == b"ustar":
            return PACKED
        if not head.startswith(b"PK"):
            return _protocol(head)
        with zipfile.ZipFile(path) as archive:
            members = {name.rpartition("/")[2]: name for name in archive.namelist()}
            if "data.pkl" in members and "constants.pkl" not in members:
                with archive.open(members["data.pkl"]) as file:
                    return _protocol(file.read(2))
    except Exception:  # a damaged archive may raise anything
        return ""
    if "constants.pkl" in members:
        return "it is a TorchScript program; save torch.jit.load(FILE).state_dict() and give that"
    if any(name.endswith(".npy") for name in members):
        return "it is NumPy's, as JAX's ViTs are; give the state_dict() of timm, which reads those"
    return PACKED


def _protocol(pickle: bytes) -> str:
    if b"\x80\x02" < pickle[:2] < b"\x80\x10":
        return (
            f"it was written with pickle protocol {pickle[1]}, which PyTorch reads only by running "
            "it (nothing in it was run); where it was made, save it with torch.save's own, 2"
        )
    return ""
