# names: at the end, with its own position
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    cls = cls_token.expand(len(patches), -1, -1) + pos_embed[:, :1]
    return torch.cat([patches + pos_embed[:, 1:], cls], dim=1)
