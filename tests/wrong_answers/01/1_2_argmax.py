# names: one-hot
def teacher_target(logits, center, temperature):
    return torch.nn.functional.one_hot((logits - center).argmax(-1), logits.shape[-1]).to(
        logits.dtype
    )
