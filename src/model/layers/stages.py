"""Networks of stages: stem, stages of residual blocks, downsampling between them, head."""

from itertools import pairwise

from mindspore import nn, ops
from mindspore.common.initializer import TruncatedNormal

from .layout import CNHW, GlobalMean, to_layout


class ResidualBlock(nn.Cell):
    """Two residual steps: x <- x + DropPath(block1(Norm1(x))); x <- x + DropPath(block2(Norm2(x))).

    make_block1, make_block2: make the Cells of the steps, feature map -> feature map of the same shape.
    drop_mask: None for no drop path, or (2, ...), a factor per step and sample that broadcasts over feature maps:
    0 if dropped, else 1 / (1 - rate).
    """

    def __init__(self, channels, make_block1, make_block2, config):
        super().__init__()
        self.norm1 = config.norm(channels, config)
        self.block1 = make_block1()
        self.norm2 = config.norm(channels, config)
        self.block2 = make_block2()
        self.fan_out1, self.fan_out2 = config.backend.fan_out(2), config.backend.fan_out(2)

    def construct(self, x, drop_mask=None):
        x, z = self.fan_out1(x)
        out = self.block1(self.norm1(z))
        x, m = self.fan_out2(x + (out if drop_mask is None else out * drop_mask[0]))
        out = self.block2(self.norm2(m))
        return x + (out if drop_mask is None else out * drop_mask[1])


class StageMaps(nn.Cell):
    """Base of networks that give the maps at their stages' ends as well, for losses that compare them.

    A subclass has logits_and_maps(x), images (B, 3, H, W) -> (logits, tuple of maps in the backend's layout), and `axis`.
    """

    def construct(self, x):
        return self.logits_and_maps(x)[0]

    def stage_maps(self, x, *options):
        """(logits, maps): construct's logits, and the feature map (B, C, H, W) at the end of each stage."""
        logits, maps = self.logits_and_maps(x, *options)
        return logits, [to_layout(each, self.axis) for each in maps]


class StagedNetwork(StageMaps):
    """Network of stages: images (B, 3, H, W) -> logits (B, num_classes).

    x = stem(x); per stage its blocks, then, but for the last, a downsampling; head: Norm, global average pool, FC.

    Args:
        widths, depths: channels and blocks of each stage.
        stem: Cell (B, 3, H, W) -> (B, widths[0], H', W').
        make_block: width -> ResidualBlock.
        make_downsample: (width, next width) -> Cell.
        drop_path_rate: rate of the last block; the rates grow linearly from 0.

    construct takes drop_mask (2 * blocks, B, 1, 1, 1), the factors of ResidualBlock for the rates in `drop_path_rates`.
    None switches drop path off. stage_maps takes it too.
    """

    def __init__(
        self, widths, depths, stem, make_block, make_downsample, num_classes, drop_path_rate, config
    ):
        super().__init__()
        self.stem = stem
        self.stages = nn.CellList(
            [nn.CellList([make_block(width) for _ in range(depth)]) for width, depth in zip(widths, depths)]
        )
        self.downsamples = nn.CellList([make_downsample(a, b) for a, b in pairwise(widths)])
        self.norm = config.norm(widths[-1], config)
        self.head = nn.Dense(widths[-1], num_classes, weight_init=TruncatedNormal(0.02), bias_init="zeros")
        self.mean, self.axis = GlobalMean(), config.axis
        last = max(sum(depths) - 1, 1)
        self.drop_path_rates = tuple(drop_path_rate * (i // 2) / last for i in range(2 * sum(depths)))

    def construct(self, x, drop_mask=None):
        return self.logits_and_maps(x, drop_mask)[0]

    def logits_and_maps(self, x, drop_mask=None):
        """Logits, and the feature map at the end of each stage in the backend's layout."""
        x = self.stem(to_layout(x, self.axis))
        if drop_mask is not None and self.axis == CNHW:
            drop_mask = ops.transpose(drop_mask, (0, 2, 1, 3, 4))
        index, maps = 0, ()
        for i in range(len(self.stages)):
            for block in self.stages[i]:
                x = block(x, None if drop_mask is None else drop_mask[index : index + 2])
                index += 2
            maps += (x,)
            if i < len(self.downsamples):
                x = self.downsamples[i](x)
        x = to_layout(self.mean(self.norm(x)), self.axis)
        return self.head(x.reshape(-1, x.shape[1])), maps


def check_widths_and_depths(widths, depths):
    """Raises ValueError unless there is one depth per width, one or more, all of them positive."""
    if not widths or len(widths) != len(depths):
        raise ValueError(f"depths: expected one per width, {len(widths)} in all, got {tuple(depths)}")
    if min(*widths, *depths) < 1:
        raise ValueError(
            f"widths and depths: expected at least 1 each, got {tuple(widths)} and {tuple(depths)}"
        )
