# names: mind the brackets
def count_tokens(height: int, width: int, patch: int) -> int:
    return (1 + height // patch) * (width // patch)
