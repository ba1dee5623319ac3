# names: not on the CPU
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    b, _, d = patches.shape
    cls = torch.zeros(b, 1, d) + cls_token
    x = torch.cat([cls, patches], dim=1)
    return x + torch.ones(b, 1, 1) * pos_embed
