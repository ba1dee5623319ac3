"""2.2: [CLS] in front, and a position for every token."""

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare, right_where, shaped, unsteady
from minidino.checks.core import (
    call,
    check,
    close,
    expect_any_device,
    expect_dtype,
    expect_gradient,
)


def _all(x: Tensor, c: Tensor) -> Tensor:
    """[CLS] (1, 1, D) for each image."""
    return c.repeat(len(x), 1, 1)


def _front(x: Tensor, c: Tensor) -> Tensor:
    return torch.cat([_all(x, c), x], dim=1)


def _tokens(x: Tensor, c: Tensor, e: Tensor) -> Tensor:
    """Token by token."""
    cls = (c[:, 0] + e[:, 0]).repeat(len(x), 1)
    return torch.stack([cls, *(x[:, i] + e[:, i + 1] for i in range(x.shape[1]))], dim=1)


ONE_CLS = (
    "[CLS] is one vector, (1, 1, D), and cat repeats nothing. Make B of it along the *images*, "
    "dim 0: cls_token.expand(B, -1, -1)."
)
ROOT = "The tokens are scaled by sqrt(D), as in the transformer of 2017"
NORM = "No norm belongs here; each block has its own."
# patches (B, N, D), [CLS] (1, 1, D), positions (1, 1 + N, D)
MISTAKES = {
    # where [CLS] stands
    "You appended [CLS] at the end. It is token 0, and position 0 is its own: everything after "
    "this reads x[:, 0].": lambda x, c, e: torch.cat([x, _all(x, c)], 1) + e,
    "[CLS] is at the end, with its own position. It goes in front: everything after this reads "
    "x[:, 0].": lambda x, c, e: torch.cat([x + e[:, 1:], _all(x, c) + e[:, :1]], 1),
    "[CLS] takes the place of the first patch. It is one token more: 1 + N.": lambda x, c, e: (
        _front(x[:, 1:], c) + e[:, :-1]
    ),
    "[CLS] takes the place of the first patch, whose position is left out. It is one token more: "
    "1 + N.": lambda x, c, e: torch.cat([_all(x, c) + e[:, :1], x[:, 1:] + e[:, 2:]], 1),
    "You added [CLS] to every patch as well. It is a token of its own, in front, and stays out of "
    "the others.": lambda x, c, e: _front(x + c, c) + e,
    "You added [CLS] to every patch, and put none in front: N tokens come out, not 1 + N.": (
        lambda x, c, e: x + c + e[:, 1:]
    ),
    "The [CLS] token is missing: N patch tokens go in, 1 + N tokens come out.": (
        lambda x, c, e: x + e[:, 1:]
    ),
    "The [CLS] token is missing, and the patches have its position and each other's: N patch "
    "tokens go in, 1 + N tokens come out.": lambda x, c, e: x + e[:, :-1],
    "Token 0 holds only its position, not the [CLS] token. Both are learned, and both are added.": (
        lambda x, c, e: _front(x, 0 * c) + e
    ),
    "Token 0 is 1 before its position is added, not the [CLS] token that you were given.": (
        lambda x, c, e: _front(x, 0 * c + 1) + e
    ),
    "Token 0 is the mean of the patches. [CLS] is a learned vector, the same for every image: "
    "cls_token.": lambda x, c, e: torch.cat([x.mean(1, keepdim=True), x], 1) + e,
    "Token 0 is [CLS] plus the mean of the patches. It is cls_token, the same for every image.": (
        lambda x, c, e: torch.cat([c + x.mean(1, keepdim=True), x], 1) + e
    ),
    "Only the first image has its [CLS] token. All B images have the same one: "
    "cls_token.expand(B, -1, -1).": lambda x, c, e: (
        torch.cat([_all(x, c) * (torch.arange(len(x)) == 0).view(-1, 1, 1), x], 1) + e
    ),
    ONE_CLS: lambda x, c, e: torch.cat([c, x], 1) + e,
    f"{ONE_CLS} (Your [CLS] stands last, too: it goes in front.)": (
        lambda x, c, e: torch.cat([x, c], 1) + e
    ),
    "cat joins along the width (dim 2 or -1). Tokens are dim=1: (B, N, D).": (
        lambda x, c, e: torch.cat([_all(x, c), x], -1) + e
    ),
    "cat joins along the images (dim 0). Tokens are dim=1: (B, N, D).": (
        lambda x, c, e: torch.cat([c.expand(1, x.shape[1], -1), x], 0)
    ),
    "cat joins along the images (dim 0), and positions are added. Tokens are dim=1: (B, N, D).": (
        lambda x, c, e: torch.cat([c.expand(1, x.shape[1], -1), x], 0) + e[:, 1:]
    ),
    "stack makes a new dimension. cat joins along one that is there: torch.cat([cls, patches], "
    "dim=1), with one [CLS] an image.": lambda x, c, e: torch.stack([c.expand_as(x), x], 1) + e,
    "You made a [CLS] for each patch. There is one for each image: cls_token.expand(B, 1, -1).": (
        lambda x, c, e: torch.cat([c.expand(len(x), x.shape[1], -1), x], 1) + e
    ),
    # what the positions do
    "You added the positions before [CLS] was prepended, from the first on: each patch got its "
    "neighbour's, and the first patch got [CLS]'s. Prepend first, then add all 1 + N at once.": (
        lambda x, c, e: _front(x + e[:, :-1], c)
    ),
    "You added positions to the patches only, before [CLS] was prepended. [CLS] has a position "
    "too, number 0: prepend first, then add.": lambda x, c, e: _front(x + e[:, 1:], c),
    "Position 0 is added twice: to [CLS], and to the first patch, so all patches are off by one. "
    "The patches' own start at index 1.": lambda x, c, e: torch.cat(
        [_all(x, c) + e[:, :1], x + e[:, :-1]], 1
    ),
    "The positions are left out. Attention does not know in which order its tokens come; add "
    "pos_embed.": lambda x, c, e: _front(x, c),
    "Only [CLS] got its position, the patches did not. Add all of pos_embed.": lambda x, c, e: (
        torch.cat([_all(x, c) + e[:, :1], x], 1)
    ),
    "You multiplied by the positions. They are added.": lambda x, c, e: _front(x, c) * e,
    "You took the positions away. They are added.": lambda x, c, e: _front(x, c) - e,
    "The positions are added twice. Once is enough.": lambda x, c, e: _front(x, c) + 2 * e,
    "The patches get their positions twice. Once is enough.": lambda x, c, e: (
        _front(x + e[:, 1:], c) + e
    ),
    "[CLS] gets its position twice. Once is enough.": lambda x, c, e: _front(x, c + e[:, :1]) + e,
    "Every token gets position 0, that of [CLS]. Each of the 1 + N places has its own: add all of "
    "pos_embed.": lambda x, c, e: _front(x, c) + e[:, :1],
    "Every token gets the mean of all positions. Each of the 1 + N places has its own.": (
        lambda x, c, e: _front(x, c) + e.mean(1, keepdim=True)
    ),
    "You cut the positions to as many as there are images: pos_embed[:, :B]. They belong to the "
    "tokens: add all of pos_embed.": lambda x, c, e: _front(x, c) + e[:, : len(x)],
    "The positions are shifted: [CLS] has the second, and the last token the first. Position 0 "
    "belongs to [CLS].": lambda x, c, e: _front(x, c) + e.roll(-1, 1),
    "The positions are shifted: [CLS] has the last, and each patch that of the token before. "
    "Position 0 belongs to [CLS].": lambda x, c, e: _front(x, c) + e.roll(1, 1),
    "The positions run backwards. The first belongs to [CLS].": lambda x, c, e: (
        _front(x, c) + e.flip(1)
    ),
    "You put tokens and positions side by side (concatenated). Positions are added, so that a "
    "token stays D wide.": lambda x, c, e: torch.cat([_front(x, c), e.expand(len(x), -1, -1)], -1),
    "You set the positions behind the tokens, as further tokens. They are added.": (
        lambda x, c, e: torch.cat([_front(x, c), e.expand(len(x), -1, -1)], 1)
    ),
    "Tokens without positions come out: N patch positions were added to the 1 + N tokens.": (
        lambda x, c, e: _front(x, c) + e[:, 1:]
    ),
    "All of pos_embed, 1 + N, is added to the N patches, before [CLS] is there. Prepend [CLS] "
    "first.": lambda x, c, e: x + e,
    # what else is done
    f"{ROOT}. A ViT adds positions to them as they are.": lambda x, c, e: (
        _front(x, c) * x.shape[-1] ** 0.5 + e
    ),
    f"{ROOT}, the patches alone. A ViT adds positions to them as they are.": lambda x, c, e: (
        _front(x * x.shape[-1] ** 0.5, c) + e
    ),
    "The sum is scaled by sqrt(D). It stays as it is.": lambda x, c, e: (
        _tokens(x, c, e) * x.shape[-1] ** 0.5
    ),
    "The positions are scaled by 1/sqrt(D). They are added as they are.": lambda x, c, e: (
        _front(x, c) + e / x.shape[-1] ** 0.5
    ),
    "You took the mean of tokens and positions. They are added.": lambda x, c, e: (
        _tokens(x, c, e) / 2
    ),
    f"A layer norm is applied at the end. {NORM}": lambda x, c, e: F.layer_norm(
        _tokens(x, c, e), x.shape[-1:]
    ),
    f"A layer norm is applied before positions are added. {NORM}": lambda x, c, e: (
        F.layer_norm(_front(x, c), x.shape[-1:]) + e
    ),
    "The tokens are brought to length 1. Nothing is divided here.": lambda x, c, e: F.normalize(
        _tokens(x, c, e), dim=-1
    ),
    "The patches came back as they were: neither [CLS] nor positions are in them.": (
        lambda x, c, e: x
    ),
    "This is [CLS] alone, with its position. The patches follow it.": lambda x, c, e: (
        _all(x, c) + e[:, :1]
    ),
    "This is the first image alone. All B are asked for.": lambda x, c, e: _tokens(x[:1], c, e),
    "This is the first image alone, without its batch dimension. All B are asked for.": (
        lambda x, c, e: _tokens(x, c, e)[0]
    ),
    "Images and tokens are swapped: (1 + N, B, D).": lambda x, c, e: _tokens(x, c, e).transpose(
        0, 1
    ),
}


def _case(b: int, n: int, d: int) -> tuple:
    return torch.randn(b, n, d), torch.randn(1, 1, d), torch.randn(1, 1 + n, d)


@check("2.2", "tokens")
def check_2_2(add_tokens):
    by_hand = (
        torch.tensor([[[10.0, 20.0], [30.0, 40.0]]]),
        torch.tensor([[[1.0, 2.0]]]),
        torch.tensor([[[100.0, 200.0], [300.0, 400.0], [500.0, 600.0]]]),
    )
    cases = [_case(3, 5, 4), _case(2, 6, 7), by_hand]

    def agree(holds):
        """This holds of the result, which has the right shape, in every case."""
        return lambda got: all(
            isinstance(t, Tensor)
            and t.shape == _tokens(*case).shape
            and holds(t.double(), *(part.double() for part in case))
            for t, case in zip(got, cases, strict=True)
        )

    compare(
        add_tokens,
        cases,
        _tokens,
        MISTAKES,
        names="(B, 1 + N, D)",
        clues={
            "Your function is right for one image only. Each of the B has [CLS] in front and "
            "positions added: cls_token.expand(B, -1, -1).": right_where(
                add_tokens,
                _tokens,
                cases,
                lambda x, c, e: len(x) == 1,
                [_case(1, 5, 4), _case(1, 3, 2)],
            ),
            "cat joins along the images (dim 0): more of them come out than went in. Tokens are "
            "dim=1: (B, N, D).": shaped(cases, lambda x, c, e: (1 + len(x), *x.shape[1:])),
            "The [CLS] token is missing: N patch tokens go in, 1 + N tokens come out. (The rest is "
            "not right, either.)": shaped(cases, lambda x, c, e: x.shape),
            "You put two things side by side, so that a token is 2 D wide. [CLS] is joined along "
            "the tokens, dim=1, and positions are added.": shaped(
                cases, lambda x, c, e: (len(x), e.shape[1], 2 * x.shape[2])
            ),
            "One token too many comes out. There are 1 + N: [CLS], and the patches.": shaped(
                cases, lambda x, c, e: (len(x), 1 + e.shape[1], x.shape[2])
            ),
            "The same tokens give another result the second time. Nothing here is left to chance: "
            "no dropout, and nothing drawn.": unsteady(add_tokens, cases[0]),
            "The tokens are in place, [CLS] in front. What is added to them is not pos_embed, the "
            "same for every image.": agree(
                lambda t, x, c, e: close(t - _front(x, c), (t - _front(x, c))[:1].expand_as(t))
            ),
            "Token 0 is right, [CLS] with its position. What is not right is the patches: each has "
            "its own position, from index 1.": agree(
                lambda t, x, c, e: close(t[:, 0], _tokens(x, c, e)[:, 0])
            ),
            "The patches are right, with their positions. What is not right is token 0: cls_token "
            "and position 0.": agree(lambda t, x, c, e: close(t[:, 1:], _tokens(x, c, e)[:, 1:])),
        },
    )
    sources = [t.clone().requires_grad_() for t in cases[0]]
    got = call(add_tokens, *sources)
    for source, name in zip(sources, ("the patches", "cls_token", "pos_embed"), strict=True):
        expect_gradient(
            got,
            source,
            f"No gradient reaches {name}, so it would never learn. Use the tensor itself, without "
            "detach(), .data or torch.tensor(...).",
        )
    expect_any_device(add_tokens, *cases[0])
    expect_dtype(add_tokens, *cases[0], both=True)
