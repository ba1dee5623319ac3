# names: came back as they were
def interpolate_positions(pos_embed, h, w):
    return pos_embed
