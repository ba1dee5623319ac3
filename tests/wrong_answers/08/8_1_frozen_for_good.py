# names: for good
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    for p in model.parameters():
        p.requires_grad_(False)
    features = torch.cat([model(normalize(batch)) for batch in images.split(batch_size)])
    model.train(was_training)
    return features
