"""Exercise 7.1, who decays: tells apart groups that leave parameters out, or hold frozen ones, and
those that go by a name or a kind of layer instead of the number of dimensions.
"""

from collections.abc import Callable

import torch
from torch import nn

from minidino.checks.core import Wrong, call, check, expect
from minidino.checks.training.common import SMALL
from minidino.trainer import Network

DECAY = 0.5


def decay_of(answer: Callable, model: nn.Module) -> dict[str, float]:
    """Which decay AdamW gives each parameter; a parameter that it does not hold is missing."""
    asked = {n: p.requires_grad for n, p in model.named_parameters()}
    groups = call(answer, model)
    expect(
        isinstance(groups, list | tuple) and all(isinstance(g, dict) for g in groups),
        "Return a list of dicts, one for each group: an optimizer takes "
        '[{"params": [...]}, {"params": [...], "weight_decay": 0.0}].',
    )
    for group in groups:
        listed = list(group.get("params", ()))
        bare = [p[1] if isinstance(p, tuple) else p for p in listed]  # AdamW takes (name, p) too
        expect(
            all(isinstance(p, nn.Parameter) for p in bare),
            'A group\'s "params" holds something else than parameters. Take the parameter itself, '
            "not its name or its .data.",
        )
        expect(
            len({id(p) for p in bare}) == len(bare),
            "A parameter stands more than once in a group. model.parameters() already goes through "
            "all modules inside the model; a loop over model.modules() around it is one too many.",
        )
        group["params"] = listed  # a generator is used up by now
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
    found = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    expect(
        len(optimizer.param_groups) == 2,
        f"There should be two groups, yours are {len(optimizer.param_groups)}: what decays, and "
        "what does not.",
    )
    return {n: found[id(p)] for n, p in model.named_parameters() if id(p) in found}


@check("7.1", "who decays")
def check_7_1(parameter_groups):
    # By hand: a linear layer and a norm in a row; nothing here is named "norm".
    judge_decay(parameter_groups, nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)))
    network = Network(SMALL)
    judge_decay(parameter_groups, network)
    network.backbone.patch_embed.requires_grad_(False)  # somebody fine-tunes the rest
    judge_decay(parameter_groups, network)


def judge_decay(answer: Callable, model: nn.Module) -> None:
    parameters = dict(model.named_parameters())
    got = decay_of(answer, model)
    frozen = [n for n in got if not parameters[n].requires_grad]
    expect(
        not frozen,
        f"You gave the optimizer frozen parameters: {', '.join(frozen[:3])}. What has "
        "requires_grad False is not trained, as the prototypes' gain weight_g: leave it out.",
    )
    trained = {n: p for n, p in parameters.items() if p.requires_grad}
    decays = {n: n in got and got[n] > 0 for n in trained}
    flat_ones = [n for n, p in trained.items() if p.ndim <= 1]
    biases = [n for n in flat_ones if n.endswith("bias")]
    norms = [n for n in flat_ones if n not in biases]
    full = [n for n in trained if n not in flat_ones]
    missing = [n for n in trained if n not in got]
    embeddings = [n for n in missing if n.endswith(("cls_token", "pos_embed"))]
    expect(
        not missing or len(embeddings) < len(missing),
        "cls_token and pos_embed are in neither group, so they are never trained. They are learned "
        "like every other weight, and they do decay.",
    )
    expect(
        not missing,
        f"{len(missing)} trained parameters are in neither group and would never move: "
        f"{', '.join(missing[:3])}.",
    )
    expect(
        any(decays[n] == (n in full) for n in trained),
        "It is the wrong way round: your biases and norms decay and your matrices do not. Decay "
        "holds the large weights down, those of two and more dimensions.",
    )
    expect(
        not all(decays[n] for n in flat_ones),
        "Weight decay is applied to norms and biases. They shift and scale, and there is nothing "
        "to hold down; give what has one dimension a group of its own, and in that group say "
        '"weight_decay": 0.0, or it takes the optimizer\'s.',
    )
    expect(
        not any(decays[n] for n in norms),
        "Weight decay is applied to the norms' weights. They are 1-d and start at 1, and decay "
        "would pull them to 0. Go by the number of dimensions, not by name: a norm may be called "
        "anything.",
    )
    expect(
        not any(decays[n] for n in biases),
        "Weight decay is applied to the biases. Not only the norms: all that has one dimension is "
        "left alone.",
    )
    spared = [n for n in full if not decays[n]]
    expect(
        not any(parameters[n].ndim == 4 for n in spared),
        "Only your matrices decay. The patch embedding's kernel has four dimensions, cls_token and "
        "pos_embed have three, and they decay too: all with more than one dimension.",
    )
    expect(
        not any(n.endswith(("cls_token", "pos_embed")) for n in spared),
        "There is no decay on cls_token or pos_embed. Many codes spare them, but DINO's rule goes "
        "by the number of dimensions, and they have three: they do get it.",
    )
    expect(not spared, f"These do not decay, and should: {', '.join(spared[:3])}.")
    first = torch.optim.AdamW(call(answer, model), lr=0.1, weight_decay=DECAY).param_groups[0]
    expect(
        first["weight_decay"] > 0,
        "The groups are in the other order. First what decays, then what does not: the weight "
        "decay's schedule writes into the first.",
    )
