# names: [CLS] is counted twice
def count_tokens(height, width, patch):
    return 1 + height // patch * width // patch * 1 + 1
