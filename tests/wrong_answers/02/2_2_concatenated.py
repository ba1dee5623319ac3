# names: side by side
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], dim=1)
    return torch.cat([x, pos_embed.expand(len(patches), -1, -1)], dim=2)
