# names: [CLS] token is missing
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    return patches + pos_embed[:, 1:]
