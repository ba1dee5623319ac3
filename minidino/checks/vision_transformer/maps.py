"""2.6: the attention of [CLS], folded into the grid."""

import torch
from torch import Tensor

from minidino.checks.compare import compare, right_where, shaped, unsteady
from minidino.checks.core import check, close, expect_any_device, expect_dtype


def _maps(a: Tensor, h: int, w: int) -> Tensor:
    """Patch by patch."""
    return torch.stack(
        [
            torch.stack([a[:, :, 0, 1 + i * w + j] for j in range(w)], dim=-1) for i in range(h)
        ],
        dim=-2,
    )  # fmt: skip


def _of(row):
    """The map made of another row than [CLS]'s."""
    return lambda a, h, w: row(a).unflatten(-1, (h, w))


def _share(a: Tensor) -> Tensor:
    return a[:, :, 0, 1:]


def _kept(r: Tensor, mass: float) -> Tensor:
    values, order = r.sort(-1, descending=True)
    return torch.zeros_like(r).scatter(-1, order, (values.cumsum(-1) - values < mass).to(r)) > 0


def _stretched(r: Tensor, dim) -> Tensor:
    return (r - r.amin(dim, True)) / (r.amax(dim, True) - r.amin(dim, True))


SHOWING = "That is for showing; the map itself stays as it is."
ROWS = {
    "You took the column: how much each patch attends to [CLS]. The map is the row of [CLS], where "
    "it looks: index 0 of the queries, dim -2.": lambda a: a[:, :, 1:, 0],
    "You took the column of [CLS], and its own entry is left in. The map is its row, where it "
    "looks: matrices[:, :, 0, 1:].": lambda a: a[:, :, :-1, 0],
    "CLS-to-CLS is left in: your map starts with what [CLS] pays to itself, and all patches are "
    "moved on by one. Patches start at key 1.": lambda a: a[:, :, 0, :-1],
    "This is the row of a patch, the first. [CLS] is query 0.": lambda a: a[:, :, 1, 1:],
    "This is the row of a patch, the first, with [CLS]'s key left in. [CLS] is query 0, and "
    "patches start at key 1.": lambda a: a[:, :, 1, :-1],
    "This is the row of a patch, the last. [CLS] is query 0, in front.": lambda a: a[:, :, -1, 1:],
    "You took [CLS] for the last token, and its row from the end. It is token 0.": (
        lambda a: a[:, :, -1, :-1]
    ),
    "You averaged over the queries of all tokens. Only one of them is asked: [CLS], query 0.": (
        lambda a: a[:, :, :, 1:].mean(-2)
    ),
    "You averaged over the patches' queries. Only one query is asked: [CLS].": (
        lambda a: a[:, :, 1:, 1:].mean(-2)
    ),
    "You summed over the queries of all tokens. Only one of them is asked: [CLS], query 0.": (
        lambda a: a[:, :, :, 1:].sum(-2)
    ),
    "You summed over the patches' queries. Only one query is asked: [CLS].": (
        lambda a: a[:, :, 1:, 1:].sum(-2)
    ),
    "You took the largest over the queries. Only one of them is asked: [CLS], query 0.": (
        lambda a: a[:, :, :, 1:].amax(-2)
    ),
    "You averaged over the keys: how much each patch gives away. The map is one query's row: "
    "[CLS], query 0.": lambda a: a[:, :, 1:].mean(-1),
    "You took the diagonal: what each patch pays to itself. The map is the row of [CLS].": (
        lambda a: a.diagonal(dim1=-2, dim2=-1)[..., 1:]
    ),
    "You took the diagonal, [CLS]'s entry included. The map is the row of [CLS]: query 0.": (
        lambda a: a.diagonal(dim1=-2, dim2=-1)[..., :-1]
    ),
    "You averaged the row and the column of [CLS]. The row alone says where it looks.": (
        lambda a: (a[:, :, 0, 1:] + a[:, :, 1:, 0]) / 2
    ),
    "You added the row and the column of [CLS]. The row alone says where it looks.": (
        lambda a: a[:, :, 0, 1:] + a[:, :, 1:, 0]
    ),
    "You multiplied the row of [CLS] with its column. The row alone says where it looks.": (
        lambda a: a[:, :, 0, 1:] * a[:, :, 1:, 0]
    ),
    "You multiplied the matrix with itself (rollout). One block's matrix is read as it is.": (
        lambda a: (a @ a)[:, :, 0, 1:]
    ),
    "The shares are halved, as where the identity is added to the matrix (rollout). They stay as "
    "they are in it.": (lambda a: _share(a) / 2),
    "You cut the map to yes and no, at 60% of its mass. The shares themselves are asked for; masks "
    "come in notebook 09.": lambda a: _kept(_share(a), 0.6).double(),
    "You kept the shares of 60% of the mass, and set the others to 0. All are asked for; "
    "masks come in notebook 09.": lambda a: _share(a) * _kept(_share(a), 0.6),
    "You took the logarithm. The shares themselves are asked for.": lambda a: _share(a).log(),
    "You skipped two tokens, and put a 0 at the end. There is one [CLS] and nothing else in front: "
    "patches start at key 1.": lambda a: torch.nn.functional.pad(a[:, :, 0, 2:], (0, 1)),
    "You skipped two tokens, and put a 0 in front. There is one [CLS] and nothing else in front: "
    "patches start at key 1.": lambda a: torch.nn.functional.pad(a[:, :, 0, 2:], (1, 0)),
    "You moved the row round: it starts at key 2 and ends with CLS-to-CLS or with the first "
    "patch. Patches start at key 1.": lambda a: _share(a).roll(-1, -1),
    "CLS-to-CLS stands in place of the last patch. Leave it out: patches are keys 1 to N.": (
        lambda a: torch.cat([a[:, :, 0, 2:], a[:, :, 0, :1]], -1)
    ),
    "You renormalised: your maps sum to 1. Leave them; what is missing to 1 is what [CLS] pays to "
    "itself, and it differs from head to head.": (
        lambda a: _share(a) / _share(a).sum(-1, keepdim=True)
    ),
    f"You divided by each map's largest value. {SHOWING}": (
        lambda a: _share(a) / _share(a).amax(-1, keepdim=True)
    ),
    f"You divided by the largest value of all. {SHOWING}": lambda a: _share(a) / _share(a).max(),
    f"You stretched each map to 0..1. {SHOWING}": lambda a: _stretched(_share(a), -1),
    f"You stretched all maps together to 0..1. {SHOWING}": (
        lambda a: (_share(a) - _share(a).min()) / (_share(a).max() - _share(a).min())
    ),
    f"You stretched each image's maps together to 0..1. {SHOWING}": (
        lambda a: _stretched(_share(a), (1, 2))
    ),
    "You took a second softmax. The matrix already holds probabilities.": (
        lambda a: _share(a).softmax(-1)
    ),
    "You multiplied the shares by the number of patches. They stay as they are in the matrix.": (
        lambda a: _share(a) * (a.shape[-1] - 1)
    ),
    "You multiplied the shares by the number of tokens. They stay as they are in the matrix.": (
        lambda a: _share(a) * a.shape[-1]
    ),
    "You multiplied the shares by 100 (per cent). They stay as they are in the matrix.": (
        lambda a: _share(a) * 100
    ),
    "You multiplied the shares by 255. They stay as they are in the matrix.": (
        lambda a: _share(a) * 255
    ),
    "You took each map's mean away. The shares stay as they are in the matrix.": (
        lambda a: _share(a) - _share(a).mean(-1, keepdim=True)
    ),
    "You made a standard score of each map. The shares stay as they are in the matrix.": (
        lambda a: (_share(a) - _share(a).mean(-1, keepdim=True)) / _share(a).std(-1, keepdim=True)
    ),
    "You cut the map to yes and no at its mean. The shares themselves are asked for.": (
        lambda a: (_share(a) > _share(a).mean(-1, keepdim=True)).double()
    ),
    "Every head has the mean of all heads. Each keeps its own map.": (
        lambda a: _share(a).mean(1, keepdim=True).expand_as(_share(a))
    ),
}
ONE_HEAD = "You averaged the heads, or took only one. Keep them all: (B, heads, h, w)."
IN_LINE = "The patches are still in a line. Fold them into the grid: (B, heads, h, w)."
FOLDS = {
    "Rows and columns of patches are swapped: patches go row by row, so fold with (h w).": (
        lambda r, h, w: r.unflatten(-1, (w, h)).mT
    ),
    "h and w are swapped: the map has h rows of w patches.": (
        lambda r, h, w: r.unflatten(-1, (w, h))
    ),
    "The map is folded, and then transposed. It has h rows of w patches.": (
        lambda r, h, w: r.unflatten(-1, (h, w)).mT
    ),
}
TWICE = {
    f"{wrong} {words}": lambda a, h, w, row=row, fold=fold: fold(row(a), h, w)
    for wrong, row in list(ROWS.items())[:6]
    for words, fold in FOLDS.items()
}
MISTAKES = (
    {message: _of(row) for message, row in ROWS.items()}
    | TWICE
    | {words: lambda a, h, w, fold=fold: fold(_share(a), h, w) for words, fold in FOLDS.items()}
    | {
        "Row i of the map begins at patch i * w, and yours at i * h.": lambda a, h, w: torch.stack(
            [torch.stack([a[:, :, 0, 1 + i * h + j] for j in range(w)], -1) for i in range(h)], -2
        ),
        "Only the first head is there. Keep them all: (B, heads, h, w).": lambda a, h, w: _maps(
            a, h, w
        )[:, 0],
        "Only the first head is there, in its own dimension. Keep them all: (B, heads, h, w).": (
            lambda a, h, w: _maps(a, h, w)[:, :1]
        ),
        "Only the last head is there. Keep them all: (B, heads, h, w).": lambda a, h, w: _maps(
            a, h, w
        )[:, -1],
        "Only the first image is there. Keep them all: (B, heads, h, w).": lambda a, h, w: _maps(
            a, h, w
        )[0],
        "CLS-to-CLS is still there, so 1 + h*w numbers do not fold into h x w. Patches are keys 1 "
        "to N: matrices[:, :, 0, 1:].": lambda a, h, w: a[:, :, 0].reshape(*a.shape[:2], h, w),
        f"You averaged the heads. {ONE_HEAD[ONE_HEAD.index('Keep') :]}": (
            lambda a, h, w: _share(a).mean(1).unflatten(-1, (h, w))
        ),
        "The heads are the last dimension: (B, h, w, heads). They come second: (B, heads, h, w).": (
            lambda a, h, w: _maps(a, h, w).movedim(1, -1)
        ),
        "Heads and images are swapped. The result is (B, heads, h, w).": (
            lambda a, h, w: _maps(a, h, w).transpose(0, 1)
        ),
        "The heads of all images are in one list. The result is (B, heads, h, w).": (
            lambda a, h, w: _maps(a, h, w).flatten(0, 1)
        ),
        IN_LINE: lambda a, h, w: _share(a),
        "A dimension of size 1 is left, where the query stood. Index it with 0, or squeeze it: "
        "(B, heads, h, w).": lambda a, h, w: _maps(a, h, w).unsqueeze(2),
    }
)


@check("2.6", "attention maps of [CLS]")
def check_2_6(cls_maps):
    def drawn(b: int, heads: int, h: int, w: int) -> tuple:
        tokens = 1 + h * w
        return (2 * torch.randn(b, heads, tokens, tokens)).softmax(-1), h, w

    by_hand = torch.tensor([[[[0.2, 0.5, 0.3], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]]]])
    cases = [drawn(2, 3, 4, 5), drawn(4, 2, 5, 3), (by_hand, 1, 2)]

    def shape(size):
        return shaped(cases, size)

    compare(
        cls_maps,
        cases,
        _maps,
        MISTAKES,
        names="(B, heads, h, w)",
        tolerance=1e-5,
        clues={
            "Your function is right on square grids only. The map has h rows of w patches, and "
            "both are given.": right_where(
                cls_maps,
                _maps,
                cases,
                lambda a, h, w: h == w,
                [drawn(2, 3, 4, 4), drawn(1, 2, 3, 3)],
            ),
            "Your function is right for one image only. Leave the batch in: (B, heads, h, w).": (
                right_where(
                    cls_maps,
                    _maps,
                    cases,
                    lambda a, h, w: len(a) == 1,
                    [drawn(1, 3, 2, 4), drawn(1, 2, 4, 3)],
                )
            ),
            ONE_HEAD: shape(lambda a, h, w: (len(a), h, w)),
            f"{ONE_HEAD} (One map is left.)": shape(lambda a, h, w: (len(a), 1, h, w)),
            "Your index went to the heads. Dimensions are (image, head, query, key), and the query "
            "is the third: matrices[:, :, 0].": shape(lambda a, h, w: (len(a), 1 + h * w, h, w)),
            "Your index went to the heads, and every query has its line. Dimensions are (image, "
            "head, query, key), and the query is the third: matrices[:, :, 0].": shape(
                lambda a, h, w: (len(a), 1 + h * w, h * w)
            ),
            "All queries are there. One is asked: [CLS], matrices[:, :, 0].": shape(
                lambda a, h, w: (len(a), a.shape[1], h * w, h, w)
            ),
            "All queries are there, [CLS] among them. One is asked: matrices[:, :, 0].": shape(
                lambda a, h, w: (len(a), a.shape[1], 1 + h * w, h, w)
            ),
            "h and w are swapped: the map has h rows of w patches. (The numbers are not those of "
            "[CLS]'s row, either.)": shape(lambda a, h, w: (len(a), a.shape[1], w, h)),
            f"{IN_LINE} (The numbers are not those of [CLS]'s row, either.)": shape(
                lambda a, h, w: (len(a), a.shape[1], h * w)
            ),
            "CLS-to-CLS is left in, and the patches are in a line. Drop entry 0 and fold the rest "
            "into (B, heads, h, w).": shape(lambda a, h, w: (len(a), a.shape[1], 1 + h * w)),
            "All shares of [CLS]'s row are there, in another order. Patches go row by row, h rows "
            "of w.": lambda got: all(
                isinstance(g, Tensor)
                and g.ndim == 4
                and close(g.flatten(2).sort(-1).values, _share(a).sort(-1).values)
                for g, (a, *_) in zip(got, cases, strict=True)
            ),
            "The maps are enlarged. One number a patch is asked for: (B, heads, h, w).": (
                lambda got: all(
                    isinstance(g, Tensor)
                    and g.ndim == 4
                    and g.shape[2] > h
                    and g.shape[2] * w == g.shape[3] * h
                    for g, (_, h, w) in zip(got, cases, strict=True)
                )
            ),
            "The same matrix gives other maps the second time. Nothing is left to chance.": (
                unsteady(cls_maps, cases[0])
            ),
        },
    )
    expect_any_device(cls_maps, *cases[0])
    expect_dtype(cls_maps, *cases[0], both=True)
