def fit_probe(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    learning_rate: float,
    steps: int,
) -> torch.Tensor:
    with torch.no_grad():
        variance, mean = torch.var_mean(train_features, dim=0, unbiased=False)
        x = (train_features - mean) / (variance.sqrt() + 1e-8)
        test = (test_features - mean) / (variance.sqrt() + 1e-8)
    n_classes = len(train_labels.unique())
    weight = torch.zeros(n_classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(n_classes, requires_grad=True)
    optimizer = torch.optim.SGD([weight, bias], lr=learning_rate, momentum=0.9)
    for step in range(steps):
        cosine = torch.cos(torch.tensor(torch.pi * step / steps)).item()
        optimizer.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + cosine)
        optimizer.zero_grad(set_to_none=True)
        F.nll_loss(F.log_softmax(F.linear(x, weight, bias), dim=1), train_labels).backward()
        optimizer.step()
    with torch.no_grad():
        return F.linear(test, weight, bias)
