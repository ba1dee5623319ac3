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
    """uint8 (B, 3, H, W) -> float32 with ImageNet's mean and standard deviation taken out.

    Raises:
        TypeError: if the images are not uint8: floats would be taken for black, and silently.
    """
    if images.dtype != torch.uint8:
        raise TypeError(
            f"expected uint8 images (N, 3, H, W), got {images.dtype} {tuple(images.shape)}; "
            "give bytes, normalisation is done here"
        )
    return standardize(images.float() / 255)


def standardize(x: Tensor) -> Tensor:
    """(..., 3, H, W) in 0..1, less ImageNet's mean, over its standard deviation."""
    mean, std = (constant(v, x).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (x - mean).div_(std)


def constant(values: Sequence[float], like: Tensor) -> Tensor:
    """A few numbers, sent to another tensor's device."""
    return sent(torch.tensor(values, dtype=like.dtype), like)


def sent(t: Tensor, like: Tensor) -> Tensor:
    """A tensor, sent to another one's device without waiting for it.

    Apple's GPUs are waited for: they may read what is gone by then (pytorch/pytorch issue 189690).
    """
    return t.to(like.device, non_blocking=like.device.type != "mps")


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
    # Left where they are: (g, c) is the order in which the rows of a view lie in memory.
    x = rearrange(x, "b (v g) (c w) -> (b v) (g c) w", g=size, c=3)
    x = x @ rearrange(columns, "(v b) k w -> (b v) w k", b=b)
    return rearrange(x.clamp_(0, 1), "(b v) (g c) k -> (v b) c g k", b=b, c=3).contiguous()


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

    The first three mix an image's own channels: clamp(f * x + (1 - f) * reference), with black,
    the mean gray and the gray pixel for reference. One pass serves all images at each turn, and as
    images are sorted by the turn at which hue comes, hue is turned once, for all of them together.
    """
    hue_turn = (order == HUE).int().argmax(dim=1)
    ends = hue_turn.bincount(minlength=4).cumsum(0).tolist()  # images whose hue comes by turn t
    by_turn = hue_turn.argsort(stable=True)
    back = sent(by_turn.argsort(), x)
    operation, by_turn = (sent(t, x) for t in (order[by_turn], by_turn))
    x = x[by_turn]

    f = factors[by_turn].gather(1, operation)  # (n, 4), by turn
    to_mean, to_gray = ((1 - f) * (operation == o) for o in (CONTRAST, SATURATION))
    gray = constant(LUMA, x)
    f, to_gray = (repeat(t, "n turn -> n turn 1 1") for t in (f, to_gray))
    mix = f * torch.eye(3, device=x.device) + to_gray * gray  # (n, turn, 3 new, 3 old channels)

    def take_turn(images: slice, turn: int) -> None:
        old = x[images].flatten(2)
        offset = to_mean[images, turn] * (old.mean(dim=2) @ gray)
        new = torch.baddbmm(rearrange(offset, "n -> n 1 1"), mix[images, turn], old)
        torch.clamp(new, 0, 1, out=old)

    for turn in range(3):
        take_turn(slice(ends[turn], None), turn)  # their hue comes later
    x = shift_hue(x, factors[by_turn, HUE])
    for turn in range(1, 4):
        take_turn(slice(0, ends[turn - 1]), turn)
    return x[back]


def shift_hue(x: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of (n, 3, H, W) by ``shift`` (n,) of the full circle, as HSV does it."""
    r, g, b = x.unbind(1)
    value = torch.maximum(r, torch.maximum(g, b))
    chroma = value - torch.minimum(r, torch.minimum(g, b))
    # Hue in sixths of the circle: 0 is red, 2 green, 4 blue.
    from_red, from_green, from_blue = (t / chroma.clamp(min=1e-12) for t in (g - b, b - r, r - g))
    hue = torch.where(value == g, from_green + 2, from_blue + 4)
    hue = torch.where(value == r, from_red, hue) + 6 * shift[:, None, None]
    hue -= 6 * (hue / 6).round()  # -3 to 3
    # HSV back to RGB in closed form: each channel dips below the value by the chroma, over
    # the part of the circle that is far from its own hue.
    far = hue[:, None] + constant((3.0, 1.0, -1.0), x).view(3, 1, 1)
    dip = far.abs_().sub_(3).abs_().sub_(1).clamp_(0, 1)
    return torch.addcmul(value[:, None], chroma[:, None], dip, value=-1)


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

    vertical = matrix(x.shape[-2])
    horizontal = vertical if x.shape[-1] == x.shape[-2] else matrix(x.shape[-1])
    x = vertical @ rearrange(x, "n c h w -> n h (c w)")
    x = rearrange(x, "n h (c w) -> n (h c) w", c=3) @ horizontal.transpose(-2, -1)
    return rearrange(x, "n (h c) w -> n c h w", c=3)


def solarize(x: Tensor, threshold: float = 128 / 255) -> Tensor:
    """Invert what is as bright as the threshold or brighter, channel by channel."""
    return torch.where(x >= threshold, 1 - x, x)
