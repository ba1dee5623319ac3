def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    cls = (cls_token + pos_embed[:, :1]).repeat(len(patches), 1, 1)
    return torch.cat([cls, patches + pos_embed[:, 1:]], dim=1)
