# names: features of the last batch only
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for batch in images.split(batch_size):
            features = model(normalize(batch))
    model.train(was_training)
    return features
