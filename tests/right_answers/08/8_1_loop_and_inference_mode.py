def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    mode = model.training
    features = []
    try:
        model.train(False)
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                features.append(model(normalize(images[start : start + batch_size])))
    finally:
        model.train(mode)
    return torch.cat(features, dim=0)
