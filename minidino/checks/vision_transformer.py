"""Checks of notebook 02: patches, tokens, attention, the block, positions, [CLS] maps."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from minidino.checks.core import (
    Wrong,
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_gradient,
    expect_tensor,
)


def _shape(got) -> tuple | None:
    return tuple(got.shape) if isinstance(got, Tensor) else None


# ---------------------------------------------------------------- 2.1 patchify

ROW_BY_ROW = (
    "Patches go row by row: along a row of the picture first, then down. Write (h w), h slower."
)
PATTERNS = {
    f"Your patches are in column-major order: down the picture first. {ROW_BY_ROW}": (
        "b c (h p) (w q) -> b (w h) (c p q)"
    ),
    "Rows and columns are swapped inside each patch: it lies on its side. Write (c p q): the row "
    "within the patch first, then the column.": "b c (h p) (w q) -> b (h w) (c q p)",
    f"The whole picture is transposed, patches and pixels. {ROW_BY_ROW}": (
        "b c (h p) (w q) -> b (w h) (c q p)"
    ),
    "The channels are mixed up in the patch vector: yours go pixel by pixel (p q c). Keep a "
    "channel together, (c p q), the order of a convolution's weights.": (
        "b c (h p) (w q) -> b (h w) (p q c)"
    ),
    "Your patches are combs: every patch takes each (H/p)-th pixel of the picture. Neighbouring "
    "pixels belong together: the height is (h p), p running faster.": (
        "b c (p h) (q w) -> b (h w) (c p q)"
    ),
}


@check("2.1", "patchify")
def check_2_1(patchify):
    for images in (torch.arange(24.0).view(1, 1, 4, 6), torch.randn(2, 3, 4, 6)):
        b, c, height, width = images.shape
        n = height * width // 4
        got = call(patchify, images, 2)
        # unfold makes (B, C*p*p, N) and knows nothing of einops.
        want = F.unfold(images, kernel_size=2, stride=2).transpose(1, 2)
        expect(
            _shape(got) != (b, c, n, 4),
            "You kept the channels apart. A patch is one vector, all its channels in it: (B, N, "
            "C*p*p).",
        )
        windows = rearrange(images, "b c (h p) (w q) -> b c h w p q", p=2, q=2)
        cut = (
            "You only reshaped, so a row of yours is a run of memory: pixels side by side, not a "
            "square. The axes must be moved as well (rearrange, or permute) before they are merged."
        )
        side = math.isqrt(n)
        mistakes = {
            message: rearrange(images, pattern, p=2, q=2) for message, pattern in PATTERNS.items()
        } | {
            "Your result is transposed: a row should be a patch, a column a number of it, (B, N, "
            "C*p*p).": want.transpose(1, 2),
            "You took the grid of patches for a square. This image is 4 x 6 px, so it has 2 rows "
            "of 3: h is H / p, and w is W / p.": rearrange(
                images, "b c (h p) (w q) -> b (h w) (c p q)", h=side, w=side
            ),
            cut: images.reshape(b, n, -1),
            cut + " (The windows are right; the channel has to move behind them.)": (
                windows.reshape(b, n, -1)
            ),
        }
        expect_close(got, want, mistakes, names="(B, N, C*p*p)")
    images = torch.randn(1, 3, 6, 6, requires_grad=True)
    got = call(patchify, images, 3)
    want = torch.stack(
        [images[0, :, i : i + 3, j : j + 3].flatten() for i in (0, 3) for j in (0, 3)]
    )
    expect_close(got, want[None], names="(B, N, C*p*p)", what="With patches of 3 px, the result")
    expect_gradient(got, images, "No gradient reaches the image.")
    expect_any_device(patchify, images.detach(), 3)


# ---------------------------------------------------------------- 2.2 tokens


@check("2.2", "tokens")
def check_2_2(add_tokens):
    by_hand = (
        torch.tensor([[[10.0, 20.0], [30.0, 40.0]]]),
        torch.tensor([[[1.0, 2.0]]]),
        torch.tensor([[[100.0, 200.0], [300.0, 400.0], [500.0, 600.0]]]),
    )
    wanted = torch.tensor([[[101.0, 202.0], [310.0, 420.0], [530.0, 640.0]]])
    random = (torch.randn(3, 5, 4), torch.randn(1, 1, 4), torch.randn(1, 6, 4))
    for patches, cls_token, positions in (by_hand, random):
        b, n, d = patches.shape
        got = call(add_tokens, patches, cls_token, positions)
        expect(
            _shape(got) != (b, n, d),
            "The [CLS] token is missing: N patch tokens go in, 1 + N tokens come out.",
        )
        expect(
            _shape(got) != (b, 1 + n, 2 * d),
            "You put tokens and positions side by side (concatenated). Positions are added, so "
            "that a token stays D wide.",
        )
        x, cls, pos = patches.double(), cls_token.double().expand(b, 1, d), positions.double()
        first = (torch.arange(b) == 0).view(b, 1, 1)
        want = torch.stack(
            [cls[:, 0] + pos[:, 0], *(x[:, i] + pos[:, i + 1] for i in range(n))], dim=1
        )
        if b == 1:
            want = wanted
        mistakes = {
            "You appended [CLS] at the end. It is token 0, and position 0 is its own: everything "
            "after this reads x[:, 0].": torch.cat([x, cls], 1) + pos,
            "[CLS] is at the end, with its own position. It goes in front: everything after this "
            "reads x[:, 0].": torch.cat([x + pos[:, 1:], cls + pos[:, :1]], 1),
            "You added the positions before [CLS] was prepended, from the first on: each patch "
            "got its neighbour's, and the first patch got [CLS]'s. Prepend first, then add all "
            "1 + N at once.": torch.cat([cls, x + pos[:, :-1]], 1),
            "You added positions to the patches only, before [CLS] was prepended. [CLS] has a "
            "position too, number 0: prepend first, then add.": torch.cat([cls, x + pos[:, 1:]], 1),
            "Position 0 is added twice: to [CLS], and to the first patch, so all patches are off "
            "by one. The patches' own start at index 1.": torch.cat(
                [cls + pos[:, :1], x + pos[:, :-1]], 1
            ),
            "The positions are left out. Attention does not know in which order its tokens come; "
            "add pos_embed.": torch.cat([cls, x], 1),
            "Only [CLS] got its position, the patches did not. Add all of pos_embed.": torch.cat(
                [cls + pos[:, :1], x], 1
            ),
            "You multiplied by the positions. They are added.": torch.cat([cls, x], 1) * pos,
            "Token 0 holds only its position, not the [CLS] token. Both are learned, and both "
            "are added.": torch.cat([0 * cls, x], 1) + pos,
            "You added [CLS] to every patch as well. It is a token of its own, in front, and "
            "stays out of the others.": torch.cat([cls, x + cls], 1) + pos,
            "Only the first image has its [CLS] token. All B images have the same one: "
            "cls_token.expand(B, -1, -1).": torch.cat([cls * first, x], 1) + pos,
        }
        expect_close(got, want, mistakes, names="(B, 1 + N, D)")
    sources = [t.clone().requires_grad_() for t in random]
    got = call(add_tokens, *sources)
    for source, name in zip(sources, ("the patches", "cls_token", "pos_embed"), strict=True):
        expect_gradient(
            got,
            source,
            f"No gradient reaches {name}, so it would never learn. Use the tensor itself, without "
            "detach(), .data or torch.tensor(...).",
        )
    expect_any_device(add_tokens, *random)


# ---------------------------------------------------------------- 2.3 attention


def _split(x: Tensor, heads: int) -> Tensor:
    """(B, N, D) -> (B, heads, N, d), head after head."""
    return torch.stack(x.double().chunk(heads, dim=-1), dim=1)


def _scores(q: Tensor, k: Tensor) -> Tensor:
    return torch.einsum("bhnd,bhmd->bhnm", q, k)


@check("2.3", "multi-head self-attention")
def check_2_3(attention):
    def both(*given):
        got = call(attention, *given)
        expect(
            isinstance(got, tuple | list) and len(got) == 2,
            "Return two tensors: the tokens (B, N, D), and the attention matrices "
            "(B, heads, N, N).",
        )
        b, n, d = given[0].shape
        heads, shape = given[3], _shape(got[1])
        expect(
            shape != (b, n, heads, heads),
            "Your heads attend to one another: the matrix is heads x heads for each token. Tokens "
            "must attend to tokens: move the heads in front of the tokens, (B, heads, N, d).",
        )
        expect(
            shape != (b, d // heads, n, n),
            "Heads and head width are swapped: you have d heads of `num_heads` numbers each. The "
            "width is D / num_heads.",
        )
        expect(
            shape != (b, n, n),
            "There is one matrix for all heads. Each head has its own, (B, heads, N, N); do not "
            "average them.",
        )
        return got

    # By hand, one head of width 4: a score of 2 ln 3, by sqrt(4) ln 3, so 3 : 1.
    q, k, v = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    q[0, 0, 0], k[0, 0, 0] = 2 * math.log(3), 1.0
    v[0, 0, 0], v[0, 1, 1] = 1.0, 1.0
    out, matrix = both(q, k, v, 1)
    expect(
        not (_shape(out) == (1, 1, 2, 2) and _shape(matrix) == (1, 2, 4)),
        "You returned the two the other way round: tokens first, attention matrices second.",
    )
    by_hand = torch.tensor([[[[0.75, 0.25], [0.5, 0.5]]]])
    scores = by_hand.new_tensor([[[[math.log(3), 0.0], [0.0, 0.0]]]])
    no_scale = (
        "The scale 1/sqrt(d) is missing. A sum of d products grows with sqrt(d), and the softmax "
        "would be nearly one-hot before anything is learned."
    )
    over_queries = (
        "Your softmax runs over the queries: columns sum to 1. Each query divides its attention "
        "among the keys, so each row sums to 1: dim=-1 of (..., queries, keys)."
    )
    queries_only = "Queries are compared with queries; the keys are not used: q k^T."
    mixed_keys = (
        "You mixed the keys. Keys say where to look, values what is found there: matrix @ v."
    )
    scaled_after = "You scaled after the softmax, so rows do not sum to 1. Scale the scores."
    expect_close(
        matrix,
        by_hand,
        {
            f"{no_scale} (If you do divide, then by what is 1 here, as the number of heads is.)": (
                2 * scores
            ).softmax(-1),
            queries_only: (2 * scores * math.log(3)).softmax(-1),
            "You scaled by the number of tokens. It is the head's width, 1/sqrt(d).": (
                2 * scores / 2**0.5
            ).softmax(-1),
            "All shares are 1: your softmax runs over a dimension of size 1, the images (dim 0) or "
            "the heads (dim 1). It runs over the keys, dim=-1.": torch.ones(1, 1, 2, 2),
            over_queries: scores.softmax(-2),
            "You divided by d; it is its square root. Scores have a standard deviation of "
            "sqrt(d), and dividing by that makes it 1.": (scores / 2).softmax(-1),
            "You multiplied by sqrt(d). Divide.": (4 * scores).softmax(-1),
            scaled_after: (2 * scores).softmax(-1) / 2,
            "These are the scores. The softmax over the keys is missing.": scores,
        },
        names="(B, heads, N, N)",
        what="The attention matrix",
    )
    expect_close(
        out,
        torch.tensor([[[0.75, 0.25, 0, 0], [0.5, 0.5, 0, 0]]]),
        {
            "You mixed the values with the columns of the matrix; use its rows: matrix @ v.": (
                torch.tensor([[[0.75, 0.5, 0, 0], [0.25, 0.5, 0, 0]]])
            ),
            mixed_keys: torch.tensor([[[0.75, 0, 0, 0], [0.5, 0, 0, 0]]]),
        },
        names="(B, N, D)",
        what="The first result (tokens)",
    )  # fmt: skip

    b, n, d, heads = 2, 5, 12, 3
    width = d // heads
    q, k, v = (torch.randn(b, n, d) for _ in range(3))
    sources = [t.clone().requires_grad_() for t in (q, k, v)]
    out, matrix = both(*sources, heads)
    qh, kh, vh = (_split(t, heads) for t in (q, k, v))
    raw = _scores(qh, kh)
    scores = raw / width**0.5
    want = scores.softmax(-1)
    combs = [rearrange(t.double(), "b n (d heads) -> b heads n d", heads=heads) for t in (q, k, v)]
    runs = [t.double().reshape(b, heads, n, width) for t in (q, k, v)]
    swapped = (
        "Heads and head width are swapped in the reshape: yours takes every `num_heads`-th number "
        "for a head. A head is a run of neighbours: (heads d), not (d heads)."
    )
    not_moved = (
        "You reshaped to (B, heads, N, d) in one go, which cuts up the tokens. Split the width "
        "first, (B, N, heads, d), then move the heads in front."
    )
    expect_close(
        matrix,
        want,
        {
            no_scale: raw.softmax(-1),
            over_queries: scores.softmax(-2),
            "You scaled by the full width, 1/sqrt(D). A head's score is a sum over its own "
            "d = D / num_heads numbers: 1/sqrt(d).": (raw / d**0.5).softmax(-1),
            "You scaled by the number of heads. It is the head's width, 1/sqrt(d).": (
                raw / heads**0.5
            ).softmax(-1),
            "You scaled by the number of tokens. It is the head's width, 1/sqrt(d).": (
                raw / n**0.5
            ).softmax(-1),
            "You divided by d; it is its square root.": (raw / width).softmax(-1),
            swapped: (_scores(*combs[:2]) / width**0.5).softmax(-1),
            not_moved: (_scores(*runs[:2]) / width**0.5).softmax(-1),
            "Queries and keys are swapped: this is k q^T. A row belongs to a query: "
            "q k^T.": scores.transpose(-2, -1).softmax(-1),
            queries_only: (_scores(qh, qh) / width**0.5).softmax(-1),
            "Your softmax runs over the heads (dim 1). Each query divides its attention among "
            "the keys: dim=-1.": scores.softmax(1),
            "Your softmax runs over the images (dim 0). Each query divides its attention among "
            "the keys: dim=-1.": scores.softmax(0),
            scaled_after: raw.softmax(-1) / width**0.5,
            "These are the scores. The softmax over the keys is missing.": scores,
        },
        names="(B, heads, N, N)",
        what="The attention matrix",
    )
    mixed = want @ vh  # (B, heads, N, d)
    expect_close(
        out,
        torch.cat(list(mixed.unbind(1)), dim=-1),
        {
            "The heads are merged without moving them back: yours are cut up. From "
            "(B, heads, N, d) go to (B, N, heads, d) first, then merge.": mixed.reshape(b, n, d),
            "The heads are merged number by number, (d heads). Set them side by side, (heads d), "
            "as they were split.": rearrange(mixed, "b heads n d -> b n (d heads)"),
            "You mixed the values with the columns of the matrix; use its rows: matrix @ v.": (
                torch.cat(list((want.mT @ vh).unbind(1)), dim=-1)
            ),
            "The values are split differently from queries and keys: (d heads) in place of "
            "(heads d).": torch.cat(list((want @ combs[2]).unbind(1)), dim=-1),
            mixed_keys: torch.cat(list((want @ kh).unbind(1)), dim=-1),
        },
        names="(B, N, D)",
        what="The first result (tokens)",
    )
    for source, name in zip(sources, ("queries", "keys", "values"), strict=True):
        weighted = out * torch.arange(1.0, d + 1)
        expect_gradient(weighted, source, f"No gradient reaches the {name}.")
    out, matrix = both(40 * q, 40 * k, v, heads)
    expect(
        torch.isfinite(matrix).all() and torch.isfinite(out).all(),
        "Large scores give nan: exp(1000) is beyond float32. torch.softmax takes each row's "
        "largest score away first.",
    )
    expect_any_device(attention, q, k, v, heads)


# ---------------------------------------------------------------- 2.4 the block


def _reference(block: nn.Module, x: Tensor, norm_first: bool) -> Tensor:
    """PyTorch's own transformer layer with the block's weights, in float64."""
    w = {name: p.detach().double() for name, p in block.state_dict().items()}
    dim, hidden = w["norm1.weight"].numel(), w["mlp.fc1.bias"].numel()
    layer = nn.TransformerEncoderLayer(
        dim, block.attn.num_heads, hidden, dropout=0.0, activation="gelu",
        layer_norm_eps=1e-6, batch_first=True, norm_first=norm_first, dtype=torch.float64,
    )  # fmt: skip
    renamed = {
        "self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj.": "attn.proj.",
        "linear1.": "mlp.fc1.", "linear2.": "mlp.fc2.", "norm1.": "norm1.", "norm2.": "norm2.",
    }  # fmt: skip
    layer.load_state_dict(
        {a + kind: w[b + kind] for a, b in renamed.items() for kind in ("weight", "bias")}
    )
    return layer(x.double())


@check("2.4", "the pre-norm block")
def check_2_4(Block):
    block = Block(12, 3, 2.0)
    for name in ("norm1", "attn", "norm2", "mlp"):
        expect(
            isinstance(getattr(block, name, None), nn.Module),
            f"The block has no part called {name}. Leave __init__ as it was given: released "
            "weights load by these names.",
        )
    with torch.no_grad():
        for p in block.parameters():  # fresh norms are all alike: their order would not show
            p.add_(torch.randn_like(p), alpha=0.3)
    x = 2 * torch.randn(2, 5, 12) + 1
    got = call(block, x)
    with torch.no_grad():
        n1, a, n2, m = block.norm1, block.attn, block.norm2, block.mlp
        y = x + a(n1(x))
        from_normed = n1(x) + a(n1(x))
        mistakes = {
            "This is post-norm: you normalise the sum, after each branch. DINO's ViT is pre-norm: "
            "x + attn(norm1(x)), the sum itself is left alone.": _reference(block, x, False),
            "You normalise what a branch gives out. Normalise what goes in: attn(norm1(x)).": (
                z := x + n1(a(x))
            )
            + n2(m(z)),
            "Both norms are missing. Each branch reads normalised tokens.": (z := x + a(x)) + m(z),
            "norm1 is missing before the attention.": (z := x + a(x)) + m(n2(z)),
            "norm2 is missing before the MLP.": y + m(y),
            "Both residuals are missing. A branch computes what is *added* to the tokens: "
            "x = x + ...": m(n2(a(n1(x)))),
            "The first residual is missing. The attention's result is added to the tokens: "
            "x = x + attn(norm1(x)).": (z := a(n1(x))) + m(n2(z)),
            "The second residual is missing. The MLP's result is added to the tokens: "
            "x = x + mlp(norm2(x)).": m(n2(y)),
            "The second residual starts from the wrong place: the block's input, so what the "
            "attention found is lost. Add the MLP's result to the tokens *after* "
            "attention.": x + m(n2(y)),
            "The MLP reads the block's input, beside the attention. It reads the tokens *after* "
            "the attention was added.": y + m(n2(x)),
            "The residual carries the normalised tokens. Only the branch reads norm(x); what is "
            "added to is x itself.": n2(from_normed) + m(n2(from_normed)),
            "The first residual carries the normalised tokens. Only the branch reads norm1(x); "
            "what is added to is x itself.": from_normed + m(n2(from_normed)),
            "The second residual carries the normalised tokens. Only the branch reads norm2(x); "
            "what is added to is x itself.": n2(y) + m(n2(y)),
            "You used norm1 twice. The MLP has its own, norm2.": y + m(n1(y)),
            "norm1 and norm2 are swapped; released weights would land in the wrong place.": (
                z := x + a(n2(x))
            )
            + m(n1(z)),
            "The MLP comes before the attention. First the tokens look at each other, then each "
            "is worked on by itself.": (z := x + m(n2(x))) + a(n1(z)),
            "The MLP comes before the attention, each with the other's norm. First attn(norm1(x)), "
            "then mlp(norm2(x)).": (z := x + m(n1(x))) + a(n2(z)),
            "norm2 reads what norm1 gave, not the tokens after the attention: "
            "x = x + mlp(norm2(x)).": y + m(n2(n1(x))),
            "The MLP is missing.": y,
        }
    if isinstance(got, Tensor):
        expect(
            torch.equal(got, call(block, x)),
            "The same tokens give another result the second time. Nothing in this block is left to "
            "chance: no dropout.",
        )
    expect_close(got, _reference(block, x, True), mistakes, names="(B, N, D)")
    source = x.clone().requires_grad_()
    try:
        expect_gradient(call(block, source), source, "No gradient passes through the block.")
    except RuntimeError as error:
        if "inplace" not in str(error):
            raise
        raise Wrong(
            "x += ... overwrites the tokens that a norm has read, and backward needs them again. "
            "Make a new tensor: x = x + ..."
        ) from None
    with torch.no_grad():  # both branches silenced: what is left is the residual path
        for p in (*block.attn.proj.parameters(), *block.mlp.fc2.parameters()):
            p.zero_()
        expect_close(
            call(block, x),
            x,
            what="With both branches silenced a block passes its tokens on unchanged; yours",
            tolerance=1e-6,
        )


# ---------------------------------------------------------------- 2.5 positions


def _cubic(size_in: int, size_out: int) -> Tensor:
    """Bicubic interpolation of a row as a matrix: Keys' kernel with a = -3/4, edges repeated."""
    a, matrix = -0.75, torch.zeros(size_out, size_in, dtype=torch.float64)
    for i in range(size_out):
        at = (i + 0.5) * size_in / size_out - 0.5
        for tap in range(math.floor(at) - 1, math.floor(at) + 3):
            t = abs(at - tap)
            near = (a + 2) * t**3 - (a + 3) * t**2 + 1
            far = a * (t**3 - 5 * t**2 + 8 * t - 4)
            matrix[i, min(max(tap, 0), size_in - 1)] += near if t <= 1 else far
    return matrix


@check("2.5", "interpolated positions")
def check_2_5(interpolate_positions):
    side, d = 4, 3
    # By hand: a grid that is 1 everywhere stays so at any size, and [CLS] keeps its 9.
    flat = torch.ones(1, 1 + side**2, d)
    flat[:, 0] = 9
    h, w = 3, 5
    got = call(interpolate_positions, flat, h, w)
    expect(
        _shape(got) != (1, h * w, d),
        "The [CLS] position is missing. It has no place on the grid; put it in front again, as "
        "it was.",
    )
    expect_tensor(got, (1, 1 + h * w, d), "(1, 1 + h*w, D)")

    positions = torch.randn(1, 1 + side**2, d)
    cls, patches = positions[:, :1].double(), positions[:, 1:].double()
    grid = patches.view(side, side, d)
    image = grid.permute(2, 0, 1)[None]

    def flatten(x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)

    def resized(x: Tensor, size=(h, w), **how) -> Tensor:
        return F.interpolate(x, size=size, **({"mode": "bicubic"} | how))

    def with_cls(x: Tensor) -> Tensor:
        return torch.cat([cls, x], dim=1)

    def exact(h: int, w: int) -> Tensor:
        rows, columns = _cubic(side, h), _cubic(side, w)
        new = torch.einsum("ij,kl,jld->ikd", rows, columns, grid)
        return with_cls(new.reshape(1, h * w, d))

    everything = positions.double().transpose(1, 2)
    read_as_is = patches.reshape(1, d, side, side)
    shifted = positions[:, :-1].double().view(1, side, side, d).permute(0, 3, 1, 2)
    tenth = F.interpolate(
        image, scale_factor=((h + 0.1) / side, (w + 0.1) / side), mode="bicubic"
    )  # fmt: skip
    in_line = (
        "You interpolated the whole sequence, [CLS] included, as a line. Take [CLS] off, fold the "
        "rest into its grid, and resize that in two dimensions."
    )
    permute = (
        "reshape is not permute: it keeps the order in memory, so positions and their components "
        "are mixed up. Fold (1, N, D) to (1, side, side, D), then move D to the front."
    )
    mistakes = {
        in_line: F.interpolate(everything, size=1 + h * w, mode="linear").transpose(1, 2),
        in_line + " (Nearest, or cut off at its end.)": F.interpolate(
            everything, size=1 + h * w
        ).transpose(1, 2),
        in_line + " (Bicubic along one dimension.)": resized(
            positions.double()[None], size=(1 + h * w, d)
        )[0],
        "You interpolated the patches' positions as a line. Neighbours in the picture, one below "
        "the other, are far apart there: fold them into their grid, and resize that in two "
        "dimensions.": with_cls(F.interpolate(patches.mT, size=h * w, mode="linear").mT),
        "You interpolated the [CLS] position too: it stands in the grid in place of the first "
        "patch. The patches' positions start at index 1.": with_cls(flatten(resized(shifted))),
        "You took the last position for [CLS]'s; it is the first.": torch.cat(
            [flatten(resized(shifted)), positions[:, -1:].double()], dim=1
        ),
        "The [CLS] position is at the end; it goes in front, as it was.": torch.cat(
            [flatten(resized(image)), cls], dim=1
        ),
        "The [CLS] position is lost: yours is zero. It has no place on the grid; keep it as it "
        "was.": torch.cat([0 * cls, flatten(resized(image))], dim=1),
        "h and w are swapped: you made a grid of w rows and h columns. size=(h, w).": with_cls(
            flatten(resized(image, size=(w, h)))
        ),
        "Rows and columns of the grid are swapped when you flatten it: patches go row by row, "
        "(h w).": with_cls(flatten(resized(image).mT)),
        "Rows and columns of the grid are swapped when you fold it: patches go row by row, "
        "(h w).": with_cls(flatten(resized(image.mT))),
        "This is nearest-neighbour interpolation (the default of F.interpolate): neighbours share "
        'a position. Use mode="bicubic".': with_cls(flatten(resized(image, mode="nearest"))),
        'This is bilinear interpolation. DINO uses mode="bicubic".': with_cls(
            flatten(resized(image, mode="bilinear"))
        ),
        "This is an average over areas (adaptive pooling). DINO interpolates: "
        'mode="bicubic".': with_cls(flatten(resized(image, mode="area"))),
        "You set align_corners=True, which pins the corner *centres* and stretches the rest. A "
        "patch is an area: align_corners=False.": with_cls(
            flatten(resized(image, align_corners=True))
        ),
        "You set antialias=True, which smooths when the grid shrinks (and uses another kernel). "
        "The released weights are used without.": with_cls(flatten(resized(image, antialias=True))),
        "You add 0.1 to h and w and give a scale factor, as the official code does against "
        "rounding. It shifts every position a little; size=(h, w) needs no such trick.": (
            with_cls(flatten(tenth))
        ),
        f"When folding: {permute}": with_cls(flatten(resized(read_as_is))),
        f"When flattening: {permute}": with_cls(resized(image).reshape(1, h * w, d)),
        f"At both ends: {permute}": with_cls(resized(read_as_is).reshape(1, h * w, d)),
    }
    source = positions.clone().requires_grad_()
    moved = call(interpolate_positions, source, h, w)
    expect_close(moved, exact(h, w), mistakes, names="(1, 1 + h*w, D)", tolerance=1e-5)
    by_hand = flat[:, :1].repeat(1, 1 + h * w, 1)
    by_hand[:, 1:] = 1
    expect_close(got, by_hand, what="Of a grid of ones with a [CLS] of 9, the result")
    expect_close(
        call(interpolate_positions, positions, 2, 8),
        exact(2, 8),
        {
            "From 4 x 4 to 2 x 8 you returned the positions unchanged. There are as many, but in "
            "another shape: compare h and w with the old side, not the counts.": positions
        },
        names="(1, 1 + h*w, D)",
        what="From 4 x 4 to 2 x 8, the result",
    )
    expect_close(
        call(interpolate_positions, positions, side, side),
        positions,
        names="(1, 1 + h*w, D)",
        what="At the learned size, the result",
    )
    expect_close(call(interpolate_positions, positions, 7, 6), exact(7, 6), tolerance=1e-5)
    expect_gradient(
        moved, source, "No gradient reaches pos_embed; small crops must train it as well."
    )
    (gradient,) = torch.autograd.grad(moved.sum(), source, retain_graph=True)
    expect(
        gradient.abs().sum(dim=-1).all(),
        "No gradient reaches a part of pos_embed; small crops must train [CLS]'s position and "
        "the grid.",
    )
    expect_any_device(interpolate_positions, positions, h, w)


# ---------------------------------------------------------------- 2.6 the [CLS] maps


@check("2.6", "attention maps of [CLS]")
def check_2_6(cls_maps):
    by_hand = torch.tensor([[[[0.2, 0.5, 0.3], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]]]])
    random = (3 * torch.randn(2, 3, 7, 7)).softmax(-1)
    for matrix, h, w in ((random, 2, 3), (by_hand, 1, 2)):
        b, heads, tokens, _ = matrix.shape
        n = tokens - 1
        got = call(cls_maps, matrix, h, w)
        expect(
            _shape(got) not in ((b, h, w), (b, 1, h, w)) or heads == 1,
            "You averaged the heads, or took only one. Keep them all: (B, heads, h, w).",
        )
        expect(
            _shape(got) not in ((b, tokens, h, w), (b, tokens, n)) or tokens == heads,
            "Your index went to the heads. Dimensions are (image, head, query, key), and the "
            "query is the third: matrices[:, :, 0].",
        )
        expect(
            _shape(got) != (b, heads, w, h),
            "h and w are swapped: the map has h rows of w patches.",
        )
        expect(
            _shape(got) != (b, heads, n),
            "The patches are still in a line. Fold them into the grid: (B, heads, h, w).",
        )
        expect(
            _shape(got) != (b, heads, tokens),
            "CLS-to-CLS is left in, and the patches are in a line. Drop entry 0 and fold the rest "
            "into (B, heads, h, w).",
        )
        a = matrix.double()

        def grid(x: Tensor, h=h, w=w) -> Tensor:
            return x.unflatten(-1, (h, w))

        want = grid(a[:, :, 0, 1:])
        if heads == 1:
            want = torch.tensor([[[[0.5, 0.3]]]])
        row = a[:, :, 0, 1:]
        mistakes = {
            "You took the column: how much each patch attends to [CLS]. The map is the row of "
            "[CLS], where it looks: index 0 of the queries, dim -2.": grid(a[:, :, 1:, 0]),
            "CLS-to-CLS is left in: your map starts with what [CLS] pays to itself, and all "
            "patches are moved on by one. Patches start at key 1.": grid(a[:, :, 0, :-1]),
            "This is the row of a patch, the first. [CLS] is query 0.": grid(a[:, :, 1, 1:]),
            "This is the row of a patch, the last. [CLS] is query 0, in front.": grid(
                a[:, :, -1, 1:]
            ),
            "You took [CLS] for the last token, and its row from the end. It is token 0.": grid(
                a[:, :, -1, :-1]
            ),
            "You averaged over the queries of all tokens. Only one of them is asked: [CLS], "
            "query 0.": grid(a[:, :, :, 1:].mean(-2)),
            "You averaged over the patches' queries. Only one query is asked: [CLS].": grid(
                a[:, :, 1:, 1:].mean(-2)
            ),
            "You renormalised: your maps sum to 1. Leave them; what is missing to 1 is what [CLS] "
            "pays to itself, and it differs from head to head.": grid(row / row.sum(-1, True)),
            "You divided by each map's largest value. That is for showing; the map itself stays "
            "as it is.": grid(row / row.amax(-1, True)),
            "You stretched each map to 0..1. That is for showing; the map itself stays as it "
            "is.": grid((row - row.amin(-1, True)) / (row.amax(-1, True) - row.amin(-1, True))),
            "You took a second softmax. The matrix already holds probabilities.": grid(
                row.softmax(-1)
            ),
            "Rows and columns of patches are swapped: patches go row by row, so fold with "
            "(h w).": row.unflatten(-1, (w, h)).mT,
        }
        expect_close(got, want, mistakes, names="(B, heads, h, w)")
    expect_any_device(cls_maps, random, 2, 3)
