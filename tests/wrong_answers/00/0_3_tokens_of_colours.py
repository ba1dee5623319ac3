# names: a token of each colour
def count_tokens(height, width, patch):
    return 1 + (height // patch) * (width // patch) * 3
