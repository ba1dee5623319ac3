def koleo(features: torch.Tensor) -> torch.Tensor:
    unit = [row / row.norm() for row in features]
    total = 0.0
    for i, row in enumerate(unit):
        total = total - torch.log(
            min((row - other).norm() for j, other in enumerate(unit) if j != i) + 1e-8
        )
    return total / len(unit)
