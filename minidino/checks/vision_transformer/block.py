"""2.4: the pre-norm block, a branch at a time."""

import copy
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.checks.compare import compare, unsteady
from minidino.checks.core import Wrong, check, close, expect

PARTS = ("norm1", "attn", "norm2", "mlp")


def _reference(block: nn.Module, x: Tensor) -> Tensor:
    """PyTorch's own pre-norm transformer layer with the block's weights, in float64."""
    w = {name: p.detach().double() for name, p in block.state_dict().items()}
    dim, hidden = w["norm1.weight"].numel(), w["mlp.fc1.bias"].numel()
    layer = nn.TransformerEncoderLayer(
        dim, block.attn.num_heads, hidden, dropout=0.0, activation="gelu",
        layer_norm_eps=1e-6, batch_first=True, norm_first=True, dtype=torch.float64,
    )  # fmt: skip
    renamed = {
        "self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj.": "attn.proj.",
        "linear1.": "mlp.fc1.", "linear2.": "mlp.fc2.", "norm1.": "norm1.", "norm2.": "norm2.",
    }  # fmt: skip
    layer.load_state_dict(
        {a + kind: w[b + kind] for a, b in renamed.items() for kind in ("weight", "bias")}
    )
    return layer(x.double())


# One branch: (tokens x, its norm n, the other branch's norm o, the branch f) -> tokens. The words
# are said of "the attention" and "the MLP".
FORMS = {
    "": lambda x, n, o, f: x + f(n(x)),
    "the norm is missing before {it}. A branch reads normalised tokens.": (
        lambda x, n, o, f: x + f(x)
    ),
    "the residual of {it} is missing. A branch computes what is *added* to the tokens: "
    "x = x + ...": lambda x, n, o, f: f(n(x)),
    "{it} is post-norm: you normalise the sum, after the branch. DINO's ViT is pre-norm: "
    "x + branch(norm(x)), the sum itself is left alone.": lambda x, n, o, f: n(x + f(x)),
    "you normalise what {it} gives out. Normalise what goes in: branch(norm(x)).": (
        lambda x, n, o, f: x + n(f(x))
    ),
    "the residual past {it} carries the normalised tokens. Only the branch reads norm(x); what is "
    "added to is x itself.": lambda x, n, o, f: n(x) + f(n(x)),
    "{it} has the other branch's norm. norm1 is for the attention, norm2 for the MLP; released "
    "weights would land in the wrong place.": lambda x, n, o, f: x + f(o(x)),
    "{it} is missing, or scaled to next to nothing.": lambda x, n, o, f: x,
    "{it} is taken away where it should be added.": lambda x, n, o, f: x - f(n(x)),
    "what {it} gives is normalised once more, before it is added. The norm stands in front.": (
        lambda x, n, o, f: x + n(f(n(x)))
    ),
    "the sum after {it} is normalised once more. It is left alone.": (
        lambda x, n, o, f: n(x + f(n(x)))
    ),
}
# Less likely, and looked for in one branch, or in both alike.
RARE = {
    "{it} has neither norm nor residual. It is x + branch(norm(x)).": lambda x, n, o, f: f(x),
    "{it} is post-norm, without a residual. It is x + branch(norm(x)).": (
        lambda x, n, o, f: n(f(x))
    ),
    "the sum after {it} is normalised by the other branch's norm. It is left alone.": (
        lambda x, n, o, f: o(x + f(n(x)))
    ),
    "the sum after {it} is halved. It is left alone.": lambda x, n, o, f: (x + f(n(x))) / 2,
    "the sum after {it} is divided by sqrt(2). It is left alone.": (
        lambda x, n, o, f: (x + f(n(x))) / 2**0.5
    ),
    "the tokens are added twice to what {it} gives. Once is enough.": (
        lambda x, n, o, f: 2 * x + f(n(x))
    ),
    "{it} reads tokens that are normalised twice. Once is enough.": (
        lambda x, n, o, f: x + f(n(n(x)))
    ),
    "{it} is applied twice. Once is enough.": lambda x, n, o, f: x + f(f(n(x))),
    "{it} reads tokens that both norms have been over. It has one of its own.": (
        lambda x, n, o, f: x + f(o(n(x)))
    ),
    "{it} is multiplied with the tokens where it should be added.": lambda x, n, o, f: x * f(n(x)),
    "there is a GELU on the sum after {it}. It is left alone.": (
        lambda x, n, o, f: F.gelu(x + f(n(x)))
    ),
    "there is a GELU on what {it} gives. It is added as it is.": (
        lambda x, n, o, f: x + F.gelu(f(n(x)))
    ),
    "there is a relu on the sum after {it}. It is left alone.": (
        lambda x, n, o, f: (x + f(n(x))).relu()
    ),
    "there is a relu on what {it} gives. It is added as it is.": (
        lambda x, n, o, f: x + f(n(x)).relu()
    ),
    "the norm before {it} is not the block's own: it has no weights (F.layer_norm, or a new "
    "nn.LayerNorm in forward). Use self.norm1 and self.norm2.": (
        lambda x, n, o, f: x + f(F.layer_norm(x, x.shape[-1:]))
    ),
    "the norm before {it} is over tokens and width at once. Each token is normalised by itself: "
    "self.norm1 and self.norm2.": lambda x, n, o, f: x + f(F.layer_norm(x, x.shape[-2:])),
    "{it} reads tokens of length 1 in place of normalised ones. Use self.norm1 and self.norm2.": (
        lambda x, n, o, f: x + f(F.normalize(x, dim=-1))
    ),
    "[0] takes the first image's result of {it}, and adds it to all images. The branch returns one "
    "tensor, (B, N, D).": lambda x, n, o, f: x + f(n(x))[0],
    "only [CLS] gets what {it} gives: its result is added to all tokens. Add all of it.": (
        lambda x, n, o, f: x + f(n(x))[:, :1]
    ),
    "only [CLS] gets what {it} gives, and the patches do not. Add all of it.": (
        lambda x, n, o, f: torch.cat([(x + f(n(x)))[:, :1], x[:, 1:]], 1)
    ),
    "{it} reads the mean of all tokens. It reads each token.": (
        lambda x, n, o, f: x + f(n(x.mean(1, keepdim=True)))
    ),
    **{
        f"what {{it}} gives is scaled by {c:g} (LayerScale, or a residual weight). It is added as "
        "it is.": lambda x, n, o, f, c=c: x + c * f(n(x))
        for c in (0.01, 0.1, 0.5, 0.5**0.5, 0.9, 1 / 0.9, 2)
    },
}
IT = ("the attention", "the MLP")
TWO = "in two lines: x = x + attn(norm1(x)), then x = x + mlp(norm2(x))."
# The two branches in another order or wired otherwise: (x, n1, a, n2, m).
WIRING = {
    "Both residuals are missing. A branch computes what is *added* to the tokens: x = x + ...": (
        lambda x, n1, a, n2, m: m(n2(a(n1(x))))
    ),
    "This is post-norm: you normalise the sum, after each branch. DINO's ViT is pre-norm: "
    "x + attn(norm1(x)), the sum itself is left alone.": lambda x, n1, a, n2, m: n2(
        (z := n1(x + a(x))) + m(z)
    ),
    "You used norm1 twice. The MLP has its own, norm2.": lambda x, n1, a, n2, m: (
        (z := x + a(n1(x))) + m(n1(z))
    ),
    "norm1 and norm2 are swapped; released weights would land in the wrong place.": (
        lambda x, n1, a, n2, m: (z := x + a(n2(x))) + m(n1(z))
    ),
    "The second residual starts from the wrong place: the block's input, so what the attention "
    "found is lost. Add the MLP's result to the tokens *after* attention.": (
        lambda x, n1, a, n2, m: x + m(n2(x + a(n1(x))))
    ),
    "The MLP reads the block's input, beside the attention. It reads the tokens *after* the "
    "attention was added.": lambda x, n1, a, n2, m: x + a(n1(x)) + m(n2(x)),
    "The two branches run beside each other on one norm, norm1. The MLP reads the tokens *after* "
    "the attention was added, through norm2.": lambda x, n1, a, n2, m: x + a(n1(x)) + m(n1(x)),
    "There is no skip between the branches: the MLP reads the attention's result alone, and x is "
    f"added at the end. Write it {TWO}": lambda x, n1, a, n2, m: x + m(n2(a(n1(x)))),
    "There is no skip and no second norm between the branches: the MLP reads the attention's "
    f"result, and x is added at the end. Write it {TWO}": lambda x, n1, a, n2, m: x + m(a(n1(x))),
    "The MLP reads the attention's result alone. It reads the tokens after it was added: "
    "x = x + mlp(norm2(x)).": lambda x, n1, a, n2, m: x + a(n1(x)) + m(n2(a(n1(x)))),
    "The block's input is added again at the end. The second residual starts from the tokens after "
    "attention, and from these alone.": lambda x, n1, a, n2, m: (
        2 * x + a(n1(x)) + m(n2(x + a(n1(x))))
    ),
    "The attention is added again at the end. The second residual starts from the tokens after "
    "attention, and from these alone.": lambda x, n1, a, n2, m: (
        x + 2 * a(n1(x)) + m(n2(x + a(n1(x))))
    ),
    "norm2 reads what norm1 gave, not the tokens after the attention: x = x + mlp(norm2(x)).": (
        lambda x, n1, a, n2, m: x + a(n1(x)) + m(n2(n1(x)))
    ),
    "The MLP comes before the attention. First the tokens look at each other, then each is worked "
    "on by itself.": lambda x, n1, a, n2, m: (z := x + m(n2(x))) + a(n1(z)),
    "The MLP comes before the attention, each with the other's norm. First attn(norm1(x)), then "
    "mlp(norm2(x)).": lambda x, n1, a, n2, m: (z := x + m(n1(x))) + a(n2(z)),
    "The attention sees images and tokens swapped. Its input is (B, N, D), as x is.": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x).transpose(0, 1)).transpose(0, 1)) + m(n2(z))
    ),
    "The attention's residual carries the normalised tokens, and x comes in again at the end. The "
    f"two are added {TWO}": lambda x, n1, a, n2, m: x + m(n2((y := n1(x)) + a(y))),
    "Only [CLS] came out, (B, D). The next block reads all tokens: (B, N, D).": (
        lambda x, n1, a, n2, m: _right(x, n1, a, n2, m)[:, 0]
    ),
    "Only [CLS] came out, (B, 1, D). The next block reads all tokens: (B, N, D).": (
        lambda x, n1, a, n2, m: _right(x, n1, a, n2, m)[:, :1]
    ),
    "The mean of all tokens came out. The next block reads each of them: (B, N, D).": (
        lambda x, n1, a, n2, m: _right(x, n1, a, n2, m).mean(1)
    ),
    "The whole block is applied twice. Once is enough.": lambda x, n1, a, n2, m: (
        (y := (z := x + a(n1(x))) + m(n2(z))) + a(n1(y)) + m(n2(y + a(n1(y))))
    ),
    "A third norm, without weights, is applied at the end. The sum is left alone; the network has "
    "one norm after its last block.": lambda x, n1, a, n2, m: F.layer_norm(
        (z := x + a(n1(x))) + m(n2(z)), x.shape[-1:]
    ),
    "Both branches are added to a sum that starts from 0: x itself is missing.": (
        lambda x, n1, a, n2, m: a(n1(x)) + m(n2(x + a(n1(x))))
    ),
    "The first residual carries the normalised tokens, and the MLP reads norm1 of them. What is "
    f"added to is x itself, {TWO}": lambda x, n1, a, n2, m: (y := n1(x)) + a(y) + m(n2(y)) + 0 * x,
}


# Of FORMS, what is told of both branches at once in WIRING.
BOTH = ("the residual of {it} is missing", "{it} is post-norm: you", "the other branch's norm. n")


def _wired(first, second):
    def forward(x, n1, a, n2, m):
        return second(first(x, n1, n2, a), n2, n1, m)

    return forward


def _sentence(*parts: str) -> str:
    return " ".join(p[0].upper() + p[1:] for p in parts if p)


def _mistakes() -> dict:
    """Message -> forward(x, norm1, attn, norm2, mlp)."""
    named = {}
    right = FORMS[""]
    for (w1, f1), (w2, f2) in itertools.product(FORMS.items(), repeat=2):
        if w1 == w2 or (w1 == "" and "the other branch's norm. n" in w2):
            continue
        named[_sentence(w1.format(it=IT[0]), w2.format(it=IT[1]))] = _wired(f1, f2)
    for words, form in RARE.items():
        named[_sentence(words.format(it=IT[0]))] = _wired(form, right)
        named[_sentence(words.format(it=IT[1]))] = _wired(right, form)
    for words, form in (FORMS | RARE).items():
        if words and not any(told in words for told in BOTH):
            named[f"In both branches: {words.format(it='the branch')}"] = _wired(form, form)
    return named | WIRING


def _gradients(forward):
    """What reaches x and one weight of each part, of a loss that weighs all numbers apart."""

    def both(x: Tensor, block: nn.Module) -> tuple:
        source = x.clone().requires_grad_()
        weights = [block.norm1.weight, block.attn.qkv.weight, block.norm2.weight]
        to = [source, *weights, block.mlp.fc1.weight]
        out = forward(source, block)
        if not out.requires_grad:
            return tuple(torch.zeros_like(t) for t in to)
        loss = (out * torch.linspace(-1, 2, out.numel()).to(out.dtype).view_as(out)).sum()
        found = torch.autograd.grad(loss, to, allow_unused=True)
        return tuple(
            torch.zeros_like(t) if g is None else g for g, t in zip(found, to, strict=True)
        )

    return both


NO_GRADIENT = "so it would never learn. No detach(), no torch.no_grad(), nothing new from numbers."
CUTS = {
    f"No gradient passes through the block, {NO_GRADIENT}": (
        lambda x, n1, a, n2, m: ((z := x + a(n1(x))) + m(n2(z))).detach()
    ),
    f"No gradient comes back out of the attention, {NO_GRADIENT}": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x)).detach()) + m(n2(z))
    ),
    f"No gradient comes back out of the MLP, {NO_GRADIENT}": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x))) + m(n2(z)).detach()
    ),
    f"No gradient comes back out of either branch, {NO_GRADIENT}": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x)).detach()) + m(n2(z)).detach()
    ),
    "No gradient comes back along the residuals: both carry x.detach(). Add to x itself.": (
        lambda x, n1, a, n2, m: (z := x.detach() + a(n1(x))).detach() + m(n2(z))
    ),
    "No gradient comes back along the first residual: it carries x.detach(). Add to x itself.": (
        lambda x, n1, a, n2, m: (z := x.detach() + a(n1(x))) + m(n2(z))
    ),
    "No gradient comes back along the second residual: it carries x.detach(). Add to x itself.": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x))).detach() + m(n2(z))
    ),
    "The attention reads x.detach(): no gradient reaches the tokens before it that way.": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x.detach()))) + m(n2(z))
    ),
    "The attention reads norm1(x).detach(): norm1 would never learn.": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x).detach())) + m(n2(z))
    ),
    "The MLP reads x.detach(): no gradient reaches the attention that way.": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x))) + m(n2(z.detach()))
    ),
    "The MLP reads norm2(x).detach(): norm2 would never learn.": (
        lambda x, n1, a, n2, m: (z := x + a(n1(x))) + m(n2(z).detach())
    ),
    "Between the branches x.detach() cuts off the attention and all before it.": (
        lambda x, n1, a, n2, m: (z := (x + a(n1(x))).detach()) + m(n2(z))
    ),
}


def _right(x, n1, a, n2, m):
    return (z := x + a(n1(x))) + m(n2(z))


def _on_parts(forward):
    """As a function of (x, block), on a copy of the block in float64."""

    def called(x: Tensor, block: nn.Module) -> Tensor:
        return forward(x, *(getattr(block, part) for part in PARTS))

    return called


def _witness(cases, wide, holds):
    """A clue: in every case this holds of what went into and came out of the block's parts."""

    def watched(x: Tensor, block: nn.Module) -> bool:
        seen: dict[str, list[Tensor]] = {part: [] for part in PARTS}
        hooks = [
            getattr(block, part).register_forward_pre_hook(
                lambda _, given, part=part: seen[part].append(given[0].detach().double())
            )
            for part in PARTS
        ]
        try:
            block(x)
        finally:
            for hook in hooks:
                hook.remove()
        n1, a, n2, _ = (getattr(wide[block], part) for part in PARTS)
        x = x.double()
        middle = x + a(n1(x))
        right = {"norm1": x, "attn": n1(x), "norm2": middle, "mlp": n2(middle)}
        return holds(
            {p: len(s) for p, s in seen.items()}, {p: _one(seen[p], right[p]) for p in PARTS}
        )

    return lambda got: (
        not any(isinstance(g, Exception) for g in got) and all(watched(*case) for case in cases)
    )


def _one(seen: list[Tensor], right: Tensor) -> bool:
    return len(seen) == 1 and close(seen[0], right.detach())


# What a look at the parts tells where no known mistake agrees: (how often each was called, whether
# it was once and on the right tokens) -> bool.
LOOKS = {
    "self.attn(...) is never called, the attention as a whole.": lambda n, ok: n["attn"] == 0,
    "self.mlp(...) is never called, the MLP as a whole: its GELU is in it.": lambda n, ok: (
        n["mlp"] == 0
    ),
    "The attention is called more than once.": lambda n, ok: n["attn"] > 1,
    "The MLP is called more than once.": lambda n, ok: n["mlp"] > 1,
    "The attention does not read norm1(x), the block's input through the first norm.": (
        lambda n, ok: not ok["attn"]
    ),
    "The attention reads what it should. The tokens that norm2 reads are not "
    "x + attn(norm1(x)).": lambda n, ok: n["norm2"] and not ok["norm2"],
    "The attention reads what it should. The MLP does not read norm2 of the tokens after the "
    "attention was added.": lambda n, ok: not ok["mlp"],
    "Attention and MLP read what they should. What is wrong is the sum at the end: the tokens "
    "after attention, and to these the MLP's result.": lambda n, ok: True,
}


@check("2.4", "the pre-norm block")
def check_2_4(Block):
    cases, wide = [], {}
    for (dim, heads, ratio), (b, n) in (((12, 3, 2.0), (2, 5)), ((10, 2, 3.0), (3, 4))):
        block = Block(dim, heads, ratio)
        for name in PARTS:
            expect(
                isinstance(getattr(block, name, None), nn.Module),
                f"The block has no part called {name}. Leave __init__ as it was given: released "
                "weights load by these names.",
            )
        with torch.no_grad():
            for p in block.parameters():  # fresh norms are alike: their order would not show
                p.add_(torch.randn_like(p), alpha=0.3)
        wide[block] = copy.deepcopy(block).double()
        cases.append((2 * torch.randn(b, n, dim) + 1, block))

    def run(x: Tensor, block: nn.Module) -> Tensor:
        return block(x)

    def known(forward):
        return lambda x, block: _on_parts(forward)(x, wide[block]).detach()

    compare(
        run,
        cases,
        lambda x, block: _reference(block, x),
        {message: known(forward) for message, forward in _mistakes().items()},
        names="(B, N, D)",
        clues={
            "The same tokens give another result the second time. Nothing in this block is left to "
            "chance: no dropout, and no new layers made in forward.": unsteady(
                lambda x: cases[0][1](x.float()), cases[0][:1]
            ),
            "self.attn takes the tokens alone, and makes queries, keys and values itself: "
            "self.attn(self.norm1(x)).": lambda got: any(
                isinstance(g, TypeError) and "positional argument" in str(g) for g in got
            ),
            "self.attn and self.mlp return one tensor each, (B, N, D), and no pair.": lambda got: (
                any(isinstance(g, ValueError) and "to unpack" in str(g) for g in got)
            ),
            "One tensor is asked for, (B, N, D).": lambda got: any(
                isinstance(g, tuple | list) for g in got
            ),
            **{words: _witness(cases, wide, look) for words, look in LOOKS.items()},
        },
    )
    expect(
        all(getattr(n, "eps", 1e-6) == 1e-6 for n in (block.norm1, block.norm2)),
        "The norms have another eps than 1e-6. Leave __init__ as it was given: released weights "
        "were trained with it.",
    )
    try:
        compare(
            _gradients(run),
            cases,
            lambda x, block: _gradients(_on_parts(_right))(x, wide[block]),
            {
                message: lambda x, block, f=forward: _gradients(_on_parts(f))(x, wide[block])
                for message, forward in CUTS.items()
            },
            what="The result is right, but the gradient (of x, norm1, attn, norm2, mlp)",
        )
    except RuntimeError as error:
        if "inplace" not in str(error):
            raise
        raise Wrong(
            "x += ... overwrites the tokens that a norm has read, and backward needs them again. "
            "Make a new tensor: x = x + ..."
        ) from None
