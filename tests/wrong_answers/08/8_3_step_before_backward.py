# names: optimizer.step() stands before loss.backward()
def fit_probe(train_features, train_labels, test_features, learning_rate, steps):
    x, test = train_features.detach(), test_features.detach()
    m, s = x.mean(0), x.std(0).clamp(min=1e-6)
    x, test = (x - m) / s, (test - m) / s
    p = nn.Linear(x.shape[1], int(train_labels.max()) + 1)
    nn.init.zeros_(p.weight)
    nn.init.zeros_(p.bias)
    o = torch.optim.SGD(p.parameters(), lr=learning_rate, momentum=0.9)
    c = torch.optim.lr_scheduler.CosineAnnealingLR(o, steps)
    for _ in range(steps):
        loss = F.cross_entropy(p(x), train_labels)
        o.step()
        o.zero_grad()
        loss.backward()
        c.step()
    return p(test).detach()
