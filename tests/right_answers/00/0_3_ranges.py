def count_tokens(height: int, width: int, patch: int) -> int:
    return 1 + len(range(0, height, patch)) * len(range(0, width, patch))
