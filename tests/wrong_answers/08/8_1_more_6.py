# names: The matrix of features is not right
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        z = [model(normalize(b)).half() for b in images.split(batch_size)]
    model.train(was)
    return torch.cat(z)
