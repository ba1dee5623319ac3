# names: You took one away
def count_tokens(height, width, patch):
    return (height // patch) * (width // patch) - 1
