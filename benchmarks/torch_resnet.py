"""Bi-Real Net and ReActNet's ResNet in PyTorch, written on their own as a PyTorch user would.

Submodules carry the names of the MindSpore network's cells. Shapes as there: B images, C channels, H x W positions.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch_layers import EDGE, PRECISIONS, RPReLU

# name -> widths, units of each stage, form, whether the units are ReActNet's
VARIANTS = {
    "birealnet20": ((16, 32, 64), (6, 6, 6), "cifar", False),
    "birealnet18": ((64, 128, 256, 512), (4, 4, 4, 4), "imagenet", False),
    "react_resnet18": ((64, 128, 256, 512), (4, 4, 4, 4), "imagenet", True),
}


class PolynomialSign(torch.autograd.Function):
    """+1 where x > 0, else -1; gradient times max(2 - 2 |x|, 0)."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign().sub_(0.5).sign_()  # vectorized, unlike torch.where

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return x.abs().mul_(-2).add_(2).clamp_(min=0).mul_(grad)


class ScaledSign(torch.autograd.Function):
    """sign(w) times mean |w| of each filter; the gradient passes where |w| <= 1, without the scale."""

    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return w.sign().sub_(0.5).sign_() * w.abs().mean((1, 2, 3), keepdim=True)

    @staticmethod
    def backward(ctx, grad):
        (w,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, w, -EDGE, EDGE)


class PolynomialRSign(nn.Module):
    """Sign of x + b with the polynomial gradient, one b per channel."""

    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return PolynomialSign.apply(x + self.bias.view(1, -1, 1, 1))


class Sign(nn.Module):
    """Sign with the polynomial gradient."""

    def forward(self, x):
        return PolynomialSign.apply(x)


class BinaryConv2d(nn.Conv2d):
    """Convolution 3x3 without bias of binary activations and, in precision binary, binary weights."""

    def __init__(self, in_channels, out_channels, stride, precision, shifted):
        super().__init__(in_channels, out_channels, 3, stride, 1, bias=False)
        sign = PolynomialRSign(in_channels) if shifted else Sign()
        self.rsign = nn.Identity() if precision == "fp32" else sign
        self.binary_weight = precision == "binary"

    def forward(self, x):
        weight = ScaledSign.apply(self.weight) if self.binary_weight else self.weight
        return self._conv_forward(self.rsign(x), weight, None)


class PooledShortcut(nn.Module):
    """BN(conv 1x1(average pool 2x2(x)))."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return self.norm(self.conv(F.avg_pool2d(x, 2)))


class Unit(nn.Module):
    """act(BN(binary conv(x)) + shortcut(x)); act: RPReLU, or none in Bi-Real Net (ReLU in fp32)."""

    def __init__(self, in_channels, out_channels, stride, precision, react):
        super().__init__()
        self.fc = BinaryConv2d(in_channels, out_channels, stride, precision, react)
        self.norm = nn.BatchNorm2d(out_channels)
        keeps_shape = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if keeps_shape else PooledShortcut(in_channels, out_channels)
        without = nn.ReLU() if precision == "fp32" else nn.Identity()
        self.act = RPReLU(out_channels) if react else without

    def forward(self, x):
        return self.act(self.norm(self.fc(x)) + self.shortcut(x))


class Stem(nn.Module):
    """BN(conv(x)), and a max-pool in the form for ImageNet; full precision."""

    def __init__(self, channels, form):
        super().__init__()
        window = (7, 2, 3) if form == "imagenet" else (3, 1, 1)
        self.conv = nn.Conv2d(3, channels, *window, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.pool = nn.MaxPool2d(3, 2, 1) if form == "imagenet" else nn.Identity()

    def forward(self, x):
        return self.pool(self.norm(self.conv(x)))


class ResNet(nn.Module):
    """Images (B, 3, H, W) -> logits (B, num_classes)."""

    def __init__(self, name, num_classes, precision):
        super().__init__()
        if precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
        widths, depths, form, react = VARIANTS[name]
        self.stem, channels = Stem(widths[0], form), widths[0]
        self.stages = nn.ModuleList()
        for i, (width, depth) in enumerate(zip(widths, depths)):
            units = nn.Sequential()
            for j in range(depth):
                units.append(Unit(channels, width, 2 if i > 0 and j == 0 else 1, precision, react))
                channels = width
            self.stages.append(units)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))

    def input_shifts(self):
        """Pairs of a unit without shifts of its own and the vector that shifts its input, the bias of the norm before it."""
        units = [unit for stage in self.stages for unit in stage]
        norms = [self.stem.norm, *(unit.norm for unit in units)]
        return [(unit, norm.bias) for unit, norm in zip(units, norms) if isinstance(unit.fc.rsign, Sign)]
