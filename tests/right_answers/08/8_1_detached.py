def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    features = torch.cat([model(normalize(b)).detach() for b in images.split(batch_size)])
    model.train(was_training)
    return features
