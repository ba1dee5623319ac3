# names: took the picture for a square
def count_tokens(height: int, width: int, patch: int) -> int:
    return (height // patch) ** 2 + 1
