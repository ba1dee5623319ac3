# names: Index [0] takes the first *image* of a batch, with all its t
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        z = [model.forward_features(normalize(b))[0] for b in images.split(batch_size)]
    model.train(was)
    return torch.cat(z)
