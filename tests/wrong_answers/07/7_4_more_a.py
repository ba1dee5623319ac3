# names: package's own checkpoint
def what_to_save(run):
    return run.state_dict()
