# names: You returned all tokens
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        features = [model.forward_features(normalize(batch)) for batch in images.split(batch_size)]
    model.train(was_training)
    return torch.cat(features)
