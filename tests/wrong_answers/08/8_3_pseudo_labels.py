# names: depends on the *other test images*
def fit_probe(train_features, train_labels, test_features, learning_rate, steps):
    x, test = train_features.detach(), test_features.detach()
    mean, std = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6)
    x, test = (x - mean) / std, (test - mean) / std
    probe = nn.Linear(x.shape[1], int(train_labels.max()) + 1)
    nn.init.zeros_(probe.weight)
    nn.init.zeros_(probe.bias)
    optimizer = torch.optim.SGD(probe.parameters(), lr=learning_rate, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        loss = F.cross_entropy(probe(x), train_labels)
        guess = probe(test)
        loss = loss + F.cross_entropy(guess, guess.argmax(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return probe(test).detach()
