# names: the weights do not start at 0
def fit_probe(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    learning_rate: float,
    steps: int,
) -> torch.Tensor:
    x, test = train_features.detach(), test_features.detach()
    mean, std = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6)
    x, test = (x - mean) / std, (test - mean) / std
    probe = nn.Linear(x.shape[1], int(train_labels.max()) + 1)
    optimizer = torch.optim.SGD(probe.parameters(), lr=learning_rate, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = F.cross_entropy(probe(x), train_labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return probe(test).detach()
