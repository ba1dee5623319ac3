# names: not drawn by
_GENERATOR = torch.Generator().manual_seed(1)


def predict() -> dict:
    noise, telling, other = torch.rand(3, generator=_GENERATOR).tolist()
    return {
        "noise": noise,
        "telling": telling,
        "random": other,
        "because": "the dice have decided it so",
    }
