def frozen_features(model, images, batch_size=256):
    import copy

    m = copy.deepcopy(model).eval().requires_grad_(False)
    return torch.cat([m(normalize(b)) for b in images.split(batch_size)]).detach()
