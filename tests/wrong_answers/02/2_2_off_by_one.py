# names: Position 0 is added twice
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    x = patches + pos_embed[:, :-1]
    cls = (cls_token + pos_embed[:, :1]).expand(len(patches), -1, -1)
    return torch.cat([cls, x], dim=1)
