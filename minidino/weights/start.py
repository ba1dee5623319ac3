"""What a training begins with in place of random weights (``train --init``).

Both networks get the backbone as it was saved; positions are interpolated as ever, in each
forward pass, so before the first step it gives the features that ``load_pretrained`` gives. The
head above it is fresh, or that of the run it comes from, where it fits.
"""

from dataclasses import dataclass, replace

from torch import nn

from minidino.config import TrainConfig
from minidino.convnet import ConvNet
from minidino.data import located
from minidino.engine import distributed
from minidino.limits import check_patches
from minidino.run.checkpoint import backbone_of, load_checkpoint, load_weights
from minidino.trainer import Trainer, build_backbone
from minidino.weights.names import Weights
from minidino.weights.pretrained import load_trained

# What the weights decide of a run's settings, and what has to divide into their patches.
SIZES = ("backbone", "patch_size", "embed_dim", "depth", "num_heads")
SIDES = ("global_size", "local_size", "eval_size")
# What the head is made of; one with prototypes of any length is not one that keeps them at 1.
ABOVE = ("out_dim", "hidden_dim", "bottleneck_dim", "head_batch_norm", "norm_last_layer")


@dataclass(frozen=True)
class Start:
    """Weights to begin with, and of a run of minidino's also what stood above its backbone."""

    source: str
    backbone: nn.Module
    run: TrainConfig | None = None
    head: Weights | None = None  # the teacher's, by the names in it
    loss: Weights | None = None  # DINO's center, MoCo's queue


def load_start(name_or_path: str, num_heads: int | None = None) -> Start:
    """Arguments and errors as ``load_pretrained``'s."""
    trained = load_trained(name_or_path, num_heads)
    if trained.config is None:
        return Start(name_or_path, trained.backbone)
    state = load_checkpoint(trained.source)
    head = {k: v for k, v in state["teacher"].items() if not k.startswith("backbone.")}
    return Start(name_or_path, trained.backbone, trained.config, head, state.get("loss"))


def of(config: TrainConfig, saved: dict | None, start: Start | None) -> Start | None:
    """What a fresh run begins with: ``start``, or what its settings name, in the main process."""
    if saved is not None:
        return None
    if start is None and config.init is not None and distributed.is_main():
        return load_start(config.init)
    return start


def sized_for(config: TrainConfig, start: Start) -> TrainConfig:
    """The settings with the sizes of the weights, and sides that their patches divide; both said.

    Raises:
        UserError: if no such settings can be.
    """
    net = start.backbone
    if isinstance(net, ConvNet):
        return replace(config, backbone=start.run.backbone)
    found = ("vit", net.patch_size, net.embed_dim, net.depth, net.num_heads)
    changed = dict(zip(SIZES, found, strict=True))
    patch = net.patch_size
    for name in SIDES:
        if (side := getattr(config, name)) % patch:
            changed[name] = max(1, round(side / patch)) * patch
            distributed.note(f"{name} {side} becomes {changed[name]}, as patches are {patch} px")
    heads = f"{net.num_heads} heads, patches of {patch} px"
    distributed.note(
        f"starting from {start.source}: width {net.embed_dim}, {net.depth} blocks, {heads}"
    )
    sized = replace(config, **changed)
    check_patches(sized)
    return sized


def with_sizes_of(kept: TrainConfig, config: TrainConfig) -> TrainConfig:
    """``config`` with what a run that began with weights has from them."""
    if config.init is None:
        return config
    return replace(config, **{name: getattr(kept, name) for name in SIZES + SIDES})


def first_backbone(
    config: TrainConfig, saved: dict | None, start: Start | None
) -> nn.Module | None:
    """The backbone that a trainer begins with; None for a fresh one.

    Of a run that goes on only the sizes count, and its own checkpoint has them: what it began
    with is not needed again. A ResNet's layers follow the size of the views.
    """
    if saved is not None:
        return None if config.init is None else backbone_of(saved, "the checkpoint", "student")[0]
    if start is None:
        return None
    if not isinstance(start.backbone, ConvNet):
        return start.backbone
    backbone = build_backbone(config)
    load_weights(backbone, start.backbone.state_dict(), start.source)
    return backbone


def take_over_head(trainer: Trainer, start: Start) -> None:
    """Give both networks the head that stood above the weights, if it fits, and say which it is."""
    why = _unfit(trainer.config, start)
    if why is not None:
        distributed.note(f"the head is fresh: {why}")
        return
    for network in dict.fromkeys((trainer.student, trainer.teacher)):
        own = {k: v for k, v in network.state_dict().items() if k.startswith("backbone.")}
        load_weights(network, own | start.head, start.source)
    # With a piece of a successor DINO's loss is one of several, and its center has a longer name.
    there = {name.removeprefix("dino."): v for name, v in start.loss.items()}
    own = trainer.criterion.state_dict()
    fits = {k: there[n] for k in own if (n := k.removeprefix("dino.")) in there}
    fits = {k: v for k, v in fits.items() if v.shape == own[k].shape}
    load_weights(trainer.criterion, own | fits, start.source)
    fresh = [k for k in own if k not in fits and k.split(".")[0] != "anchor"]
    rest = f"; fresh: {', '.join(fresh)}" if fresh else ""
    distributed.note(f"the head is that of {start.source}, too{rest}")


def _unfit(config: TrainConfig, start: Start) -> str | None:
    """Why the head that stood above the weights is not the one for this run."""
    run = start.run
    if run is None:
        return f"{start.source} has none that minidino trained"
    if run.objective != config.objective:
        return f"that of {start.source} learned {run.objective}, not {config.objective}"
    if config.objective == "supervised" and located(run.data) != config.data:
        return f"that of {start.source} knows the classes of {run.data}"
    other = [
        f"{name} was {getattr(run, name)}, is {getattr(config, name)}"
        for name in ABOVE
        if getattr(run, name) != getattr(config, name)
    ]
    if bool(run.ibot) != bool(config.ibot):
        other.append(f"iBOT's second head was {'there' if run.ibot else 'missing'}")
    return "; ".join(other) or None
