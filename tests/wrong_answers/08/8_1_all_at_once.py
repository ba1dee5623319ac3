# names: all images through the model at once
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        features = model(normalize(images))
    model.train(was_training)
    return features
