# names: the mass on the thing is a mean over patches
def attention_on_thing(maps, truth):
    t = F.adaptive_avg_pool2d(truth.float()[:, None], maps.shape[-2:])
    area = truth.float().mean((1, 2))[:, None]
    return (maps * t).mean((2, 3)) / maps.sum((2, 3)) / area
