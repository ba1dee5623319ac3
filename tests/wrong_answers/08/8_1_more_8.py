# names: images[i] has lost the dimension of the batch
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        z = [model(normalize(images[i])) for i in range(len(images))]
    model.train(was)
    return torch.cat(z)
