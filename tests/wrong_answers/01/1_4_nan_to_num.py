# names: Each *term*
def entropy_and_kl(q, p):
    return -(q * q.log()).sum(-1).nan_to_num(), (q * (q / p).log()).sum(-1).nan_to_num()
