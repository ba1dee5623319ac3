# names: as torch.distributions holds p
def entropy_and_kl(q, p):
    from torch.distributions import Categorical, kl_divergence

    a, b = Categorical(probs=q), Categorical(probs=p)
    return a.entropy(), kl_divergence(a, b)
