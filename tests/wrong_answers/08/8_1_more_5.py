# names: You normalised each feature over its own numbers (a layer no
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        z = [
            F.layer_norm(model(normalize(b)), (model.embed_dim,)) for b in images.split(batch_size)
        ]
    model.train(was)
    return torch.cat(z)
