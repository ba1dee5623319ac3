def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    pairs = []
    for student in range(n_views):
        for teacher in range(n_global):
            if teacher == student:
                continue
            pairs.append((teacher, student))
    return pairs
