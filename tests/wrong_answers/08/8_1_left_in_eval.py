# names: left the model in eval mode
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        features = [model(normalize(batch)) for batch in images.split(batch_size)]
    return torch.cat(features)
