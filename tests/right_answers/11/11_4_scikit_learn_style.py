def pca_colours(features: torch.Tensor) -> torch.Tensor:
    class PCA:
        def fit(self, x):
            self.mean = x.mean(0)
            self.components = torch.linalg.svd((x - self.mean).double(), full_matrices=False).Vh
            return self

        def transform(self, x):
            parts = []
            for c in self.components[:3]:
                sign = 1.0 if c.max() > -c.min() else -1.0
                parts.append(sign * (x.double() - self.mean) @ c)
            return torch.stack(parts, dim=-1)

    pca = PCA().fit(features.flatten(0, 2))
    y = torch.stack([pca.transform(one) for one in features])
    low = y.reshape(-1, 3).min(0)[0]
    return ((y - low) / (y.reshape(-1, 3).max(0)[0] - low)).to(features.dtype)
