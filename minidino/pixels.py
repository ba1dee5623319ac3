"""Operations on batches of pictures: resampling, colour, blur. Each image has its own numbers.

Everything is a batched tensor operation on the images' own device. Cropping, antialiased
resizing, flipping and blurring are linear, so each is two small matrices per image: one mixes
the rows, the other the columns.
"""

import math
from collections.abc import Sequence

import torch
from einops import rearrange, repeat
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601: what PIL's and torchvision's grayscale use
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


def normalize(images: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) -> float32 with ImageNet's mean and standard deviation taken out."""
    return standardize(images.float() / 255)


def standardize(x: Tensor) -> Tensor:
    """(..., 3, H, W) in 0..1, less ImageNet's mean, over its standard deviation."""
    mean, std = (constant(v, x).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (x - mean) / std


def constant(values: Sequence[float], like: Tensor) -> Tensor:
    """A few numbers, sent to another tensor's device without waiting for it."""
    return torch.tensor(values, dtype=like.dtype).to(like.device, non_blocking=True)


def keys_cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = -1/2, the one PIL and torch use for antialiased bicubic.

    Written without branches: with t = max(2 - |x|, 0) and u = max(1 - |x|, 0) its two
    pieces are t^2 (t - 1) / 2 + u^2 (1 - 2u).
    """
    t = (2 - x.abs()).clamp(min=0)
    u = (t - 1).clamp(min=0)
    return t * t * (t - 1) / 2 + u * u * (1 - 2 * u)


def resize_matrix(
    start: Tensor, length: Tensor, flip: Tensor, size_in: int, size_out: int
) -> Tensor:
    """The matrix that crops [start, start + length), resizes it and maybe flips it.

    Args:
        start, length: (n,) in pixels of the input.
        flip: (n,) bool, reverses the output.
        size_in, size_out: pixels along this axis.

    Returns:
        (n, size_out, size_in); each row sums to 1 and is zero outside the crop. When it
        shrinks, the kernel is widened by the same factor, which is what antialiasing is.
    """
    start, length = start.float()[:, None], length.float()[:, None]
    scale = length / size_out
    stretch = scale.clamp(min=1)  # how much the kernel widens
    out = torch.arange(size_out, device=start.device) + 0.5
    out = torch.where(flip[:, None], size_out - out, out)
    center = start + out * scale  # (n, size_out)

    # The kernel reaches 2 * stretch to either side, so only a few taps of a row are not zero.
    reach = 2 * max(size_in / size_out, 1)
    offsets = torch.arange(2 * math.ceil(reach) + 1, device=start.device)
    tap = (center - reach).floor()[..., None] + offsets  # (n, size_out, taps) input pixels
    pixel = tap + 0.5
    weights = keys_cubic((pixel - center[..., None]) / stretch[..., None])
    end = start + length
    weights = weights * ((pixel > start[..., None]) & (pixel < end[..., None]))
    weights = weights / weights.sum(dim=-1, keepdim=True)

    matrix = weights.new_zeros(*center.shape, size_in)
    # Taps beyond the image have weight 0 and may be added to any column.
    return matrix.scatter_add_(-1, tap.long().clamp_(0, size_in - 1), weights)


def crop_resize(images: Tensor, box: Tensor, flip: Tensor, size: int) -> Tensor:
    """uint8 (B, 3, H, W) -> float (V * B, 3, size, size) in 0..1, crop-major."""
    b, _, h, w = images.shape
    top, left, height, width = box.unbind(1)
    unflipped = torch.zeros_like(flip)
    rows = resize_matrix(top, height, unflipped, h, size) / 255
    columns = resize_matrix(left, width, flip, w, size)
    # Rows of every view of an image in one product: (V*size, H) @ (H, 3*W).
    x = rearrange(images, "b c h w -> b h (c w)").float()  # moved about while a quarter as large
    x = rearrange(rows, "(v b) g h -> b (v g) h", b=b) @ x
    x = rearrange(x, "b (v g) (c w) -> (v b) (c g) w", g=size, c=3)
    x = x @ rearrange(columns, "n k w -> n w k")
    return rearrange(x, "n (c g) k -> n c g k", c=3).clamp_(0, 1)


def luma(x: Tensor) -> Tensor:
    """(n, 3, H, W) -> (n, 1, H, W): perceived brightness."""
    return LUMA[0] * x[:, :1] + LUMA[1] * x[:, 1:2] + LUMA[2] * x[:, 2:]


def color_jitter(x: Tensor, order: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue, in each image's own order.

    Args:
        x: (n, 3, H, W) in 0..1.
        order: (n, 4), the operation at each turn (BRIGHTNESS, CONTRAST, SATURATION, HUE).
            Kept on the CPU it saves waiting for a GPU.
        factors: (n, 4), by operation.

    The first three are one formula, clamp(f * x + (1 - f) * reference), with black, the
    mean gray and the gray pixel for reference: one pass serves all images at each turn.
    """
    for operation in order.unbind(1):
        now_hue = (operation == HUE).nonzero().squeeze(1).to(x.device, non_blocking=True)
        operation = operation.to(x.device, non_blocking=True)
        f = factors.gather(1, operation[:, None]).squeeze(1)
        f = torch.where(operation == HUE, 1.0, f)
        gray = luma(x)
        to_mean, to_gray = ((1 - f) * (operation == o) for o in (CONTRAST, SATURATION))
        to_mean = to_mean * gray.mean(dim=(1, 2, 3))
        f, to_mean, to_gray = (repeat(t, "n -> n 1 1 1") for t in (f, to_mean, to_gray))
        x = torch.addcmul(torch.addcmul(to_mean, gray, to_gray), x, f).clamp_(0, 1)
        x[now_hue] = shift_hue(x[now_hue], factors[now_hue, HUE])
    return x


def shift_hue(x: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of (n, 3, H, W) by ``shift`` (n,) of the full circle, as HSV does it."""
    r, g, b = x.unbind(1)
    value, chroma = x.amax(dim=1), x.amax(dim=1) - x.amin(dim=1)
    safe = chroma.clamp(min=1e-12)
    sector = torch.where(
        value == r,
        (g - b) / safe,
        torch.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4),
    )
    sector = sector + 6 * shift[:, None, None]  # hue in sixths of the circle
    # HSV back to RGB in closed form: each channel dips below the value by the chroma, over
    # the part of the circle that is far from its own hue.
    n = constant((5.0, 3.0, 1.0), x).view(3, 1, 1)
    k = (n + sector[:, None]) % 6
    dip = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[:, None] - chroma[:, None] * dip


def gaussian_blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur (n, 3, H, W) with a standard deviation per image, sigma (n,) in pixels.

    Two banded matrices per image. A row's weights are those inside the image, renormalised.
    """

    def matrix(size: int) -> Tensor:
        i = torch.arange(size, device=x.device, dtype=x.dtype)
        distance = (i[:, None] - i).abs() / sigma.view(-1, 1, 1)  # in standard deviations
        # Past 4 of them a weight is below 1/2000 of the peak. Were it kept, it would reach
        # numbers so small (denormals) that a CPU computes with them 10 times slower.
        weights = torch.where(distance < 4, torch.exp(-(distance**2) / 2), 0.0)
        return weights / weights.sum(dim=-1, keepdim=True)

    vertical, horizontal = matrix(x.shape[-2]), matrix(x.shape[-1])
    return vertical[:, None] @ x @ horizontal[:, None].transpose(-2, -1)


def solarize(x: Tensor, threshold: float = 128 / 255) -> Tensor:
    """Invert what is as bright as the threshold or brighter, channel by channel."""
    return torch.where(x >= threshold, 1 - x, x)
