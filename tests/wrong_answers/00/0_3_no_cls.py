# names: left out [CLS]
def count_tokens(height: int, width: int, patch: int) -> int:
    return (height // patch) * (width // patch)
