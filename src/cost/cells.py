"""Cells for the cost counter: linear layers, element-wise work, and their shapes in a run."""

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.common.errors import InputError
from src.model.layers.activations import GELU, RPReLU
from src.model.layers.binary_fc import ChannelBinaryMLP
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import NCHW
from src.model.layers.pools import MultiMaxPool
from src.model.layers.token_mixing import SpatialBinaryMLP
from src.model.layers.wave import Wave
from src.model.networks import released
from src.model.networks.bimlp import MBBBlock1

# convolutions and FC layers: Cells with a `weight` (O, ...) that give maps or vectors of O channels
LINEAR = (Conv2d, BinaryConv2d, nn.Conv2d, nn.Dense, released.Conv2d, released.BinaryConv2d, released.Dense)
# counted by no convention; a Cell inside another of this table is not counted twice
ELEMENTWISE = {
    "normalisation": (
        nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, released.BatchNorm, released.GroupNorm,
    ),
    "activation": (RPReLU, GELU, released.RPReLU, nn.ReLU, nn.ReLU6, nn.PReLU, nn.GELU, nn.HSwish, nn.SiLU, nn.Sigmoid),
    "trigonometry": (Wave, released.Wave),
    "pooling": (MultiMaxPool, released.MeanPool, nn.MaxPool2d, nn.AvgPool2d),
}  # fmt: skip


def kind_of(cell):
    """The kind of element-wise work that a Cell does, or None."""
    for kind, types in ELEMENTWISE.items():
        if isinstance(cell, types):
            return kind
    return None


def is_linear(cell):
    """True for a convolution or FC layer."""
    return isinstance(cell, LINEAR)


def binary_input(cell):
    """True for a linear layer whose inputs are one bit (in the released network three-valued) each."""
    return isinstance(cell, released.BinaryConv2d) or (
        isinstance(cell, BinaryConv2d) and cell.binary_activation
    )


def binary_weight(cell):
    """True for a linear layer whose weights are one bit each."""
    return isinstance(cell, released.BinaryConv2d) or (isinstance(cell, BinaryConv2d) and cell.scaled)


def has_bias(cell):
    """True for a linear layer that adds a bias."""
    return getattr(cell, "bias", None) is not None and getattr(cell, "has_bias", True)


def biased_in_wave_mlp(cells):
    """The binary layers whose counterparts in Wave-MLP have biases: phase FC, projection, both layers of the MLPs."""
    found = set()
    for cell in cells:
        if isinstance(cell, ChannelBinaryMLP):
            found |= {cell.fc1.fc, cell.fc2.fc}
        elif isinstance(cell, SpatialBinaryMLP):
            found.add(cell.phase_fc.fc)
        elif isinstance(cell, MBBBlock1):
            found.add(cell.projection.fc)
        elif isinstance(cell, released.BinaryMLP):
            found |= {cell.fc1, cell.fc2}
        elif isinstance(cell, released.SpatialBlock):
            found |= {cell.theta_h_conv, cell.theta_w_conv, cell.proj}
    return found


KEEP_SHAPE = ("normalisation", "activation")  # kinds whose output has the shape of their input


def run_shapes(network, image_size):
    """name -> (input shape, output shape) of every Cell, of one image; the network runs once, in PyNative mode.

    Only shapes matter: norms, activations and binary convolutions, whose output has a known shape, leave
    their work undone meanwhile. That saves most of the time.
    Raises InputError where the network cannot run at that size.
    """
    shapes = {}

    def note(name):
        def hook(cell, inputs, output):
            if isinstance(output, Tensor):
                shapes[name] = (inputs[0].shape if isinstance(inputs[0], Tensor) else None, output.shape)

        return hook

    cells = {name: cell for name, cell in network.cells_and_names() if name}
    handles = [cell.register_forward_hook(note(name)) for name, cell in cells.items()]
    idle = [cell for cell in cells.values() if kind_of(cell) in KEEP_SHAPE or isinstance(cell, BinaryConv2d)]
    for cell in idle:
        cell.construct = map_of_zeros(cell) if isinstance(cell, BinaryConv2d) else handed_through
    before = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        network(ops.zeros((1, 3, image_size, image_size), ms.float32))
    except (ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:160]
        raise InputError(
            f"image_size {image_size}: the network cannot run on such images ({what})"
        ) from error
    finally:
        ms.set_context(mode=before)
        for handle in handles:
            handle.remove()
        for cell in idle:
            del cell.construct
    return shapes


def handed_through(x):
    return x


def map_of_zeros(layer):
    """Stand-in for the construct of a binary convolution: a map of zeros with the shape of its output."""
    channels, _, *kernel = layer.weight.shape

    def construct(x):
        rows, columns, *sizes = x.shape
        h, w = (
            (size + 2 * padding - taps) // layer.stride + 1
            for size, padding, taps in zip(sizes, layer.padding, kernel)
        )
        shape = (rows, channels, h, w) if layer.axis == NCHW else (channels, columns, h, w)
        return ops.zeros(shape, ms.float32)

    return construct
