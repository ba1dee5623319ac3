# names: whatever learning_rate is
def fit_probe(train_features, train_labels, test_features, learning_rate, steps):
    x, test = train_features.detach(), test_features.detach()
    mean, std = x.mean(0), x.std(0).clamp(min=1e-6)
    x, test = (x - mean) / std, (test - mean) / std
    one_hot = F.one_hot(train_labels).float()
    x, test = (torch.cat([v, torch.ones(len(v), 1)], 1) for v in (x, test))
    return test @ torch.linalg.lstsq(x, one_hot).solution
