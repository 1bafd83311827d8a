"""Layers of the PyTorch networks, and the loading of the MindSpore networks' weights into them."""

import torch
import torch.nn.functional as F
from torch import nn

PRECISIONS = ("fp32", "binary_act", "binary")
BATCH_NORM_NAMES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
EDGE = 1 + 2**-23  # the smallest float32 above 1: |x| < EDGE is |x| <= 1


class SignSTE(torch.autograd.Function):
    """+1 where x > 0, else -1; the gradient passes where |x| <= 1."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign().sub_(0.5).sign_()  # vectorized, unlike torch.where

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, x, -EDGE, EDGE)  # one pass; grad where |x| < EDGE


sign = SignSTE.apply


class RSign(nn.Module):
    """sign(x + b), one b per channel."""

    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return sign(x + self.bias.view(1, -1, 1, 1))


class RPReLU(nn.Module):
    """PReLU between two shifts, all per channel."""

    def __init__(self, channels):
        super().__init__()
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.shift_out = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.prelu(x + self.shift_in.view(1, -1, 1, 1), self.slope) + self.shift_out.view(1, -1, 1, 1)


def torch_name(name):
    """The MindSpore network's parameter name in this network's words."""
    *path, last = name.split(".")
    return ".".join([*path, BATCH_NORM_NAMES.get(last, last)])


def load_weights(network, weights):
    """Load {MindSpore parameter name: array}. Raises RuntimeError when names or shapes are not the network's."""
    state = {torch_name(name): torch.from_numpy(array) for name, array in weights.items()}
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):  # BatchNorm's counter, which only PyTorch has
            state[name] = value
    network.load_state_dict(state)
