def frozen_features(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    was_training = model.training
    model.eval()
    out = None
    with torch.no_grad():
        for i, batch in enumerate(images.split(batch_size)):
            cls = model.forward_features(normalize(batch))[:, 0]
            if out is None:
                out = cls.new_empty(len(images), cls.shape[1])
            out[i * batch_size : i * batch_size + len(batch)] = cls
    if was_training:
        model.train()
    return out
