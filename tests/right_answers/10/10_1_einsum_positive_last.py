def info_nce(queries, keys, queue, temperature):
    q = F.normalize(queries, dim=-1)
    k, n = F.normalize(keys, dim=-1).detach(), queue.detach()
    l_pos = torch.einsum("bd,bd->b", q, k)
    l_neg = torch.einsum("bd,ld->bl", q, n)
    logits = torch.cat([l_neg, l_pos[:, None]], dim=1) / temperature
    labels = torch.full((q.shape[0],), n.shape[0], dtype=torch.long, device=q.device)
    return nn.CrossEntropyLoss()(logits, labels)
