# names: Your features carry a graph
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    z = [model(normalize(b)) for b in images.split(batch_size)]
    model.train(was)
    return torch.cat(z).detach().requires_grad_()
