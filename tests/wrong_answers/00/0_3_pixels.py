# names: You counted pixels
def count_tokens(height: int, width: int, patch: int) -> int:
    return height * width + 1
