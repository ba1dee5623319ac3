# names: There is no bias
def fit_probe(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    test_features: torch.Tensor,
    learning_rate: float,
    steps: int,
) -> torch.Tensor:
    x, test = train_features.detach(), test_features.detach()
    mean, std = x.mean(0), x.std(0).clamp(min=1e-6)
    x, test = (x - mean) / std, (test - mean) / std
    probe = nn.Linear(x.shape[1], int(train_labels.max()) + 1, bias=False)
    for p in probe.parameters():
        nn.init.zeros_(p)
    optimizer = torch.optim.SGD(probe.parameters(), lr=learning_rate, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = F.cross_entropy(probe(x), train_labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return probe(test).detach()
