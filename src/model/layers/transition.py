"""Transition between the sections of networks whose layers add channels."""

from mindspore import nn

from .conv import Conv2d
from .norms import BatchNorm


class Transition(nn.Cell):
    """Transition in full precision: BN, max-pool 2x2, ReLU, conv 1x1; (B, C, H, W) -> (B, O, H / 2, W / 2)."""

    def __init__(self, in_channels, out_channels, config):
        super().__init__()
        self.norm = BatchNorm(in_channels, config)
        self.pool = config.backend.max_pool(2, 2, 0)
        self.act = config.activation(in_channels, config)
        self.conv = Conv2d(in_channels, out_channels, 1, bias=False, config=config)

    def construct(self, x):
        return self.conv(self.act(self.pool(self.norm(x))))
