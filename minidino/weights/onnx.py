"""The backbone as an ONNX file, for any number of pictures of any size that patches divide."""

import importlib.util
import io
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.errors import UserError
from minidino.vit import VisionTransformer


class AnySize(nn.Module):
    """``VisionTransformer.forward`` without a question of the picture's size.

    An answer would be fixed in the file. So positions are interpolated to the trained grid, too,
    which leaves them as they are.
    """

    def __init__(self, vit: VisionTransformer):
        super().__init__()
        self.vit = vit

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D)."""
        vit = self.vit
        size = [side // vit.patch_size for side in images.shape[-2:]]
        cls_position, grid = vit.pos_embed[:, :1], vit.pos_embed[:, 1:]
        grid = grid.mT.unflatten(-1, (vit.grid, vit.grid))
        grid = F.interpolate(grid, size=size, mode="bicubic", align_corners=False)
        positions = torch.cat([cls_position, grid.flatten(2).mT], dim=1)
        cls = vit.cls_token.expand(images.shape[0], -1, -1)
        x = torch.cat([cls, vit.patch_embed(images)], dim=1) + positions
        for block in vit.blocks[:-1]:
            x = block(x)
        return vit.norm(vit.blocks[-1](x, cls_only=True))[:, 0]


def write_onnx(backbone: VisionTransformer, file: Path) -> None:
    """``images`` (batch, 3, height, width), normalised -> ``features`` (batch, D).

    Raises:
        UserError: if the packages that write ONNX are not installed.
    """
    lacking = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if lacking:
        raise UserError(f"an export to ONNX needs more: pip install {' '.join(lacking)}")
    p = backbone.patch_size
    # Sizes of which no two are equal or 1: those would be taken for fixed.
    example = torch.zeros(2, 3, 3 * p, 5 * p, device=backbone.pos_embed.device)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            AnySize(backbone).eval(),
            (example,),
            file,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
