def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    import numpy as np

    masks = []
    for values in maps.reshape(-1, maps.shape[-2] * maps.shape[-1]).numpy().astype(np.float64):
        mask, held = np.zeros(len(values), dtype=bool), 0.0
        for i in np.argsort(-values):
            if held >= keep * values.sum() - 1e-9:
                break
            mask[i], held = True, held + values[i]
        masks.append(mask)
    return torch.from_numpy(np.stack(masks)).view(maps.shape)
