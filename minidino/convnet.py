"""A convnet in the ViT's place: torchvision's ResNet, with what the rest asks of a backbone.

The feature is the mean of the last map, as the paper's ResNet-50 has it (section 4.1). There is
no [CLS] token and no attention; what stands in for attention is how strongly each place of the
last map answers (``activation_map``).
"""

import torch
from torch import Tensor, nn

SMALL_PICTURES = 64  # pixels; a view of less would leave the max-pooling as 9 x 9


class ConvNet(nn.Module):
    """(B, 3, H, W) -> (B, D): a ResNet of torchvision without its classifier, fresh weights.

    Args:
        name: "resnet18" (D = 512) or "resnet50" (D = 2,048).
        image_size: side of the views it is trained on. At 64 px and below there is no
            max-pooling after the first layer, so that the last map keeps some places.
    """

    patch_size = 1  # pictures of any size go in

    def __init__(self, name: str, image_size: int):
        super().__init__()
        from torchvision import models  # here: it takes as long as torch, and a ViT does without

        self.body = models.get_model(name, weights=None)
        self.embed_dim = self.body.fc.in_features
        self.body.fc = nn.Identity()
        if image_size <= SMALL_PICTURES:
            self.body.maxpool = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images)

    def feature_map(self, images: Tensor) -> Tensor:
        """(B, D, h, w): the last layer's map, whose mean over places is the feature."""
        for name, layer in self.body.named_children():
            if name == "avgpool":
                break
            images = layer(images)
        return images

    def get_intermediate_layers(self, images: Tensor, n: int) -> list[Tensor]:
        """The last map as tokens, [(B, 1 + h w, D)], the feature in front; ``n`` must be 1 or more.

        A convnet's earlier maps have other widths; there is one layer to give.
        """
        places = self.feature_map(images).flatten(2).transpose(1, 2)
        return [torch.cat([places.mean(dim=1, keepdim=True), places], dim=1)]

    def activation_map(self, images: Tensor) -> Tensor:
        """(B, 1, h, w), each summing to 1: the mean of the last map over its channels."""
        strength = self.feature_map(images).mean(dim=1, keepdim=True)  # after a ReLU: >= 0
        return strength / strength.sum(dim=(-2, -1), keepdim=True).clamp(min=1e-12)


def by_its_batch(network: nn.Module) -> nn.Module:
    """The network as in evaluation (no path is dropped), its batch norms as in training."""
    for module in network.modules():  # a module comes before its parts
        module.train(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d))
    return network
