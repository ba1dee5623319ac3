"""The backbone of a configuration, with what successors add to it."""

from minidino import trainer
from minidino.config import TrainConfig
from minidino.convnet import ConvNet
from minidino.successors.registers import RegisterViT
from minidino.vit import VisionTransformer


def build_backbone(config: TrainConfig, drop_path_rate: float = 0.0) -> VisionTransformer | ConvNet:
    """The ViT or ResNet that a configuration describes, with fresh weights."""
    if config.registers:
        return RegisterViT(
            **trainer.vit_sizes(config), drop_path_rate=drop_path_rate, registers=config.registers
        )
    return trainer.build_backbone(config, drop_path_rate)
