# names: softmax over the rows
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return (
        torch.softmax(scores / temperature, dim=0)
        if len(scores) > 1
        else torch.softmax(scores / temperature, dim=-1)
    )
