# names: You appended [CLS] at the end
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    cls = cls_token.expand(len(patches), -1, -1)
    return torch.cat([patches, cls], dim=1) + pos_embed
