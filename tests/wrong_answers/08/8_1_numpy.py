# names: The matrix of features should be a tensor; yours is a ndarra
def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    import numpy as np

    was = model.training
    model.eval()
    with torch.no_grad():
        z = [model(normalize(b)).numpy() for b in images.split(batch_size)]
    model.train(was)
    return np.concatenate(z)
