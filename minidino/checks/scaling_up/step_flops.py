"""Exercise 12.4, the FLOPs of a step: tells apart, by the numbers that come out for several
networks, which products are left out, counted twice or counted at another width.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from minidino.checks.compare import agreeing, compare, outcome, same
from minidino.checks.core import Wrong, call, check, expect
from minidino.config import TrainConfig, recipe
from minidino.trainer import Network

EXAMPLES = (213480448, 211240960)  # of the docstring


@functools.lru_cache
def _counted_flops(config: TrainConfig) -> tuple[int, int]:
    """FLOPs of one image's step as PyTorch's own counter sees them.

    Returns:
        with the student's patch projection three times like the rest, and as counted: images
        need no gradient, so its backward pass is one product only.
    """
    from torch.utils.flop_counter import FlopCounterMode  # brings triton, for no other check

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
    return total + projection, total


# ---------------------------------------------------------------- the formula, every factor open

LAST = {  # the last block: multiply-adds, by n tokens, D^2, D, heads h and a whole block
    "cls": lambda n, dd, d, h, block: 12 * dd + 2 * h * n * d,
    "full": lambda n, dd, d, h, block: block,
    "missing": lambda n, dd, d, h, block: 0,
    "keys and values": lambda n, dd, d, h, block: 12 * dd + 2 * (n - 1) * dd + 2 * n * d,
    "keys, values, heads": lambda n, dd, d, h, block: 12 * dd + 2 * (n - 1) * dd + 2 * h * n * d,
    "all of qkv": lambda n, dd, d, h, block: 12 * dd + 3 * (n - 1) * dd + 2 * n * d,
    "all of qkv, all queries": lambda n, dd, d, h, block: 3 * n * dd + 2 * n * n * d + 9 * dd,
    "all of the MLP": lambda n, dd, d, h, block: 4 * dd + 8 * n * dd + 2 * h * n * d,
    "no attention": lambda n, dd, d, h, block: 12 * dd,
    "one product": lambda n, dd, d, h, block: 12 * dd + h * n * d,
    "k and v twice": lambda n, dd, d, h, block: 14 * dd + 2 * h * n * d,
    "no k and v": lambda n, dd, d, h, block: 10 * dd + 2 * h * n * d,
    "no layers": lambda n, dd, d, h, block: 2 * h * n * d,
    "all queries": lambda n, dd, d, h, block: 12 * dd + 2 * n * n * d,
    "all queries, wide": lambda n, dd, d, h, block: 12 * dd + 2 * h * n * n * d,
    "divided": lambda n, dd, d, h, block: 12 * dd + 2 * n * d / h,
    "narrow": lambda n, dd, d, h, block: 12 * dd + 2 * n * d,
    "half narrow": lambda n, dd, d, h, block: 12 * dd + (h + 1) * n * d,
    "one token": lambda n, dd, d, h, block: 12 * dd + 2 * d,
    "all tokens, wide": lambda n, dd, d, h, block: 12 * n * dd + 2 * h * n * d,
}


def _flops(
    c: TrainConfig,
    *,
    images: int = 3,
    times: float = 2,
    student: float = 3,
    teacher: float = 1,
    teacher_views: str = "global",
    n_global: int = 2,
    teacher_global: int | None = None,
    n_local: Any = lambda n: n,
    local_at: str = "local_size",
    global_at: str = "global_size",
    tokens: Any = lambda patches: patches + 1,
    grid: Any = lambda size, p: (size // p) ** 2,
    layers: float = 12,
    last_layers: float | None = None,
    attention: Any = lambda n, d, h: 2 * n * n * d,
    patch: Any = lambda patches, p, d: patches * 3 * p * p * d,
    depth: Any = lambda depth: (depth - 1, 1),
    last: str = "cls",
    head: Any = lambda d, h, b, k: d * h + h * h + h * b + b * k,
    head_rows: Any = lambda n: 1,
    head_student: float | None = None,
    head_teacher: float | None = None,
    whole: Any = lambda flops, c: flops,
) -> float:
    """The formula with every factor open, for telling mistakes apart.

    Args:
        images: how often the student's patch projection counts: 3, 2 or 1 times.
        n_local: by the config's.
        layers: D^2 a token in a block: 3 of qkv, 1 of the projection, 8 of the MLP;
            ``last_layers`` in the last one, by default as many.
        depth: how many blocks count in full, and how many as the last one.
    """
    d, p = c.embed_dim, c.patch_size

    def forward(at: str, passes: float, passes_of_head: float, projections: float) -> float:
        patches = grid(getattr(c, at), p)
        n = tokens(patches)
        block = n * layers * d * d + attention(n, d, c.num_heads)
        full, ends = depth(c.depth)
        missing = 12 - (layers if last_layers is None else last_layers)
        end = LAST[last](n, d * d, d, c.num_heads, block)
        end -= missing * d * d if last not in ("full", "missing", "no layers") else 0
        of_head = head(d, c.hidden_dim, c.bottleneck_dim, c.out_dim) * head_rows(n)
        return (
            patch(patches, p, d) * projections
            + (full * block + ends * end) * passes
            + of_head * passes_of_head
        )

    ways = (
        student,
        student if head_student is None else head_student,
        {3: student, 2: max(1, student - 1), 1: 1}[images],
    )
    teaching = (teacher, teacher if head_teacher is None else head_teacher, teacher)
    total = n_global * forward(global_at, *ways) + n_local(c.n_local) * forward(local_at, *ways)
    seen = n_global if teacher_global is None else teacher_global
    total += seen * forward(global_at, *teaching)
    if teacher_views == "all":
        total += n_local(c.n_local) * forward(local_at, *teaching)
    return whole(times * total, c)


def _head(c: TrainConfig) -> int:
    h, b = c.hidden_dim, c.bottleneck_dim
    return c.embed_dim * h + h * h + h * b + b * c.out_dim


TWO = "The backward pass has two products for each of the forward pass, so the student counts three"
ALONE = "The last block's layers are computed for [CLS] alone, 12 D^2 in all"
LAYERS = {  # what is wrong in a block -> D^2 a token
    "qkv is counted as one D x D matrix. It makes three vectors of width D from each token: D x "
    "3D.": 10,
    "qkv is missing: D x 3D for each token.": 9,
    "The attention's output projection is missing, D x D for each token.": 11,
    "There is a D x D too many: q, k, v and the output projection are four in all.": 13,
    "The blocks' MLP is missing, twice D x 4D for each token.": 4,
    "Of the blocks' MLP one layer is counted, or a hidden width of 2 D. There are two, D x 4D and "
    "4D x D.": 8,
    "The blocks' MLP is counted with a hidden width of D; it is 4 D.": 6,
    "The blocks' MLP counts twice, 16 D^2 a token. D x 4D and 4D x D are 8 D^2 together.": 20,
    "The blocks' MLP has a layer of 4D x 4D in your estimate: 16 D^2 a token. Its two layers are D "
    "x 4D and 4D x D.": 28,
    "The layers of a block count once, D^2 a token. They are 12 D^2: 3 of qkv, 1 of the "
    "projection, 8 of the MLP.": 1,
    "The layers of a block are missing: 12 D^2 a token.": 0,
}
# what is wrong -> what is different in the formula
CHANGES: dict[str, dict] = {
    "This is half of it: a multiply-add is two operations. Each product of (m, k) and (k, n) is 2 "
    "m k n.": dict(times=1),
    "This is twice as much: the factor 2 of a multiply-add is in it two times.": dict(times=4),
    "The backward pass is missing. It computes two products for each of the forward pass, one for "
    "the inputs' and one for the weights' gradient: the student counts three times.": dict(
        student=1
    ),
    f"The backward pass counts once in your estimate. {TWO} times in all.": dict(student=2),
    f"The student counts four times in your estimate. {TWO} times in all.": dict(student=4),
    "Of the student you counted the backward pass alone; the forward pass is missing.": dict(
        student=2, images=2
    ),
    "The student counts six times, or the factor 2 of a multiply-add is in it twice. It counts "
    "three times: forward, and two products backward.": dict(student=6),
    "The factor 2 of a multiply-add is missing for the student.": dict(student=1.5),
    "The teacher counts three times in your estimate. It has no backward pass: once.": dict(
        teacher=3
    ),
    "The teacher counts twice in your estimate. It goes forward only: once.": dict(teacher=2),
    "The teacher is missing: a forward pass over the two global views.": dict(teacher=0),
    "The teacher sees all views in your estimate. It is given the global ones only.": dict(
        teacher_views="all"
    ),
    "The teacher sees all views in your estimate, and with a backward pass. It is given the global "
    "ones only, and never learns by gradients.": dict(teacher=3, teacher_views="all"),
    "The teacher counts half in your estimate: it sees both global views, and a multiply-add is "
    "two operations there too.": dict(teacher=0.5),
    "Only one global view is counted, for both networks. There are two, and config.n_local local "
    "ones.": dict(n_global=1),
    "Only one global view is counted for the student. There are two.": dict(
        n_global=1, teacher_global=2
    ),
    "The global views are missing for the student; it sees them too.": dict(
        n_global=0, teacher_global=2
    ),
    "The local views are missing; the student sees them too.": dict(n_local=lambda n: 0),
    "Only one local view is counted; there are config.n_local.": dict(n_local=lambda n: 1),
    "You took two of config.n_local for the global views. There are n_local views besides the two "
    "global ones.": dict(n_local=lambda n: n - 2),
    "You counted config.n_local + 2 local views. The two global ones come on top of n_local, but "
    "they are not local as well.": dict(n_local=lambda n: n + 2),
    "The local views are counted at the global size. They are smaller: fewer patches.": dict(
        local_at="global_size"
    ),
    "The global views are counted at the local size.": dict(global_at="local_size"),
    "The sizes of global and local views are swapped.": dict(
        global_at="local_size", local_at="global_size"
    ),
    "You took config.image_size for the size of the global views. Pictures have that size before "
    "they are cropped; a view has config.global_size.": dict(global_at="image_size"),
    "You took config.image_size for the size of all views. Pictures have that size before they are "
    "cropped; views have config.global_size and config.local_size.": dict(
        global_at="image_size", local_at="image_size"
    ),
    "You took config.eval_size for the size of the global views; that is of evaluation. A view has "
    "config.global_size.": dict(global_at="eval_size"),
    "The [CLS] token is missing: a view has 1 + patches tokens.": dict(tokens=lambda n: n),
    "There is one token too many: a view has 1 + patches, [CLS] and the patches.": dict(
        tokens=lambda n: n + 2
    ),
    "There is one patch too few. (size / patch_size) squared are the patches; [CLS] comes on "
    "top.": dict(grid=lambda size, p: (size // p) ** 2 - 1),
    "A view has (size / patch_size) squared patches; yours has size / patch_size.": dict(
        grid=lambda size, p: size // p
    ),
    "You counted a token for each pixel. A patch of patch_size x patch_size pixels is a token.": (
        dict(grid=lambda size, p: size * size)
    ),
    "You divided the pixels of a view by patch_size. A patch has patch_size squared.": dict(
        grid=lambda size, p: size * size // p
    ),
    "The two products of the attention are missing: queries with keys, and weights with values, "
    "2 N^2 D multiply-adds a block.": dict(attention=lambda n, d, h: 0),
    "You counted one product of the attention. There are two: queries with keys, and weights with "
    "values.": dict(attention=lambda n, d, h: n * n * d),
    "The attention's products count twice in the blocks before the last. They are 2 N^2 D "
    "multiply-adds a block.": dict(attention=lambda n, d, h: 4 * n * n * d),
    "The attention's products are multiplied by the number of heads, in the blocks before the "
    "last. Each head has D / heads of the width there: N^2 D each for all of them.": dict(
        attention=lambda n, d, h: 2 * n * n * d * h
    ),
    "The attention's products are those of one head, in the blocks before the last. All heads "
    "together are N^2 D each.": dict(attention=lambda n, d, h: 2 * n * n * d / h),
    "The attention's products are 2 N D a block in your estimate; N D is of one token, and a block "
    "has N of them: 2 N^2 D.": dict(attention=lambda n, d, h: 2 * n * d),
    "The attention's products are 2 N^2 a block in your estimate. Each of the N^2 scores is a "
    "product over D numbers, in all heads together: 2 N^2 D.": dict(
        attention=lambda n, d, h: 2 * n * n
    ),
    "The attention's products have D^2 in your estimate. Queries meet keys: N^2 D, and no weights "
    "of D x D.": dict(attention=lambda n, d, h: 2 * n * d * d),
    "In the attention's products of the blocks before the last [CLS] is missing: N is 1 + "
    "patches.": dict(attention=lambda n, d, h: 2 * (n - 1) ** 2 * d),
    "[CLS] is counted in the patch projection. It is learned, not projected: there are as many "
    "products there as patches, N - 1.": dict(patch=lambda n, p, d: (n + 1) * 3 * p * p * d),
    "The patch projection is missing: 3 p^2 numbers to D, for each patch.": dict(
        patch=lambda n, p, d: 0
    ),
    "The patch projection has one colour in your estimate; a patch is 3 p^2 numbers.": dict(
        patch=lambda n, p, d: n * p * p * d
    ),
    "The patch projection has 3 p numbers a patch in your estimate; it has 3 p^2.": dict(
        patch=lambda n, p, d: n * 3 * p * d
    ),
    "The patch projection is counted twice in every pass.": dict(
        patch=lambda n, p, d: 2 * n * 3 * p * p * d
    ),
    "The patch projection lacks the width D: from 3 p^2 numbers to D for each patch.": dict(
        patch=lambda n, p, d: n * 3 * p * p
    ),
    "The patch projection is counted for one patch a view. Each patch goes through it.": dict(
        patch=lambda n, p, d: 3 * p * p * d
    ),
    "Only one block is counted; there are config.depth.": dict(depth=lambda n: (0, 1)),
    "You counted config.depth blocks in full and the last one on top. It is one of them: depth - 1 "
    "in full.": dict(depth=lambda n: (n, 1)),
    "You counted one block less than there are: depth - 1 in full, and the last one.": dict(
        depth=lambda n: (n - 2, 1)
    ),
    "All blocks are counted like the last one. It alone is cheap; depth - 1 are counted in full.": (
        dict(depth=lambda n: (0, n))
    ),
    "You counted config.depth blocks in full and as many last ones. There are depth - 1 in full, "
    "and one last.": dict(depth=lambda n: (n, n)),
    "You counted config.depth - 1 blocks in full and config.depth last ones. There is one "
    "last.": dict(depth=lambda n: (n - 1, n)),
    "The blocks are missing.": dict(depth=lambda n: (0, 0)),
    "The last block is counted in full. What it makes of the patches nobody reads: its layers are "
    "computed for [CLS] alone, one token.": dict(last="full"),
    "The last block is missing. It is cheaper than the others, not free: its layers for one token, "
    "[CLS], and its attention's two products, N D for each head.": dict(last="missing"),
    "In the last block you counted keys and values of all tokens. None is made there: W_k meets "
    "[CLS]'s query, and W_v what each head has seen: D^2 each.": dict(last="keys and values"),
    "In the last block you counted qkv for all tokens. It is computed for one, like all of that "
    "block's layers: 3 D^2, whatever N is.": dict(last="all of qkv"),
    "In the last block you counted qkv and attention for all tokens, and only the rest for [CLS] "
    f"alone. {ALONE}, and attention's products are N D for each head.": dict(
        last="all of qkv, all queries"
    ),
    f"In the last block the MLP is counted for all tokens. {ALONE}.": dict(last="all of the MLP"),
    f"In the last block all layers are counted for all tokens. {ALONE}.": dict(
        last="all tokens, wide"
    ),
    "In the last block the attention's products are counted for N queries. There is one, that of "
    "[CLS]: N D for each head.": dict(last="all queries"),
    "In the last block the attention's products are counted for N queries in each head. There is "
    "one query, that of [CLS]: N D for each head.": dict(last="all queries, wide"),
    "In the last block the attention's products are N D each in your estimate, for all heads "
    "together. There W_k^T q and what a head has seen are D numbers wide, not D / heads: N D each "
    "for each head.": dict(last="narrow"),
    "In the last block the attention's products are divided by the number of heads. They are N D "
    "for each head.": dict(last="divided"),
    "In the last block one of the attention's products is N D for all heads together. Both are N D "
    "for each head.": dict(last="half narrow"),
    "In the last block one of the attention's two products is missing: N D each for each head.": (
        dict(last="one product")
    ),
    "In the last block you counted keys and values of all tokens, and the wide queries that make "
    "them needless as well. W_k and W_v meet one vector a head.": dict(last="keys, values, heads"),
    "In the last block the attention's two products are missing: N D each for each head.": dict(
        last="no attention"
    ),
    "In the last block the layers are missing: 12 D^2, for the one token [CLS].": dict(
        last="no layers"
    ),
    "In the last block W_k and W_v are counted twice. That they change sides is no product more: "
    "they are within the 12 D^2.": dict(last="k and v twice"),
    "In the last block W_k and W_v are missing. They meet one vector a head: D^2 each.": dict(
        last="no k and v"
    ),
    "In the last block [CLS] is counted as if it were alone. It still looks at all tokens: N D for "
    "each head and each product of the attention.": dict(last="one token"),
    "The head is missing: three linear layers and the prototypes, for each view.": dict(
        head_rows=lambda n: 0
    ),
    "The head's first layer is missing, D x hidden.": dict(
        head=lambda d, h, b, k: h * h + h * b + b * k
    ),
    "The head's second layer is missing, hidden x hidden.": dict(
        head=lambda d, h, b, k: d * h + h * b + b * k
    ),
    "The head's third layer is missing, hidden x bottleneck.": dict(
        head=lambda d, h, b, k: d * h + h * h + b * k
    ),
    "The prototypes are missing: bottleneck x K for each view.": dict(
        head=lambda d, h, b, k: d * h + h * h + h * b
    ),
    "Of the head the prototypes alone are counted; its three layers are missing.": dict(
        head=lambda d, h, b, k: b * k
    ),
    "The prototypes are counted at the hidden width, hidden x K. The bottleneck comes before them: "
    "bottleneck x K.": dict(head=lambda d, h, b, k: d * h + h * h + h * b + h * k),
    "The prototypes are counted at the backbone's width, D x K. The bottleneck comes before them: "
    "bottleneck x K.": dict(head=lambda d, h, b, k: d * h + h * h + h * b + d * k),
    "The prototypes are counted as K numbers. Each is a product over the bottleneck: bottleneck x "
    "K.": dict(head=lambda d, h, b, k: d * h + h * h + h * b + k),
    "The bottleneck is left out: hidden x K. There are a layer hidden x bottleneck and the "
    "prototypes, bottleneck x K.": dict(head=lambda d, h, b, k: d * h + h * h + h * k),
    "hidden_dim and out_dim are swapped in the head: D, hidden, hidden, bottleneck, K.": dict(
        head=lambda d, h, b, k: d * k + k * k + k * b + b * h
    ),
    "hidden_dim and bottleneck_dim are swapped in the head: D, hidden, hidden, bottleneck, K.": (
        dict(head=lambda d, h, b, k: d * b + b * b + b * h + h * k)
    ),
    "The head has one hidden layer too many: D, hidden, hidden, bottleneck, K.": dict(
        head=lambda d, h, b, k: d * h + 2 * h * h + h * b + b * k
    ),
    "The head's second layer is D x hidden in your estimate. It is hidden x hidden.": dict(
        head=lambda d, h, b, k: 2 * d * h + h * b + b * k
    ),
    "The head is counted for every token. Only [CLS] goes through it, a row a view.": dict(
        head_rows=lambda n: n
    ),
    "The head is counted for every patch. Only [CLS] goes through it, a row a view.": dict(
        head_rows=lambda n: n - 1
    ),
    "The head is counted for one view of each network. Each view's [CLS] goes through it.": dict(
        whole=lambda flops, c: flops - 2 * _head(c) * (4 * (2 - 1) + 3 * c.n_local)
    ),
    "The head counts once for the student. Like all of it three times: forward, and two products "
    "backward.": dict(head_student=1),
    "The teacher's head is missing.": dict(head_teacher=0),
    "The student's head is missing.": dict(head_student=0),
    "The patch projection counts once for the student. Its weights have a gradient too: two "
    "products at least, or three times like the rest.": dict(images=1),
    "This is of a whole batch; the question is for one image.": dict(
        whole=lambda flops, c: flops * c.batch_size
    ),
    "You divided by the batch size. The views that you counted are those of one image already.": (
        dict(whole=lambda flops, c: flops / c.batch_size)
    ),
    "You divided by the number of views. The question is for one image, all its views together.": (
        dict(whole=lambda flops, c: flops / (2 + c.n_local))
    ),
    "This is in GFLOPs (1e9). FLOPs are asked for.": dict(whole=lambda flops, c: flops / 1e9),
    "This is in MFLOPs (1e6). FLOPs are asked for.": dict(whole=lambda flops, c: flops / 1e6),
    "This is in TFLOPs (1e12). FLOPs are asked for.": dict(whole=lambda flops, c: flops / 1e12),
    "This is the example's number, whatever the config. Its fields say how large the network "
    "is.": dict(whole=lambda flops, c: EXAMPLES[0]),
    "This is the example's exact number, whatever the config. Its fields say how large the network "
    "is.": dict(whole=lambda flops, c: EXAMPLES[1]),
}

CHANGES |= {message: dict(layers=n) for message, n in LAYERS.items()}
CHANGES |= {
    f"In the blocks before the last: {message}": dict(layers=n, last_layers=12)
    for message, n in LAYERS.items()
}
CHANGES |= {  # 10 is as if W_k and W_v were missing, 0 as if all layers were
    f"In the last block: {message}": dict(last_layers=n)
    for message, n in LAYERS.items()
    if n not in (10, 0)
}
# What is no matrix product -> how many numbers it makes in a view of n tokens.
EXTRAS: dict[str, Callable[[TrainConfig, int], float]] = {
    "The softmax is": lambda c, n: c.num_heads * n * n * c.depth,
    "The softmax of the blocks before the last is": lambda c, n: (
        c.num_heads * n * n * (c.depth - 1)
    ),
    "The softmax is ([CLS] alone in the last block)": lambda c, n: (
        c.num_heads * (n * n * (c.depth - 1) + n)
    ),
    "The GELUs are": lambda c, n: 4 * c.embed_dim * n * c.depth,
    "The norms, or the residuals, are": lambda c, n: 2 * c.embed_dim * n * c.depth,
    "The positions of the tokens, or the last norm, are": lambda c, n: c.embed_dim * n,
    "The bias of the patch projection is": lambda c, n: c.embed_dim * (n - 1),
    "Biases of the blocks are": lambda c, n: 9 * c.embed_dim * n * c.depth,
    "Biases of the blocks are ([CLS] alone in the last one)": lambda c, n: (
        9 * c.embed_dim * (n * (c.depth - 1) + 1)
    ),
    "Biases of the head are": lambda c, n: 2 * c.hidden_dim + c.bottleneck_dim,
    "Biases of the head, and of the prototypes, which have none, are": lambda c, n: (
        2 * c.hidden_dim + c.bottleneck_dim + c.out_dim
    ),
    "Biases of the prototypes, which have none, are": lambda c, n: c.out_dim,
    "Biases of all layers are": lambda c, n: (
        c.embed_dim * (n - 1) + 9 * c.embed_dim * n * c.depth + 2 * c.hidden_dim + c.bottleneck_dim
    ),
}


def _extra(got: Sequence[float], cases: Sequence[TrainConfig]) -> str | None:
    """What is counted though it is no matrix product, so many operations a number."""
    ways = itertools.product(EXTRAS.items(), (3, 1), (3, 2), (True, False))
    for (words, numbers), student, images, local_too in ways:
        each = []
        for g, c in zip(got, cases, strict=True):
            of_globals, of_locals = (
                numbers(c, (size // c.patch_size) ** 2 + 1)
                for size in (c.global_size, c.local_size)
            )
            made = 2 * (student + 1) * of_globals
            made += student * c.n_local * of_locals if local_too else 0
            each.append(round((g - _flops(c, images=images)) / made if made else 0, 4))
        each = [times for times in each if times]  # a network may have none of it
        if len(each) > 2 and len(set(each)) == 1 and each[0] > 0:
            of = "" if local_too else " of the global views"
            return (
                f"{words} counted{of}, with {each[0]:g} operations a number. Only matrix products "
                "are."
            )
    return None


def _of(changes: dict) -> Callable[[TrainConfig], float]:
    return lambda c: _flops(c, **changes)


def _two_mistakes() -> Iterator[tuple[str, Callable[[TrainConfig], float]]]:
    """One mistake beside a projection that counts as it should, and every two."""
    first = sorted(CHANGES.items(), key=lambda change: change[1] != dict(last="full"))
    for message, change in first:
        yield message, _of(change | {"images": 2})
    for (a, of_a), (b, of_b) in itertools.combinations(first, 2):
        if not set(of_a) & set(of_b):  # of two different parts
            for images in (3, 2):
                yield f"Two things. {a} {b}", _of(of_a | of_b | {"images": images})


# Settings of which a count should follow, and by how much they are changed.
PROBES = {
    "out_dim": ("A prototype more", 1),
    "hidden_dim": ("A number more in the head's hidden layers", 1),
    "bottleneck_dim": ("A number more in the head's bottleneck", 1),
    "n_local": ("A local view more", 1),
    "depth": ("A block more", 1),
    "num_heads": ("Twice as many heads", None),
    "batch_size": ("An image more in the batch", 1),
    "image_size": ("A pixel more of image_size", 1),
}


def _where(step_flops: Callable, c: TrainConfig) -> str:
    """Which settings the count follows as it should, and which not."""
    fits, fails = [], []
    for name, (words, more) in PROBES.items():
        now = getattr(c, name)
        other = replace(c, **{name: now + more if more else 2 * now})
        adds = step_flops(other) - step_flops(c)
        right = _flops(other) - _flops(c)
        if abs(adds - right) <= 1e-6 * max(1.0, abs(right)):
            fits.append(name)
        else:
            fails.append(f"{words} ({name}) adds {adds:,.0f} and should add {right:,.0f}.")
    fit = f"Your count follows {', '.join(fits)} as it should." if fits else ""
    return " ".join([*fails[:3], fit])


@check("12.4", "the FLOPs of a step")
def check_12_4(step_flops):
    things = recipe("things")
    two = replace(things, depth=2, num_heads=4, out_dim=64, hidden_dim=48, n_local=3)
    wide = replace(two, global_size=54, local_size=24, bottleneck_dim=32, batch_size=16, depth=5)
    alone = replace(wide, n_local=0, embed_dim=72, num_heads=3, eval_size=48, patch_size=3)
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
    cases = [(things,), (two,), (wide,), (alone,), (small,)]

    @functools.wraps(step_flops)
    def count(config: TrainConfig) -> float:
        got = call(step_flops, config)
        if isinstance(got, Tensor) and got.ndim == 0:
            got = got.item()
        expect(
            isinstance(got, Real) and not isinstance(got, bool),
            f"The result should be a plain number; yours is a {type(got).__name__}.",
        )
        return float(got)

    def want(config: TrainConfig) -> float:
        return by_hand if config == small else _counted_flops(config)[0]

    def exact(config: TrainConfig) -> float:
        return by_hand - of_images if config == small else _counted_flops(config)[1]

    results = [outcome(count, case) for case in cases]
    if all(same(got, exact(*case), 1e-6) for got, case in zip(results, cases, strict=True)):
        return
    known = {message: _of(change) for message, change in CHANGES.items()}
    try:
        compare(count, cases, want, known, tolerance=1e-6)
    except Wrong as error:
        if str(error) in known or not all(isinstance(got, float) for got in results):
            raise
        configs = [case for (case,) in cases]
        if message := _extra(results, configs) or agreeing(results, cases, _two_mistakes(), 1e-6):
            raise Wrong(message) from None
        right = want(things)
        raise Wrong(
            f"For the things recipe you count {results[0]:,.0f} operations an image, that is "
            f"{results[0] / right:.3f} times the {right:,} that there are. "
            f"{_where(count, things)}"
        ) from None
