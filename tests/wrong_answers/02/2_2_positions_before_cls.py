# names: before [CLS] was prepended, from the first on
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    x = patches + pos_embed[:, : patches.shape[1]]
    return torch.cat([cls_token.expand(len(patches), -1, -1), x], dim=1)
