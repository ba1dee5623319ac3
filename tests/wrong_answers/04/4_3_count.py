# names: You returned how many pairs
def view_pairs(n_global: int, n_views: int) -> list[tuple[int, int]]:
    return n_global * n_views - n_global
