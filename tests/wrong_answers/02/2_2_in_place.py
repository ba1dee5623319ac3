# names: changes a tensor it was given
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    patches += pos_embed[:, 1:]
    cls = (cls_token + pos_embed[:, :1]).expand(len(patches), -1, -1)
    return torch.cat([cls, patches], dim=1)
