# names: Your function changes the type of the model's parameters for
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    model.half()
    with torch.no_grad():
        z = [model(normalize(b).half()).float() for b in images.split(batch_size)]
    model.train(was)
    return torch.cat(z)
