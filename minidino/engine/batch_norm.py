"""Batch norm where several processes share a batch."""

from torch import Tensor, nn

from minidino.engine import distributed


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over the rows of all processes, so that two of them do what one does."""

    def forward(self, x: Tensor) -> Tensor:
        n = distributed.world_size()
        if not self.training or n == 1:
            return super().forward(x)
        return super().forward(distributed.gather(x)).chunk(n)[distributed.rank()]
