# names: Batches overlap
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        z = [
            model(normalize(images[i : i + batch_size + 1]))
            for i in range(0, len(images), batch_size)
        ]
    model.train(was)
    return torch.cat(z)
