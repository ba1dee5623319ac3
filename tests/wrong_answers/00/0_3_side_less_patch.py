# names: a patch's side away
def count_tokens(height, width, patch):
    return 1 + ((height - patch) // patch) * ((width - patch) // patch)
