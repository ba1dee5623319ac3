def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    from torch.utils.data import DataLoader

    was = model.training
    model.eval()
    z = []
    with torch.no_grad():
        for b in DataLoader(images, batch_size=batch_size):
            z.append(model(normalize(b)))
    model.train(was)
    return torch.vstack(z)
