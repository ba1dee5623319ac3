def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    def cosines(x):
        x = x / x.norm(dim=-1, keepdim=True)
        return torch.einsum("bnd,bmd->bnm", x, x)

    with torch.no_grad():
        want = cosines(teacher)
    return (cosines(student) - want).pow(2).mean()
