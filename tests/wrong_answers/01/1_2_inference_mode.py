# names: inference_mode
def teacher_target(logits, center, temperature):
    with torch.inference_mode():
        return torch.softmax((logits - center) / temperature, -1)
