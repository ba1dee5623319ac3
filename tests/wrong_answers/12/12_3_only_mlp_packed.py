# names: is called 2 times
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    sequences = [x + block.attn(block.norm1(x)) for x in sequences]
    x = torch.cat([x.flatten(0, 1) for x in sequences])
    x = x + block.mlp(block.norm2(x))
    parts = x.split([len(s) * s.shape[1] for s in sequences])
    return [part.view_as(s) for part, s in zip(parts, sequences)]
