"""BiMLP in PyTorch, written on its own as a PyTorch user would: what the training benchmark compares with.

Submodules carry the names of the MindSpore network's cells. Shapes as there: B images, C channels, H x W positions.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch_layers import PRECISIONS, RPReLU, RSign, sign

# name -> widths, depths, stem (kernel, stride, padding)
VARIANTS = {
    "bimlp_t": ((32, 64, 128, 256), (1, 1, 2, 1), (7, 4, 2)),
    "bimlp_s": ((64, 128, 320, 512), (2, 2, 4, 2), (7, 4, 2)),
    "bimlp_m": ((64, 128, 320, 512), (2, 3, 10, 3), (7, 4, 2)),
}


class BinaryConv2d(nn.Conv2d):
    """Convolution without bias of sign(x + b) and sign(W), times mean |W| per output channel (detached)."""

    def __init__(self, in_channels, out_channels, kernel, precision, groups=1):
        padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__(in_channels, out_channels, kernel, padding=padding, groups=groups, bias=False)
        self.rsign = nn.Identity() if precision == "fp32" else RSign(in_channels)
        self.binary_weight = precision == "binary"

    def forward(self, x):
        x = self.rsign(x)
        if not self.binary_weight:
            return super().forward(x)
        scale = self.weight.detach().abs().mean((1, 2, 3)).view(1, -1, 1, 1)
        return self._conv_forward(x, sign(self.weight), None) * scale


class UniShortcut(nn.Module):
    """Equal widths: x; wider: copies; narrower: the mean of adjacent channels."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.copies = out_channels // in_channels
        self.group = in_channels // out_channels

    def forward(self, x):
        if self.copies > 1:
            return x.repeat(1, self.copies, 1, 1)
        if self.group > 1:
            return x.unflatten(1, (-1, self.group)).mean(2)
        return x


class ShortcutFC(nn.Module):
    """RPReLU(BN(conv(x)) + U(x)): the Channel Binary FC, and with a kernel and groups the Spatial Binary FC."""

    def __init__(self, in_channels, out_channels, precision, kernel=(1, 1), groups=1):
        super().__init__()
        self.fc = BinaryConv2d(in_channels, out_channels, kernel, precision, groups)
        self.norm = nn.BatchNorm2d(out_channels)
        self.shortcut = UniShortcut(in_channels, out_channels)
        self.act = RPReLU(out_channels)

    def forward(self, x):
        return self.act(self.norm(self.fc(x)) + self.shortcut(x))


class ChannelMLP(nn.Module):
    """Two Channel Binary FCs."""

    def __init__(self, in_channels, hidden_channels, out_channels, precision):
        super().__init__()
        self.fc1 = ShortcutFC(in_channels, hidden_channels, precision)
        self.fc2 = ShortcutFC(hidden_channels, out_channels, precision)

    def forward(self, x):
        return self.fc2(self.fc1(x))


class SpatialMLP(nn.Module):
    """PATM along one axis: phase and amplitude, their wave, and a grouped 7-tap FC over it."""

    def __init__(self, channels, kernel, precision):
        super().__init__()
        self.phase_fc = ShortcutFC(channels, channels, precision)
        self.amplitude_fc = ShortcutFC(channels, channels, precision)
        self.mix_fc = ShortcutFC(2 * channels, channels, precision, kernel, groups=channels)

    def forward(self, x):
        theta, z = self.phase_fc(x), self.amplitude_fc(x)
        return self.mix_fc(torch.cat((z * theta.cos(), z * theta.sin()), 1))


class SpatialBlock(nn.Module):
    """MBB block 1: height, width and channel branches, merged by a softmax over them per image and channel."""

    def __init__(self, channels, precision):
        super().__init__()
        self.height = nn.ModuleList([SpatialMLP(channels, (7, 1), precision)])
        self.width = nn.ModuleList([SpatialMLP(channels, (1, 7), precision)])
        self.channel = nn.ModuleList([ShortcutFC(channels, channels, precision)])
        self.reweight = ChannelMLP(channels, channels // 4, 3 * channels, precision)
        self.projection = ShortcutFC(channels, channels, precision)

    def forward(self, z):
        h, w, c = self.height[0](z), self.width[0](z), self.channel[0](z)
        a = self.reweight((h + w + c + z).mean((2, 3), keepdim=True))
        a = a.unflatten(1, (-1, 3)).softmax(2)  # (B, 3C, 1, 1) -> (B, C, 3, 1, 1)
        return self.projection(h * a[:, :, 0] + w * a[:, :, 1] + c * a[:, :, 2] + z)


class ChannelBlock(nn.Module):
    """MBB block 2: height, width and MLP branches, merged with two learned scalars."""

    def __init__(self, channels, precision):
        super().__init__()
        self.height = nn.ModuleList([ShortcutFC(channels, channels, precision, (7, 1), channels)])
        self.width = nn.ModuleList([ShortcutFC(channels, channels, precision, (1, 7), channels)])
        self.channel = nn.ModuleList([ChannelMLP(channels, 4 * channels, channels, precision)])
        self.merge = nn.Parameter(torch.zeros(2))

    def forward(self, m):
        w0, w1 = self.merge
        return w0 * self.height[0](m) + w1 * self.width[0](m) + (1 - w0 - w1) * self.channel[0](m)


class Block(nn.Module):
    """The two residual steps, without drop path."""

    def __init__(self, channels, precision):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.block1 = SpatialBlock(channels, precision)
        self.norm2 = nn.BatchNorm2d(channels)
        self.block2 = ChannelBlock(channels, precision)

    def forward(self, x):
        x = x + self.block1(self.norm1(x))
        return x + self.block2(self.norm2(x))


class Stem(nn.Module):
    """RPReLU(BN(conv(x))), full precision."""

    def __init__(self, channels, kernel, stride, padding):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, kernel, stride, padding)
        self.norm = nn.BatchNorm2d(channels)
        self.act = RPReLU(channels)

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))


def same_max_pool(x, kernel):
    """Max-pool of stride 2 and padding SAME: the odd pixel of padding goes to the right and the bottom."""
    pads = [max((-(-n // 2) - 1) * 2 + kernel - n, 0) for n in (x.shape[3], x.shape[2])]
    if any(pads):
        x = F.pad(x, [side for pad in pads for side in (pad // 2, pad - pad // 2)], value=-torch.inf)
    return F.max_pool2d(x, kernel, 2)


class Downsample(nn.Module):
    """1x1 convolution, BN, RPReLU and the mean of four max-pools, full precision."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.fc = nn.Conv2d(in_channels, out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = RPReLU(out_channels)

    def forward(self, x):
        x = self.act(self.norm(self.fc(x)))
        return (same_max_pool(x, 2) + same_max_pool(x, 3) + same_max_pool(x, 5) + same_max_pool(x, 7)) / 4


class BiMLP(nn.Module):
    """Images (B, 3, H, W) -> logits (B, num_classes)."""

    def __init__(self, name, num_classes, precision):
        super().__init__()
        if precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
        widths, depths, stem = VARIANTS[name]
        self.stem = Stem(widths[0], *stem)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, precision) for _ in range(depth)))
            for width, depth in zip(widths, depths)
        )
        self.downsamples = nn.ModuleList(Downsample(a, b) for a, b in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x):
        x = self.stages[0](self.stem(x))
        for downsample, stage in zip(self.downsamples, self.stages[1:]):
            x = stage(downsample(x))
        return self.head(self.norm(x).mean((2, 3)))

    def input_shifts(self):
        """Pairs of a module without shifts of its own and the vector that shifts its input: there are none."""
        return []
