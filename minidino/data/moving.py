"""Clips drawn from a seed: things that move and turn on noise, with a mask of each frame.

The noise is drawn anew for every frame, so that nothing but the things goes from one frame to the
next. Colours alone tell thing from noise: random weights follow these things as well.
"""

from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from minidino.data.things import CLASSES, STUFF, Things, finished


def moving_things(
    frames: int = 24, size: int = 60, seed: int = 0, things: int = 2
) -> tuple[Tensor, Tensor]:
    """A clip of things of different classes, the last in front; they bounce off the borders.

    Returns:
        uint8 (frames, 3, size, size), and uint8 (frames, size, size): 0 is stuff, 1 the first
        thing.
    """
    rng = np.random.default_rng([seed, frames, size, things])
    still = Things.draw(rng, things, size)
    still.label = rng.permutation(len(CLASSES))[:things]
    still.radius *= 0.8  # there are several
    direction = rng.uniform(0, 2 * np.pi, things)
    speed, turn = rng.uniform(0.02, 0.035, things) * size, rng.uniform(-0.12, 0.12, things)
    time = np.arange(frames, dtype=np.float32).reshape(-1, 1, 1)

    image = np.full((frames, size, size, 3), STUFF, np.float32)
    masks = np.zeros((frames, size, size), np.uint8)
    for i in range(things):
        one = {f.name: getattr(still, f.name)[i : i + 1].repeat(frames, 0) for f in fields(Things)}
        moved = Things(**one)
        moved = replace(
            moved,
            x=_bounced(moved.x + time * speed[i] * np.cos(direction[i]), moved.radius, size),
            y=_bounced(moved.y + time * speed[i] * np.sin(direction[i]), moved.radius, size),
            angle=moved.angle + time * turn[i],
        )
        alpha, colours = moved.paint(size)
        image = image + alpha * (colours - image)
        masks[alpha[..., 0] > 0.5] = i + 1
    pixels = torch.from_numpy(finished(rng, image)).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.from_numpy(masks)


def _bounced(at: np.ndarray, radius: np.ndarray, size: int) -> np.ndarray:
    """A straight way folded back at the borders."""
    room = size - 2 * radius
    along = (at - radius) % (2 * room)
    return (radius + np.minimum(along, 2 * room - along)).astype(np.float32)
