"""Exercise 12.4, the FLOPs of a step: tells apart, by the number that comes out, which products are
left out, counted twice or counted at another width.
"""

from dataclasses import replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from minidino.checks.core import Wrong, call, check, expect
from minidino.config import TrainConfig, recipe
from minidino.trainer import Network


def _counted_flops(config: TrainConfig) -> tuple[int, int]:
    """FLOPs of one image's step as PyTorch's own counter sees them.

    Returns:
        as counted, and with the student's patch projection three times like the rest: images
        need no gradient, so its backward pass is one product only.
    """
    network = Network(config)
    views = [
        torch.zeros(n, 3, size, size)
        for n, size in ((2, config.global_size), (config.n_local, config.local_size))
    ]
    # The counter knows matrix products; the fused attention of a CPU is not among them.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            network(views[0])
        network(*(v for v in views if len(v))).sum().backward()
    patches = sum(v.numel() // (3 * config.patch_size**2) for v in views)
    projection = 2 * patches * 3 * config.patch_size**2 * config.embed_dim
    total = counter.get_total_flops()
    return total, total + projection


def _flops(
    c: TrainConfig,
    *,
    multiply_add: int = 2,
    teacher: float = 1,
    student: float = 3,
    teacher_views: str = "global",
    n_local: int | None = None,
    local_size: int | None = None,
    cls: int = 1,
    depth: int | None = None,
    qkv: int = 3,
    proj: int = 1,
    attention: float = 2,
    heads_in_block: int = 1,
    mlp: float = 2,
    patch: float = 1,
    patch_cls: int = 0,
    more_blocks: int = 0,
    head: bool = True,
    head_layers: tuple[int, int, int] = (1, 1, 1),
    prototypes: bool = True,
    head_rows: str = "views",
    last: str = "cls",
) -> int:
    """The formula with every factor open, for telling mistakes apart."""
    d, p = c.embed_dim, c.patch_size
    depth = c.depth if depth is None else depth
    n_local = c.n_local if n_local is None else n_local
    local_size = c.local_size if local_size is None else local_size

    def forward(size: int) -> float:
        patches = (size // p) ** 2
        n = patches + cls
        token = d * d * (qkv + proj + 4 * mlp)  # through the layers of one block
        block = n * token + attention * heads_in_block * n * n * d
        of_last = {
            "cls": token + attention * c.num_heads * n * d,
            "full": block,
            "missing": 0,
            "keys and values": token + (n - 1) * d * d * (qkv - 1) + attention * n * d,
            "keys, values, heads": token
            + (n - 1) * d * d * (qkv - 1)
            + attention * c.num_heads * n * d,
            "all of qkv": token + (n - 1) * d * d * qkv + attention * n * d,
            "no attention": token,
            "k and v twice": token + 2 * d * d + attention * c.num_heads * n * d,
            "no k and v": token - 2 * d * d + attention * c.num_heads * n * d,
            "all queries": token + attention * n * n * d,
            "narrow": token + attention * n * d,
            "one token": token + attention * d,
        }[last]
        rows = n if head_rows == "tokens" else 1
        scores = c.bottleneck_dim * c.out_dim if prototypes else 0
        widths = (d, c.hidden_dim, c.bottleneck_dim)  # of the layers' other sides
        mlp_of_head = c.hidden_dim * sum(a * b for a, b in zip(head_layers, widths, strict=True))
        of_head = rows * (mlp_of_head + scores) if head else 0
        blocks = (depth - 1 + more_blocks) * block + of_last if depth else 0
        return (patches + patch_cls) * 3 * p * p * d * patch + blocks + of_head

    seen = 2 * forward(c.global_size)
    every = seen + n_local * forward(local_size)
    of_teacher = every if teacher_views == "all" else seen
    return round(multiply_add * (teacher * of_teacher + student * every))


def _flop_mistakes(c: TrainConfig, last: str = "cls") -> dict[str, float]:
    """What is wrong -> the number it gives, with the last block counted in this way throughout."""

    def flops(**changes) -> int:
        return _flops(c, **({"last": last} | changes))

    return {
        "This is half of it: a multiply-add is two operations. Each product of (m, k) and (k, n) "
        "is 2 m k n.": flops(multiply_add=1),
        "The backward pass is missing. It computes two products for each of the forward pass, one "
        "for the inputs' and one for the weights' gradient: the student counts three times.": (
            flops(student=1)
        ),
        "The backward pass counts once in your estimate. It has two products for each of the "
        "forward pass, so the student counts three times in all.": flops(student=2),
        "The teacher counts three times in your estimate. It has no backward pass: once.": flops(
            teacher=3
        ),
        "The teacher is missing: a forward pass over the two global views.": flops(teacher=0),
        "The teacher sees all views in your estimate. It is given the global ones only.": flops(
            teacher_views="all"
        ),
        "The teacher sees all views in your estimate, and with a backward pass. It is given the "
        "global ones only, and never learns by gradients.": flops(teacher=3, teacher_views="all"),
        "The two products of the attention are missing: queries with keys, and weights with "
        "values, 2 N^2 D multiply-adds a block.": flops(attention=0),
        "You counted one product of the attention. There are two: queries with keys, and weights "
        "with values.": flops(attention=1),
        "The attention's products are multiplied by the number of heads, in the blocks before the "
        "last. Each head has D / heads of the width there: N^2 D each for all of them.": flops(
            heads_in_block=c.num_heads
        ),
        "The local views are missing; the student sees them too.": flops(n_local=0),
        f"Only one local view is counted; there are {c.n_local}.": flops(n_local=1),
        "The local views are counted at the global size. They are smaller: fewer patches.": flops(
            local_size=c.global_size
        ),
        "The [CLS] token is missing: a view has 1 + patches tokens.": flops(cls=0),
        "[CLS] is counted in the patch projection. It is learned, not projected: there are as many "
        "products there as patches, N - 1.": flops(patch_cls=1),
        "Only the last block is counted; there are config.depth.": flops(depth=1),
        "You counted config.depth blocks in full and the last one on top. It is one of them: "
        "depth - 1 in full.": flops(more_blocks=1),
        "The last block is counted in full. What it makes of the patches nobody reads: its layers "
        "are computed for [CLS] alone, one token.": flops(last="full"),
        "The last block is missing. It is cheaper than the others, not free: its layers for one "
        "token, [CLS], and its attention's two products, N D for each head.": flops(last="missing"),
        "In the last block you counted keys and values of all tokens. None is made there: W_k "
        "meets [CLS]'s query, and W_v what each head has seen: D^2 each.": flops(
            last="keys and values"
        ),
        "In the last block you counted qkv for all tokens. It is computed for one, like all of "
        "that block's layers: 3 D^2, whatever N is.": flops(last="all of qkv"),
        "In the last block the attention's products are counted for N queries. There is one, that "
        "of [CLS]: N D for each head.": flops(last="all queries"),
        "In the last block the attention's products are N D each in your estimate, for all heads "
        "together. There W_k^T q and what a head has seen are D numbers wide, not D / heads: N D "
        "each for each head.": flops(last="narrow"),
        "In the last block you counted keys and values of all tokens, and the wide queries that "
        "make them needless as well. W_k and W_v meet one vector a head.": flops(
            last="keys, values, heads"
        ),
        "In the last block the attention's two products are missing: N D each for each head.": (
            flops(last="no attention")
        ),
        "In the last block W_k and W_v are counted twice. That they change sides is no product "
        "more: they are within the 12 D^2.": flops(last="k and v twice"),
        "In the last block W_k and W_v are missing. They meet one vector a head: D^2 each.": flops(
            last="no k and v"
        ),
        "In the last block [CLS] is counted as if it were alone. It still looks at all tokens: "
        "N D for each head and each product of the attention.": flops(last="one token"),
        "The blocks are missing.": flops(depth=0),
        "qkv is counted as one D x D matrix. It makes three vectors of width D from each token: "
        "D x 3D.": flops(qkv=1),
        "The attention's output projection is missing, D x D for each token.": flops(proj=0),
        "The blocks' MLP is missing, twice D x 4D for each token.": flops(mlp=0),
        "Of the blocks' MLP one layer is counted. There are two, D x 4D and 4D x D.": flops(mlp=1),
        "The blocks' MLP is counted with a hidden width of D; it is 4 D.": flops(mlp=0.5),
        "The patch projection is missing: 3 p^2 numbers to D, for each patch.": flops(patch=0),
        "The patch projection has one colour in your estimate; a patch is 3 p^2 numbers.": flops(
            patch=1 / 3
        ),
        "The head is missing: three linear layers and the prototypes, for each view.": flops(
            head=False
        ),
        "The head's first layer is missing, D x hidden.": flops(head_layers=(0, 1, 1)),
        "The head's second layer is missing, hidden x hidden.": flops(head_layers=(1, 0, 1)),
        "The head's third layer is missing, hidden x bottleneck.": flops(head_layers=(1, 1, 0)),
        "The prototypes are missing: bottleneck x K for each view.": flops(prototypes=False),
        "The head is counted for every token. Only [CLS] goes through it, a row a view.": flops(
            head_rows="tokens"
        ),
        "This is of a whole batch; the question is for one image.": flops() * c.batch_size,
    }


@check("12.4", "the FLOPs of a step")
def check_12_4(step_flops):
    things = recipe("things")
    one_block = replace(things, depth=2, num_heads=4, out_dim=64, hidden_dim=48, n_local=3)
    wide = replace(one_block, global_size=54, local_size=24, bottleneck_dim=32, batch_size=16)
    # These come first: in networks of real widths each mistake has a number of its own.
    for config in (things, one_block, wide):
        exact, even = _counted_flops(config)
        got = call(step_flops, config)
        expect(
            isinstance(got, int | float) and not isinstance(got, bool),
            f"The result should be a plain number; yours is a {type(got).__name__}.",
        )
        _expect_flops(got, even, exact, config)
    # By hand: patches of one pixel, D = 1, one block, one head, all widths of the head 1, K = 3.
    # Multiply-adds of a view's forward pass. The block is the last, with one token in its layers,
    # 3 (qkv) + 1 (projection) + 8 (MLP), and 2 N of attention:
    # global, 2 x 2 px, 5 tokens: patches 4 * 3, block 12 + 2 * 5, head 3 + 3: 40;
    # local, 1 px, 2 tokens: patches 3, block 12 + 2 * 2, head 3 + 3: 25.
    # The student sees two of each, three times over; the teacher two global ones.
    by_hand = 2 * (3 * (2 * 40 + 2 * 25) + 2 * 40)
    of_images = 2 * 3 * (2 * 4 + 2 * 1)  # the gradient for the pixels, which nobody needs
    small = TrainConfig(
        image_size=2, eval_size=2, patch_size=1, embed_dim=1, depth=1, num_heads=1, out_dim=3,
        hidden_dim=1, bottleneck_dim=1, global_size=2, local_size=1, n_local=2,
    )  # fmt: skip
    _expect_flops(call(step_flops, small), by_hand, by_hand - of_images, small)


def _expect_flops(got: float, want: int, also: int, config: TrainConfig) -> None:
    """``got`` is ``want``, or ``also``; both are right."""
    if got in (want, also):
        return
    for message, value in _flop_mistakes(config).items():
        if value != want and abs(got - value) <= 1e-6 * value:
            raise Wrong(message)
    for message, value in _flop_mistakes(config, last="full").items():
        if abs(got - value) <= 1e-6 * value:
            raise Wrong(f"{message} And the last block is counted in full; see the text above.")
    raise Wrong(
        f"For a ViT of width {config.embed_dim} with {config.depth} block(s), 2 views of "
        f"{config.global_size} px, {config.n_local} of {config.local_size} px, patches of "
        f"{config.patch_size} px, and K = {config.out_dim}: you count {got:,.0f} operations an "
        f"image, that is {got / want:.3f} times the {want:,} that there are."
    )
