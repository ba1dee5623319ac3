# names: positions are left out
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    return torch.cat([cls_token.expand(len(patches), -1, -1), patches], dim=1)
