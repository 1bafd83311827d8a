"""BiMLP: stem, four stages of MBB blocks, downsampling between them, head (paper, section 3.2, Table 1)."""

from itertools import pairwise

from mindspore import nn, ops
from mindspore.common.initializer import TruncatedNormal

from .arithmetic import check
from .blocks import Block
from .layers import FullConv
from .layout import CNHW, spatial_mean, to_layout
from .token_mixing import TOKEN_MIXERS


class Stem(nn.Cell):
    """Stem in full precision, RPReLU(Norm(conv(x))): (B, 3, H, W) -> (B, C, H / stride, W / stride)."""

    def __init__(self, channels, kernel, stride, padding, arithmetic):
        super().__init__()
        self.conv = FullConv(3, channels, kernel, stride, padding, arithmetic)
        self.norm = arithmetic.norm(channels, arithmetic)
        self.act = arithmetic.activation(channels, arithmetic)

    def construct(self, x):
        return self.act(self.norm(self.conv(x)))


class Downsample(nn.Cell):
    """Proposed downsampling (Fig. 3): FC at the input's resolution, Norm, RPReLU, mean of four max-pools.

    (B, C, H, W) -> (B, O, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, in_channels, out_channels, arithmetic):
        super().__init__()
        self.fc = FullConv(in_channels, out_channels, 1, 1, 0, arithmetic)
        self.norm = arithmetic.norm(out_channels, arithmetic)
        self.act = arithmetic.activation(out_channels, arithmetic)
        self.pool = arithmetic.backend.max_pool()

    def construct(self, x):
        return self.pool(self.act(self.norm(self.fc(x))))


class OriginalDownsample(nn.Cell):
    """Downsampling of Wave-MLP, the ablation of Table 6: conv 3x3 stride 2 padding 1, Norm."""

    def __init__(self, in_channels, out_channels, arithmetic):
        super().__init__()
        self.conv = FullConv(in_channels, out_channels, 3, 2, 1, arithmetic)
        self.norm = arithmetic.norm(out_channels, arithmetic)

    def construct(self, x):
        return self.norm(self.conv(x))


DOWNSAMPLES = {"proposed": Downsample, "original": OriginalDownsample}


class BiMLP(nn.Cell):
    """BiMLP (arXiv 2212.14158): images (B, 3, H, W) -> logits (B, num_classes).

    Args:
        widths, depths: channels and blocks of each stage.
        stem: (kernel, stride, padding).
        arithmetic: configuration of the layers.
        branches: (S1, C1, S2, C2), as in Block.
        downsample: key of DOWNSAMPLES.
        token_mixing: key of TOKEN_MIXERS.
        drop_path_rate: rate of the last block; the rates grow linearly from 0.

    construct takes drop_mask (2 * blocks, B, 1, 1, 1), the factors of Block for the rates in `drop_path_rates`. None
    switches drop path off.
    """

    def __init__(
        self,
        widths,
        depths,
        stem,
        num_classes,
        arithmetic,
        branches,
        downsample,
        token_mixing,
        drop_path_rate,
    ):
        super().__init__()
        check("downsample", downsample, DOWNSAMPLES)
        check("token_mixing", token_mixing, TOKEN_MIXERS)
        self.stem = Stem(widths[0], *stem, arithmetic)
        self.stages = nn.CellList(
            [
                nn.CellList([Block(w, branches, token_mixing, arithmetic) for _ in range(d)])
                for w, d in zip(widths, depths)
            ]
        )
        layer = DOWNSAMPLES[downsample]
        self.downsamples = nn.CellList([layer(a, b, arithmetic) for a, b in pairwise(widths)])
        self.norm = arithmetic.norm(widths[-1], arithmetic)
        self.head = nn.Dense(widths[-1], num_classes, weight_init=TruncatedNormal(0.02), bias_init="zeros")
        self.axis = arithmetic.axis
        last = max(sum(depths) - 1, 1)
        self.drop_path_rates = tuple(drop_path_rate * (i // 2) / last for i in range(2 * sum(depths)))

    def construct(self, x, drop_mask=None):
        x = self.stem(to_layout(x, self.axis))
        if drop_mask is not None and self.axis == CNHW:
            drop_mask = ops.transpose(drop_mask, (0, 2, 1, 3, 4))
        index = 0
        for i in range(len(self.stages)):
            for block in self.stages[i]:
                x = block(x, None if drop_mask is None else drop_mask[index : index + 2])
                index += 2
            if i < len(self.downsamples):
                x = self.downsamples[i](x)
        x = to_layout(spatial_mean(self.norm(x)), self.axis)
        return self.head(x.reshape(-1, x.shape[1]))
