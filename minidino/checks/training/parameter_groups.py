"""Exercise 7.1, who decays: tells apart groups that leave parameters out, or hold frozen ones, and
those that go by a name or a kind of layer instead of the number of dimensions.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, expect
from minidino.checks.training.common import SMALL
from minidino.trainer import Network

DECAY = 0.5
DECAYS, PLAIN, NOWHERE = 0, 1, -1


class Odd(nn.Module):
    """Parameters of its own, of up to 4 dimensions; a tied one; names that mislead."""

    def __init__(self, frozen: bool, scalar: bool = False):
        super().__init__()
        if scalar:
            self.scale = nn.Parameter(torch.tensor(1.0))
        self.mixer = nn.Parameter(torch.randn(2, 3, 4))
        self.gain = nn.Parameter(torch.ones(7))
        self.norm_table = nn.Parameter(torch.randn(3, 40))
        self.words = nn.Embedding(6, 4)
        self.conv = nn.Conv2d(3, 5, 2)
        self.mid = nn.BatchNorm2d(5)
        self.groups = nn.GroupNorm(1, 5)
        self.wide = nn.Sequential(nn.Linear(5, 300), nn.LayerNorm(300), nn.Linear(300, 4, False))
        self.out = nn.Linear(4, 6)
        self.out.weight = self.words.weight  # one parameter with two names
        self.wide[0].bias.requires_grad_(not frozen)
        self.norm_table.requires_grad_(not frozen)


def groups_of(answer: Callable) -> Callable[[nn.Module], Tensor]:
    """Where the answer puts each named parameter."""

    def where(model: nn.Module) -> Tensor:
        found = decay_of(answer, model)
        return _numbers(model, lambda n, p: NOWHERE if n not in found else int(not found[n]))

    where.__name__ = answer.__name__
    return where


def _numbers(model: nn.Module, where: Callable[[str, nn.Parameter], int]) -> Tensor:
    return torch.tensor([where(n, p) for n, p in model.named_parameters()])


def decay_of(answer: Callable, model: nn.Module) -> dict[str, float]:
    """Which decay AdamW gives each parameter; a parameter that it does not hold is missing."""
    asked = {n: p.requires_grad for n, p in model.named_parameters()}
    groups = call(answer, model)
    expect(
        isinstance(groups, list | tuple) and all(isinstance(g, dict) for g in groups),
        "Return a list of dicts, one for each group: an optimizer takes "
        '[{"params": [...]}, {"params": [...], "weight_decay": 0.0}].',
    )
    expect(
        len(groups) == 2,
        f"There should be two groups, yours are {len(groups)}: what decays, and what does not, "
        "also where a model has nothing for one of them. An empty list is a group, too.",
    )
    own = {id(p) for p in model.parameters()}
    for group in groups:
        expect("params" in group, 'A group needs a list under the key "params".')
        expect(
            not isinstance(group["params"], set | frozenset),
            "A group's \"params\" is a set, which has no order, and the optimizer's state goes by "
            "the order. Make it a list.",
        )
        expect(
            group.get("weight_decay", 0.0) is not None,
            '"weight_decay" is None. The second group says 0.0; the first says nothing, and takes '
            "the optimizer's.",
        )
        given = group["params"]
        listed = [given] if isinstance(given, Tensor) else list(given)
        bare = [p[1] if isinstance(p, tuple) else p for p in listed]  # AdamW takes (name, p) too
        expect(
            all(isinstance(p, nn.Parameter) for p in bare),
            'A group\'s "params" holds something else than parameters. Take the parameter itself, '
            "not its name or its .data.",
        )
        expect(
            all(id(p) in own for p in bare),
            'A group\'s "params" holds copies, and the optimizer would move these. Take the '
            "model's own parameters: no clone, no nn.Parameter(...) around them.",
        )
        expect(
            len({id(p) for p in bare}) == len(bare),
            "A parameter stands more than once in a group. model.parameters() already goes through "
            "all modules inside the model, and gives a shared one once; a loop over "
            "model.modules() around it is one too many.",
        )
        group["params"] = bare  # a generator is used up by now
    try:
        optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=DECAY)
    except ValueError as error:
        if "more than one" not in str(error):
            raise
        raise Wrong(
            "A parameter stands in both groups. Each belongs to exactly one, or it would be moved "
            "twice in every step."
        ) from None
    expect(
        all(p.requires_grad == asked[n] for n, p in model.named_parameters()),
        "You changed which parameters are trained (requires_grad). Only sort them.",
    )
    expect(
        all(group["lr"] == 0.1 for group in optimizer.param_groups),
        "A group has a learning rate of its own. It takes the optimizer's, which has a schedule; "
        'the second group says "weight_decay": 0.0, and that is all.',
    )
    found = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    for decay in found.values():
        expect(
            decay in (0, DECAY),
            f"A group has a weight decay of its own, {decay:g}. The first says nothing and takes "
            "the optimizer's; the second says 0.0.",
        )
    return {n: found[id(p)] for n, p in model.named_parameters() if id(p) in found}


def _sorted(
    decays: Callable[[str, nn.Parameter], bool | None] = lambda n, p: p.ndim > 1,
    taken: Callable[[str, nn.Parameter], bool] = lambda n, p: p.requires_grad,
) -> Callable[[nn.Module], Tensor]:
    """``decays`` may be None: in neither group."""

    def where(n: str, p: nn.Parameter) -> int:
        into = decays(n, p) if taken(n, p) else None
        return NOWHERE if into is None else DECAYS if into else PLAIN

    return lambda model: _numbers(model, where)


def _of_kinds(*kinds: type, biases: bool = True) -> Callable[[nn.Module], Tensor]:
    """Norms by their type and biases by their name are spared."""

    def sort(model: nn.Module) -> Tensor:
        norms = {id(p) for m in model.modules() if isinstance(m, kinds) for p in m.parameters()}
        return _sorted(lambda n, p: id(p) not in norms and not (biases and n.endswith("bias")))(
            model
        )

    return sort


def _an_embedding(n: str) -> bool:
    return n.endswith(("cls_token", "pos_embed"))


BY_TYPE = (
    "You went by the type of the layers and the name of the biases. A parameter of one dimension, "
    "or of none, may lie anywhere: in a norm of another kind, or in a module of your own. Go by "
    "p.ndim. "
)
BY_NAME = "You went by names, and a name may be anything. Go by the number of dimensions: p.ndim. "
RULE = "The rule is p.ndim > 1: all with more than one dimension decay. "
LOST = "would never move: they are in neither group. "
MISTAKES = {
    "Weight decay is applied to norms and biases. They shift and scale, and there is nothing to "
    "hold down; give what has one dimension a group of its own, and in that group say "
    '"weight_decay": 0.0, or it takes the optimizer\'s.': _sorted(lambda n, p: True),
    "Nothing decays: both groups say 0.0, or all is in the second. Decay holds down the large "
    "weights, those of two and more dimensions.": _sorted(lambda n, p: False),
    "It is the wrong way round: your biases and norms decay and your matrices do not. Decay holds "
    "the large weights down, those of two and more dimensions.": _sorted(lambda n, p: p.ndim <= 1),
    "Weight decay is applied to the norms' weights. They are 1-d and start at 1, and decay would "
    "pull them to 0. Go by the number of dimensions, not by name: a norm may be called anything.": (
        _sorted(lambda n, p: "bias" not in n)
    ),
    "Weight decay is applied to the biases. Not only the norms: all that has one dimension is left "
    "alone.": _sorted(lambda n, p: "norm" not in n),
    f"{BY_NAME}(Yours spares what is called bias or norm.)": _sorted(
        lambda n, p: not ("bias" in n or "norm" in n)
    ),
    f"{BY_NAME}(Yours lets decay what is called weight.)": _sorted(lambda n, p: "weight" in n),
    f"{BY_NAME}(Yours lets decay what is called weight and not norm.)": _sorted(
        lambda n, p: "weight" in n and "norm" not in n
    ),
    f"{BY_TYPE}(Yours spares LayerNorm alone: weight decay is applied to the biases.)": _of_kinds(
        nn.LayerNorm, biases=False
    ),
    f"{BY_TYPE}(Yours knows LayerNorm.)": _of_kinds(nn.LayerNorm),
    f"{BY_TYPE}(Yours knows LayerNorm and BatchNorm.)": _of_kinds(nn.LayerNorm, nn.BatchNorm2d),
    f"{BY_TYPE}(Yours knows LayerNorm, BatchNorm and GroupNorm.)": _of_kinds(
        nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d
    ),
    f"{BY_NAME}(A matrix that is called norm decays.)": (
        _sorted(lambda n, p: p.ndim > 1 and "norm" not in n)
    ),
    f"{BY_NAME}(Yours asks for more than one dimension and for weight in the name.)": (
        _sorted(lambda n, p: p.ndim > 1 and "weight" in n)
    ),
    f"Only your matrices decay. The patch embedding's kernel has four dimensions, cls_token and "
    f"pos_embed have three, and they decay too. {RULE}": _sorted(lambda n, p: p.ndim == 2),
    f"Only what has three or more dimensions decays; a matrix has two. {RULE}": _sorted(
        lambda n, p: p.ndim > 2
    ),
    f"cls_token and pos_embed have three dimensions and decay too. {RULE}": _sorted(
        lambda n, p: p.ndim in (2, 4)
    ),
    "There is no decay on cls_token or pos_embed. Many codes spare them, but DINO's rule goes by "
    "the number of dimensions, and they have three: they do get it.": _sorted(
        lambda n, p: p.ndim > 1 and not _an_embedding(n)
    ),
    "There is no decay on pos_embed. DINO's rule goes by the number of dimensions, and it has "
    "three.": _sorted(lambda n, p: p.ndim > 1 and not n.endswith("pos_embed")),
    "There is no decay on cls_token. DINO's rule goes by the number of dimensions, and it has "
    "three.": _sorted(lambda n, p: p.ndim > 1 and not n.endswith("cls_token")),
    "There is no decay on what is called embed, the patch embedding's kernel among it. Go by the "
    "number of dimensions.": _sorted(
        lambda n, p: p.ndim > 1 and "embed" not in n and "cls_token" not in n
    ),
    "You gave the optimizer frozen parameters. What has requires_grad False is not trained, as the "
    "prototypes' gain weight_g: leave it out.": _sorted(taken=lambda n, p: True),
    "You gave the optimizer frozen parameters, those of one dimension. What has requires_grad "
    "False is not trained: ask for it in both lists.": _sorted(
        taken=lambda n, p: p.requires_grad or p.ndim <= 1
    ),
    "You gave the optimizer frozen parameters, those that decay. What has requires_grad False is "
    "not trained: ask for it in both lists.": _sorted(
        taken=lambda n, p: p.requires_grad or p.ndim > 1
    ),
    "You sorted the frozen parameters and left out the trained ones. It is requires_grad, without "
    "not.": _sorted(taken=lambda n, p: not p.requires_grad),
    f"Trained parameters {LOST}Those that a module holds itself, outside its children: "
    "model.parameters() goes through all of them.": _sorted(
        taken=lambda n, p: p.requires_grad and "." in n
    ),
    f"All trained parameters {LOST}Is p.grad asked for? It is None before the first backward; "
    "p.requires_grad tells what is trained.": _sorted(lambda n, p: None),
    f"Biases and norms {LOST}They learn as well, without decay: the second group.": _sorted(
        lambda n, p: p.ndim > 1 or None
    ),
    f"What decays {LOST}The first group is empty, or holds the same as the second.": _sorted(
        lambda n, p: None if p.ndim > 1 else False
    ),
    f"cls_token and pos_embed {LOST}They are learned like every other weight, and they do decay.": (
        _sorted(lambda n, p: None if _an_embedding(n) else p.ndim > 1)
    ),
    f"Parameters of three and more dimensions {LOST}{RULE}": _sorted(
        lambda n, p: None if p.ndim > 2 else p.ndim == 2
    ),
    f"Parameters of four dimensions {LOST}{RULE}": _sorted(
        lambda n, p: None if p.ndim == 4 else p.ndim > 1
    ),
    f"Parameters of three dimensions, cls_token and pos_embed among them, {LOST}{RULE}": _sorted(
        lambda n, p: None if p.ndim == 3 else p.ndim > 1
    ),
    f"What is called neither weight nor bias {LOST}Go by p.ndim.": _sorted(
        lambda n, p: None if not n.endswith(("weight", "bias")) else p.ndim > 1
    ),
    f"The head's parameters {LOST}Go through model.parameters().": _sorted(
        taken=lambda n, p: p.requires_grad and not n.startswith("head.")
    ),
    f"The last layer's parameters {LOST}They are only frozen in the first epoch, and by another "
    "way (7.3).": _sorted(taken=lambda n, p: p.requires_grad and "last_layer" not in n),
    "There is no decay on the last layer. DINO's rule goes by the number of dimensions, and it has "
    "two.": _sorted(lambda n, p: p.ndim > 1 and "last_layer" not in n),
    "There is no decay on the head. DINO's rule goes by the number of dimensions.": _sorted(
        lambda n, p: p.ndim > 1 and not n.startswith("head.")
    ),
    **{
        f"You went by how many numbers a parameter holds (more than {x}), and a small matrix is "
        f"spared. {RULE}": _sorted(lambda n, p, x=x: p.numel() > x)
        for x in (10, 100, 1000)
    },
}


@check("7.1", "who decays")
def check_7_1(parameter_groups):
    network, partly = Network(SMALL), Network(SMALL)
    partly.backbone.patch_embed.requires_grad_(False)  # somebody fine-tunes the rest
    models = [
        nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)),  # nothing is named "norm"
        network,
        partly,
        Odd(frozen=False),
        Odd(frozen=True),
    ]
    cases = [(model,) for model in models]
    compare(groups_of(parameter_groups), cases, _sorted(), MISTAKES, otherwise=_in_words)
    scalars = {
        "A scalar decays: a parameter of no dimension scales like a norm's gain, and is spared "
        "too. p.ndim <= 1, not == 1.": _sorted(lambda n, p: p.ndim != 1),
        f"Scalars {LOST}They have no dimension: p.ndim <= 1, not == 1.": _sorted(
            lambda n, p: None if p.ndim == 0 else p.ndim > 1
        ),
    }
    compare(
        groups_of(parameter_groups),
        [(Odd(frozen=False, scalar=True),), (Odd(frozen=True, scalar=True),)],
        _sorted(),
        scalars,
        otherwise=_in_words,
    )
    for model in models:
        given = call(parameter_groups, model)
        first = torch.optim.AdamW(given, lr=0.1, weight_decay=DECAY).param_groups[0]
        expect(
            first["weight_decay"] > 0,
            "The groups are in the other order. First what decays, then what does not: the weight "
            "decay's schedule writes into the first.",
        )
    only = [(nn.Linear(4, 3, bias=False),), (nn.LayerNorm(3),)]
    compare(groups_of(parameter_groups), only, _sorted(), otherwise=_in_words)


def _in_words(case: tuple, got: Tensor, right: Tensor) -> str:
    """What went where, of a model where it is no known mistake's."""
    names = [n for n, _ in case[0].named_parameters()]

    def told(mine: int, true: int) -> str:
        return ", ".join([n for n, g, r in zip(names, got, right, strict=True)
                          if g == mine and r == true][:3])  # fmt: skip

    kinds = {
        (NOWHERE, DECAYS): f"These should decay and {LOST}",
        (NOWHERE, PLAIN): f"These are trained, without decay, and {LOST}",
        (DECAYS, NOWHERE): "You gave the optimizer frozen parameters: ",
        (PLAIN, NOWHERE): "You gave the optimizer frozen parameters: ",
        (PLAIN, DECAYS): "These do not decay, and should (they have more than one dimension): ",
        (DECAYS, PLAIN): "These decay, and should not (they have at most one dimension): ",
    }
    return " ".join(f"{words}{told(*k)}." for k, words in kinds.items() if told(*k))
