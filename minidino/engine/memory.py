"""How much memory a training step needs, from its configuration alone.

The memory of a step is weights and what belongs to each of them (gradient, AdamW's two moments,
the teacher's copy), and the activations that the backward pass will read, which grow with the
batch. Both are counted here, layer by layer, as autograd keeps them. The count is compared
with what autograd really saves, and with the allocator's peak, on the CPU (tests/test_memory.py).
"""

import itertools
from dataclasses import dataclass

import torch

from minidino.config import TrainConfig
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.vit import FEW, NARROW

FLOAT = 4  # bytes
# On top of a count: what allocators lose between blocks, and kernels' own scratch.
HEADROOM = 1.15
CUDA_CONTEXT = 600 * 2**20  # what CUDA, cuBLAS and the kernels' code take before any tensor


@dataclass(frozen=True)
class StepMemory:
    """Bytes of one step, by what they are for."""

    weights: int  # student, teacher, moments, gradients (those of each thread)
    views: int  # the crops of the whole batch, and the images they are cut from
    activations: int  # of the images whose gradients are taken together
    scratch: int  # what the backward pass, or cropping, needs for a moment

    @property
    def total(self) -> int:
        return self.weights + self.views + self.activations + self.scratch


def step_memory(config: TrainConfig, engine: Engine, cuda: bool) -> StepMemory:
    """The peak of one step of a whole batch; by default float32 on a CPU, bf16 on CUDA.

    Raises:
        UserError: if the engine is to take parts of a batch whose images are compared, or the
            backbone is no ViT.
    """
    if config.backbone != "vit":
        raise UserError(f"nothing is known of a {config.backbone}'s memory; give --batch-size")
    c, batch = config, config.batch_size
    device = torch.device("cuda" if cuda else "cpu")
    if c.compares_images:
        engine = engine.in_one_piece()
    pieces = 1 if c.compares_images else engine.pieces(batch, device, widest_activation(c))
    images = batch // pieces  # at a time
    threads = engine.threads(batch, device)
    precision = engine.precision or ("bf16" if cuda else "fp32")
    compute = FLOAT if precision == "fp32" else 2
    views = 2 + c.n_local
    pixels = 3 * (2 * c.global_size**2 + c.n_local * c.local_size**2)

    one_block = [_block(c, size, compute, cuda) for size in (c.global_size, c.local_size)]
    counts = (2, c.n_local)
    tokens = [n * (1 + (size // c.patch_size) ** 2)
              for n, size in zip(counts, (c.global_size, c.local_size), strict=True)]  # fmt: skip
    dropped = compute * c.embed_dim * 2 * (c.depth - 2) if c.drop_path_rate else 0
    residual = FLOAT * c.embed_dim  # a block's input
    inner, backbone = 0, 0
    for count, size, n, block in zip(
        counts, (c.global_size, c.local_size), tokens, one_block, strict=True
    ):
        # Its norm's input, mean, deviation and output, and each head's attention of [CLS].
        last = residual + 2 * FLOAT + FLOAT * (c.embed_dim + c.num_heads)
        if engine.checkpoint_activations:
            backbone += n * residual * c.depth
            inner = max(inner, n * block)
        else:
            backbone += n * (block * (c.depth - 1) + last + dropped)
        backbone += count * 3 * size**2 * (compute if cuda else 0)  # bf16 copy that is embedded
    head = views * compute * (c.embed_dim + 4 * c.hidden_dim)
    head += views * FLOAT * 3 * c.bottleneck_dim
    logits = FLOAT * c.out_dim
    # Student's logits over the temperature; sum of the targets, and that less each.
    loss = (views + 3) * logits
    fixed = compute * c.out_dim * c.bottleneck_dim  # the unit prototypes
    trained, total = parameter_counts(c)
    if cuda:
        fixed += 2 * trained  # autocast keeps a bf16 copy of the student's weights

    wide = max(tokens) * (compute * 4 + FLOAT * 2) * c.embed_dim  # gradients inside one MLP
    scratch = images * max((3 * views + 2) * logits, wide + inner)
    # On the way to the prototypes' gradient.
    scratch += threads * 3 * FLOAT * c.out_dim * c.bottleneck_dim
    cropping = batch * FLOAT * 3 * (10 * c.global_size**2 + c.image_size**2)
    activations = images * (backbone + head + loss) + threads * fixed
    weights = FLOAT * (2 * total + (2 + threads) * trained)
    held = batch * (FLOAT * pixels + 3 * c.image_size**2 + 2 * compute * c.out_dim)
    # While views are cut no activations are there yet.
    return StepMemory(weights, held, activations, max(scratch, cropping - activations))


def widest_activation(config: TrainConfig) -> int:
    """Bytes of the largest float32 tensor in a step of one image: an MLP's hidden layer."""
    c = config
    tokens = max(
        n * (1 + (size // c.patch_size) ** 2)
        for n, size in ((2, c.global_size), (c.n_local, c.local_size))
    )
    return FLOAT * 4 * c.embed_dim * tokens


def _block(c: TrainConfig, size: int, compute: int, cuda: bool) -> int:
    """Bytes that one block keeps for each token of a view of this size.

    Two float32 inputs of norms, with a mean and a deviation; outputs of the norms, queries, keys
    and values, what attention gathered, and the MLP before and after its nonlinearity.
    """
    norms = 2 * (FLOAT * c.embed_dim + 2 * FLOAT)
    attention = FLOAT * c.num_heads  # one normaliser a query: the matrix itself is not kept
    tokens = 1 + (size // c.patch_size) ** 2
    if not cuda and c.embed_dim // c.num_heads < NARROW and tokens < FEW:
        attention *= tokens  # here it is, see vit.attend
    return norms + attention + compute * c.embed_dim * (1 + 3 + 1 + 1 + 4 + 4)


def parameter_counts(config: TrainConfig) -> tuple[int, int]:
    """How many numbers of the student are trained, and how many it has."""
    c, d = config, config.embed_dim
    blocks = c.depth * (12 * d**2 + 13 * d)
    tokens = (3 * c.patch_size**2 + 1) * d + (2 + (c.global_size // c.patch_size) ** 2) * d
    widths = (d, c.hidden_dim, c.hidden_dim, c.bottleneck_dim)
    head = sum(a * b + b for a, b in itertools.pairwise(widths)) + c.out_dim * c.bottleneck_dim
    total = blocks + tokens + 2 * d + head + c.out_dim  # the last: the prototypes' lengths
    return total - c.out_dim * c.norm_last_layer, total
