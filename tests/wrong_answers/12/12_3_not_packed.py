# names: Pack first: one call on all tokens together
def packed_block(block: Block, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    return [block(x) for x in sequences]
