# names: length 1 already
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        features = [
            F.normalize(model(normalize(batch)), dim=1) for batch in images.split(batch_size)
        ]
    model.train(was_training)
    return torch.cat(features)
