# names: has no method `forward`
class CenteredLoss(nn.Module):
    def __init__(self, out_dim: int, student_temp: float = 0.1, center_momentum: float = 0.9):
        super().__init__()
        self.register_buffer("center", torch.zeros(1, out_dim))
