# names: made batch_size batches
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    mode = model.training
    model.eval()
    with torch.no_grad():
        features = [model(normalize(batch)) for batch in images.chunk(batch_size)]
    model.train(mode)
    return torch.cat(features)
