# names: Only the first image has its [CLS]
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    b, n, d = patches.shape
    x = patches.new_zeros(b, 1 + n, d)
    x[0, 0] = cls_token[0, 0]
    x[:, 1:] = patches
    return x + pos_embed
