# names: as if it were one more
def update_center(center, teacher_logits, momentum):
    return torch.cat([center, teacher_logits.detach()]).mean(0, keepdim=True)
