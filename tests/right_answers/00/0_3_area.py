def count_tokens(height: int, width: int, patch: int) -> int:
    return height * width // patch**2 + 1
