"""Near-duplicates: held-out pictures that were all but seen in training, such as the next frame."""

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.data.pictures import Pictures, spread
from minidino.data.streamed import StreamedFolder
from minidino.engine import distributed
from minidino.errors import one_line

AT_MOST = 10_000  # pictures compared
# Two pictures that differ by no more, of 64 and of 255, are near-duplicates: at these, 89 of 90
# frames (of five clips, and their masks) are told, and none of 2,232 photographs of ten classes.
BITS, LEVELS = 10, 16


def fingerprints(images: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 (N, 3, S, S) -> 64 signs (N, 64): is it darker to the right? And 8 x 8 colours
    (N, 192), whose distance is their root mean square difference in levels."""
    small = [F.interpolate(x.float(), (8, 9), mode="area") for x in images.split(256)]
    x = torch.cat(small)
    gray = x.mean(dim=1)
    signs = (gray[..., :-1] > gray[..., 1:] + 0.5).flatten(1).float() * 2 - 1
    return signs, x[..., :-1].flatten(1) / 192**0.5


def find_twins(bank: Tensor, test: Tensor) -> list[tuple[int, int]]:
    """(row of test, row of bank) for each test image with a near-duplicate; uint8 (N, 3, S, S)."""
    (signs, colors), (its_signs, its_colors) = fingerprints(bank), fingerprints(test)
    found = []
    for start in range(0, len(test), 500):
        some = slice(start, start + 500)
        differing = (64 - its_signs[some] @ signs.T) / 2
        far = torch.cdist(its_colors[some], colors)
        far[(differing > BITS) | (far > LEVELS)] = torch.inf
        distance, nearest = far.min(dim=1)
        found += [
            (start + i, nearest[i].item()) for i in distance.isfinite().nonzero()[:, 0].tolist()
        ]
    return found


def tell_twins(bank: Pictures | StreamedFolder, test: Pictures | StreamedFolder) -> None:
    """Warn, in a line, where a folder's held-out pictures have near-duplicates in training.

    They are looked for among pictures in memory alone; else a line says so.
    """
    if not bank.files or not test.files:
        return
    if isinstance(bank, StreamedFolder) or isinstance(test, StreamedFolder):
        distributed.note(
            "near-duplicates of held-out pictures in training were not looked for, as the pictures "
            "are too many for memory"
        )
        return
    known, seen = (spread(len(p), AT_MOST * share // 5) for p, share in ((bank, 4), (test, 1)))
    twins = find_twins(bank.images[known], test.images[seen])
    if not twins:
        return
    i, j = twins[0]
    pair = f"{one_line(test.files[seen[i]])} and {one_line(bank.files[known[j]])}"
    distributed.note(
        f"{len(twins):,} of {len(seen):,} held-out pictures have a near-duplicate in training, as "
        f"{pair}: scores are too good. Remove them, or keep series together by --group-by folder, "
        "or --group-by and a pattern"
    )
