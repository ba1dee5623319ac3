def view_pairs(n_global, n_views):
    import numpy as np

    return [tuple(p) for p in np.argwhere(~np.eye(n_global, n_views, dtype=bool))]
