# names: You forgot the parameters that lie in no layer
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    def tensors(network):
        found = []
        for module in network.modules():
            for name in ("weight", "bias", "running_mean", "running_var"):
                if isinstance(getattr(module, name, None), torch.Tensor):
                    found.append(getattr(module, name))
        return found

    torch._foreach_lerp_(tensors(teacher), tensors(student), 1 - momentum)
    for t, s in zip(teacher.buffers(), student.buffers(), strict=True):
        if not t.is_floating_point():
            t.copy_(s)
