# names: not on the CPU
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    b, n, d = patches.shape
    x = torch.zeros(b, 1 + n, d)
    x[:, :1], x[:, 1:] = cls_token, patches
    return x + pos_embed
