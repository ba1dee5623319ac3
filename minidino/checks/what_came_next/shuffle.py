"""Exercise 13.6, MAE's shuffle and unshuffle: tells apart who is kept, what the encoder sees,
where its answers are put back, and what the mask says.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare, unsteady
from minidino.checks.core import check, expect, expect_dtype
from minidino.checks.mistakes import Table


class Encoder(nn.Module):
    """(B, n, D) -> (B, n, D); each answer depends on all tokens, and not on their order."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = (x @ self.weight.to(x.dtype)).tanh()
        return x + 0.8 * x.sum(1, keepdim=True) / x.shape[1] + 0.1 * x.shape[1]


def _keep(noise: Tensor, keep: int) -> Tensor:
    """(B, keep) numbers of the tokens that stay."""
    return noise.argsort(1)[:, :keep]


def _pick(tokens: Tensor, at: Tensor) -> Tensor:
    return tokens[torch.arange(len(tokens))[:, None], at]


def _put(seen: Tensor, at: Tensor, token: Tensor, n: int) -> Tensor:
    """(B, n, D): the encoder's answers where their tokens stood, the mask token elsewhere."""
    full = token.to(seen.dtype).expand(len(seen), n, -1).clone()
    full[torch.arange(len(seen))[:, None], at] = seen
    return full


def _removed(at: Tensor, noise: Tensor) -> Tensor:
    return torch.ones_like(noise).scatter(1, at, 0.0)


def _encoded(encoder: Callable, picked: Tensor) -> Tensor:
    return encoder(picked)


def _round(
    keep=_keep, picked=_pick, encoded=_encoded, put=_put, mask=_removed
) -> Callable:  # fmt: skip
    def answer(tokens, noise, n_keep, encoder, token):
        at = keep(noise, n_keep)
        seen = encoded(encoder, picked(tokens, at))
        return put(seen, at, token, tokens.shape[1]), mask(at, noise)

    return answer


SMALLEST = "The `keep` tokens with the smallest noise stay: argsort, then the first `keep`."
KEEP: dict[str, Callable] = {
    f"The tokens with the *largest* noise stay. {SMALLEST}": (
        lambda noise, keep: noise.argsort(1, descending=True)[:, :keep]
    ),
    f"The numbers of kept and removed are swapped: `keep` tokens are removed. {SMALLEST}": (
        lambda noise, keep: noise.argsort(1)[:, : noise.shape[1] - keep]
    ),
    f"The `keep` tokens with the smallest noise are *removed*, and the others stay. {SMALLEST}": (
        lambda noise, keep: noise.argsort(1)[:, keep:]
    ),
    f"The first `keep` tokens stay, and the noise is not used. {SMALLEST}": (
        lambda noise, keep: torch.arange(keep).expand(len(noise), -1)
    ),
    f"All images keep the tokens of the first: one draw for the whole batch. {SMALLEST}": (
        lambda noise, keep: noise.argsort(1)[:1, :keep].expand(len(noise), -1)
    ),
    "Tokens are chosen by their *rank* (argsort of argsort): that is for putting back. The first "
    "`keep` numbers of the plain argsort say who stays.": (
        lambda noise, keep: noise.argsort(1).argsort(1)[:, :keep]
    ),
    f"One token too many stays. {SMALLEST}": lambda noise, keep: noise.argsort(1)[:, : keep + 1],
    f"One token too few stays. {SMALLEST}": lambda noise, keep: noise.argsort(1)[:, : keep - 1],
    f"The noise is sorted over the batch (dim=0), each image's first places. {SMALLEST}": (
        lambda noise, keep: noise.argsort(0)[:, :keep]
    ),
    f"The token with the smallest noise is left out (an index that begins at 1). {SMALLEST}": (
        lambda noise, keep: noise.argsort(1)[:, 1 : keep + 1]
    ),
    "A quarter stays, whatever `keep` is.": (
        lambda noise, keep: noise.argsort(1)[:, : noise.shape[1] // 4]
    ),
}
PICKED: dict[str, Callable] = {
    "gather took one channel for all: the index has one number a token, and a channel's worth of "
    "it, (B, keep, D), is needed. ids[..., None].expand(-1, -1, D).": (
        lambda x, at: x.gather(1, at[..., None]).expand(-1, -1, x.shape[-1])
    ),
    "The kept tokens are those of the first image. Each image keeps its own.": (
        lambda x, at: x[0][at]
    ),
    "The encoder is given the tokens in their first places, not those that are kept.": (
        lambda x, at: x[:, : at.shape[1]]
    ),
}
ENCODER = "It sees the kept tokens alone, (B, keep, D): that is why MAE is cheap."
PUT: dict[str, Callable] = {
    "Nothing is put back: the encoder's answers come first and mask tokens behind them, in the "
    "shuffled order. Sort them back with argsort(ids_shuffle).": lambda seen, at, token, n: (
        torch.cat([seen, token.to(seen.dtype).expand(len(seen), n - seen.shape[1], -1)], 1)
    ),
    "Nothing is put back, and the mask tokens come first. Sort them back with "
    "argsort(ids_shuffle).": lambda seen, at, token, n: torch.cat(
        [token.to(seen.dtype).expand(len(seen), n - seen.shape[1], -1), seen], 1
    ),
    "Removed places hold 0. The mask token stands there: it is learned.": (
        lambda seen, at, token, n: _put(seen, at, 0 * token, n)
    ),
    "The mask token is added to the encoder's answers as well. It stands in removed places only.": (
        lambda seen, at, token, n: _put(seen + token.to(seen.dtype), at, token, n)
    ),
    "Kept and removed places are exchanged when they are put together: the mask token stands "
    "everywhere.": lambda seen, at, token, n: _put(0 * seen + token.to(seen.dtype), at, token, n),
    "Answers are put back in the order of their places, though they came in that of the noise.": (
        lambda seen, at, token, n: _put(seen, at.sort(1).values, token, n)
    ),
    "The encoder's answers alone came back. The decoder gets all places: mask tokens where "
    "something was removed.": lambda seen, at, token, n: torch.Size(seen.shape),
}
MASKS: dict[str, Callable] = {
    "The mask is turned round: 1 says *kept* with you. 1 is removed, since the loss is over what "
    "was removed.": lambda at, noise: torch.zeros_like(noise).scatter(1, at, 1.0),
    "The mask is in the shuffled order: 0 for the first `keep`, 1 for the rest. It is put back to "
    "the tokens' places, like the tokens.": (
        lambda at, noise: torch.ones_like(noise).index_fill(1, torch.arange(at.shape[1]), 0.0)
    ),
    "The mask is in the shuffled order, and turned round. It belongs to the tokens' places, and 1 "
    "is removed.": (
        lambda at, noise: torch.zeros_like(noise).index_fill(1, torch.arange(at.shape[1]), 1.0)
    ),
    "The mask is shuffled once more in place of being put back: gather it by ids_restore, as the "
    "tokens.": lambda at, noise: (
        torch.ones_like(noise)
        .index_fill(1, torch.arange(at.shape[1]), 0.0)
        .gather(1, noise.argsort(1))
    ),
    "The mask is that of the first image. Each has its own.": (
        lambda at, noise: _removed(at, noise)[:1].expand_as(noise)
    ),
    "The mask is 1 everywhere.": lambda at, noise: torch.ones_like(noise),
    "The mask is 0 everywhere.": lambda at, noise: torch.zeros_like(noise),
    "The second result holds numbers of the kept tokens. A mask is asked for, (B, N): 1 where a "
    "token was removed.": lambda at, noise: torch.Size(at.shape),
    "The second result is ids_restore, each token's rank. A mask is asked for: 1 where a token was "
    "removed.": lambda at, noise: noise.argsort(1).argsort(1).to(noise.dtype),
    "The second result is ids_shuffle, the plain argsort. A mask is asked for: 1 where a token was "
    "removed.": lambda at, noise: noise.argsort(1).to(noise.dtype),
    "The mask has a dimension too many, (B, N, 1). (B, N) is asked for.": (
        lambda at, noise: torch.Size((*noise.shape, 1))
    ),
}


def _unshuffled_by(order: Callable, behind: bool = True) -> Callable:
    """The answers with mask tokens behind them (or in front), sorted by ``order`` of the noise."""

    def answer(tokens, noise, keep, encoder, token):
        n = tokens.shape[1]
        at = _keep(noise, keep)
        seen = encoder(_pick(tokens, at))
        line = [seen, token.to(seen.dtype).expand(len(seen), n - keep, -1)]
        line = torch.cat(line if behind else line[::-1], 1)
        return _pick(line, order(noise)), _removed(at, noise)

    return answer


def _sees_all(tokens, noise, keep, encoder, token) -> tuple[Tensor, Tensor]:
    at = _keep(noise, keep)
    return _put(_pick(encoder(tokens), at), at, token, tokens.shape[1]), _removed(at, noise)


def _sees_tokens(tokens, noise, keep, encoder, token) -> tuple[Tensor, Tensor]:
    at = _keep(noise, keep)
    return encoder(_put(_pick(tokens, at), at, token, tokens.shape[1])), _removed(at, noise)


def _inverse(noise: Tensor) -> Tensor:
    return noise.argsort(1).argsort(1)


DRAWN = (
    "The result is another one each time: you draw noise of your own. It is an argument, and "
    "decides who stays."
)
RESTORE = (
    "The way back is the inverse: ids_restore = argsort(ids_shuffle), which says for each place "
    "where its token went."
)


def _mistakes() -> Table:
    table = {m: _round(keep=piece) for m, piece in KEEP.items()}
    table |= {m: _round(picked=piece) for m, piece in PICKED.items()}
    table |= {m: _round(put=piece) for m, piece in PUT.items()}
    table |= {m: _round(mask=piece) for m, piece in MASKS.items()}
    right = _round()
    return table | {
        f"The tokens are shuffled once more where they should be put back. {RESTORE}": (
            _unshuffled_by(lambda noise: noise.argsort(1))
        ),
        f"The tokens are put back backwards. {RESTORE}": _unshuffled_by(
            lambda noise: _inverse(noise).flip(1)
        ),
        "The mask tokens are put in front of the encoder's answers before all are put back. The "
        "kept ones came first in the shuffled order, so mask tokens stand behind.": _unshuffled_by(
            _inverse, behind=False
        ),
        f"All images are put back by the first image's order. {RESTORE}": _unshuffled_by(
            lambda noise: _inverse(noise)[:1].expand_as(noise)
        ),
        f"The encoder sees all tokens, and its answers are dropped afterwards. {ENCODER}": (
            _sees_all
        ),
        f"The encoder sees mask tokens in the place of removed ones, as in BERT and iBOT. "
        f"{ENCODER}": _sees_tokens,
        "The encoder is not asked: the kept tokens themselves come back.": _round(
            encoded=lambda encoder, x: x
        ),
        "The encoder is asked twice.": _round(encoded=lambda encoder, x: encoder(encoder(x))),
        "The encoder sees one image at a time and only its own first; or the batch's mean. Give it "
        "(B, keep, D).": _round(
            encoded=lambda encoder, x: encoder(x.mean(0, keepdim=True)).expand(len(x), -1, -1)
        ),
        "The encoder sees all kept tokens of the batch as one picture. (B, keep, D).": _round(
            encoded=lambda encoder, x: encoder(x.flatten(0, 1)[None]).view_as(x)
        ),
        "The removed tokens themselves come back in their places: the decoder would be told what "
        "it is to guess. The mask token stands there.": lambda x, noise, keep, encoder, token: (
            torch.where(right(x, noise, keep, encoder, token)[1][..., None] > 0, x,
                        right(x, noise, keep, encoder, token)[0]),
            right(x, noise, keep, encoder, token)[1],
        ),
        "The two results are swapped: first the tokens for the decoder, then the mask.": (
            lambda *case: right(*case)[::-1]
        ),
        "The tokens alone came back. Return two things: tokens and mask.": (
            lambda *case: right(*case)[0]
        ),
    }  # fmt: skip


def _case(batch: int, n: int, keep: int, dim: int) -> tuple:
    noise = torch.stack([torch.randperm(n) for _ in range(batch)]).float() / n
    noise += 0.01 + 0.2 * torch.rand(batch, 1)
    return torch.randn(batch, n, dim), noise, keep, Encoder(dim), torch.randn(dim)


@check("13.6", "MAE's shuffle and unshuffle")
def check_13_6(mask_and_restore):
    @functools.wraps(mask_and_restore)
    def ask(*case):
        got = mask_and_restore(*case)
        return tuple(got) if isinstance(got, list) else got

    cases = [_case(3, 8, 3, 4), _case(2, 12, 5, 3), _case(4, 9, 2, 5)]
    # By hand: the second and the third token stay, and the encoder gives back what it gets.
    small = (
        torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]),
        torch.tensor([[0.9, 0.2, 0.1, 0.4]]),
        2,
        nn.Identity(),
        torch.tensor([-1.0]),
    )
    names = "(B, N, D), (B, N)"
    drawn = {DRAWN: unsteady(ask, cases[0])}
    compare(ask, [*cases, small], _round(), _mistakes(), names, "What you return", clues=drawn)
    tokens, noise, keep, encoder, token = cases[0]
    token = token.clone().requires_grad_()
    full, _ = mask_and_restore(tokens, noise, keep, encoder, token)
    expect(
        full.requires_grad,
        "No gradient flows back from what you return: it is detached, or computed under no_grad. "
        "Encoder and mask token learn by it.",
    )
    learns = [*encoder.parameters(), token]
    (of_encoder, of_token) = torch.autograd.grad(full.square().sum(), learns, allow_unused=True)
    expect(
        of_encoder is not None and bool(of_encoder.any()),
        "No gradient reaches the encoder. Its answers go into the result as they are.",
    )
    expect(
        of_token is not None and bool(of_token.any()),
        "No gradient reaches the mask token. It is learned: put it in as it is, not its values.",
    )
    wide = [a.double() if isinstance(a, Tensor) else a for a in cases[1]]
    expect_dtype(lambda x: ask(x, *wide[1:])[0], cases[1][0])
