"""The backbone of a configuration, with what successors add to it."""

from minidino import trainer
from minidino.config import TrainConfig
from minidino.convnet import ConvNet
from minidino.successors.registers import RegisterViT
from minidino.successors.vit_rope import RotaryViT
from minidino.vit import VisionTransformer


def build_backbone(config: TrainConfig, drop_path_rate: float = 0.0) -> VisionTransformer | ConvNet:
    """The ViT or ResNet that a configuration describes, with fresh weights."""
    kind = RotaryViT if config.positions == "rope" else RegisterViT if config.registers else None
    if kind is None:
        return trainer.build_backbone(config, drop_path_rate)
    sizes = trainer.vit_sizes(config)
    return kind(**sizes, drop_path_rate=drop_path_rate, registers=config.registers)
