def count_tokens(height, width, patch):
    import numpy as np

    return np.prod([height // patch, width // patch]) + 1
