# names: nothing is written into its parameters
def ema_update(teacher, student, momentum):
    with torch.no_grad():
        pass
