# names: last, smaller batch is missing
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    features = []
    with torch.no_grad():
        for i in range(len(images) // batch_size):
            features.append(model(normalize(images[i * batch_size : (i + 1) * batch_size])))
    model.train(was_training)
    return torch.cat(features)
