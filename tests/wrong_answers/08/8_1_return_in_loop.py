# names: You returned the features of the first batch only
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        for b in images.split(batch_size):
            z = model(normalize(b))
            model.train(was)
            return z
