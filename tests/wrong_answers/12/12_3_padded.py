# names: Padding is attended to
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    longest = max(x.shape[1] for x in sequences)
    x = torch.cat([F.pad(x, (0, 0, 0, longest - x.shape[1])) for x in sequences])
    x = block(x)
    parts = x.split([len(s) for s in sequences])
    return [p[:, : s.shape[1]] for p, s in zip(parts, sequences, strict=True)]
