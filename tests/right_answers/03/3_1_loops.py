def resize_matrix(start: int, length: int, size_in: int, size_out: int) -> torch.Tensor:
    step = length / size_out
    width = max(1.0, step)
    matrix = torch.zeros(size_out, size_in)
    for i in range(size_out):
        center = start + (i + 0.5) * step
        for j in range(start, start + length):
            matrix[i, j] = max(0.0, 1 - abs(j + 0.5 - center) / width)
        matrix[i] /= matrix[i].sum()
    return matrix
