# names: Batches of 1 go through the model where batch_size is 3
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        z = [model(normalize(b)) for b in images.split(1)]
    model.train(was)
    return torch.cat(z)
