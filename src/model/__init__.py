"""Networks: BiMLP, the Wave-MLP baseline, and the network of the authors' published checkpoints.

BiMLP from the ground up: binarize, quantizers, layers, elements, token_mixing, blocks, bimlp. zoo.py lists all networks.
"""

from .layers import BinaryLayer, FullConv
from .norm_values import norms_of_one_value
from .zoo import accepted_overrides, create_model, default_precision, image_size_of, model_names

__all__ = [
    "accepted_overrides",
    "binary_layers",
    "create_model",
    "default_precision",
    "image_size_of",
    "model_names",
    "norms_of_one_value",
    "smallest_image",
]


def binary_layers(network):
    """List of (name, layer) for every BinaryFC and LocalBinaryFC of a network, in any precision."""
    return [(name, cell) for name, cell in network.cells_and_names() if isinstance(cell, BinaryLayer)]


def smallest_image(network):
    """Side, in pixels, of the smallest square image that the stem takes: its kernel less the padding on both sides.

    1 for networks without such a stem, whose smallest image is not known (MindCV's, the published one).
    """
    stem = getattr(getattr(network, "stem", None), "conv", None)
    if not isinstance(stem, FullConv):
        return 1
    kernel, _, padding = stem.kernel_stride_padding
    return max(kernel - 2 * padding, 1)
