# names: right features in the wrong order
@torch.no_grad()
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    loader = torch.utils.data.DataLoader(images, batch_size=batch_size, shuffle=True)
    features = torch.cat([model(normalize(batch)) for batch in loader])
    model.train(was_training)
    return features
