# names: [CLS] is taken to be the last token
def attention_maps(attention, h, w):
    return attention[:, :, -1, :-1].reshape(*attention.shape[:2], h, w)
