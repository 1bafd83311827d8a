"""Networks: BiMLP, the Wave-MLP baseline, and the network of the authors' published checkpoints.

layers/ holds the Cells that networks are made of, backends/ how they are computed, networks/ one file per network.
"""

from .layers.conv import BinaryConv2d, Conv2d
from .norm_values import norms_of_one_value
from .registry import (
    accepted_overrides,
    create_model,
    default_precision,
    image_size_of,
    model_names,
    own_quantizer,
)

__all__ = [
    "accepted_overrides",
    "binary_layers",
    "create_model",
    "default_precision",
    "image_size_of",
    "model_names",
    "norms_of_one_value",
    "own_quantizer",
    "smallest_image",
]


def binary_layers(network):
    """List of (name, layer) for every BinaryConv2d of a network, in any precision."""
    return [(name, cell) for name, cell in network.cells_and_names() if isinstance(cell, BinaryConv2d)]


def smallest_image(network):
    """Side, in pixels, of the smallest square image that the stem takes: its kernel less the padding on both sides.

    1 for a stem with padding SAME, and for networks without such a stem, whose smallest image is not known (MindCV's, the
    published one).
    """
    stem = getattr(getattr(network, "stem", None), "conv", None)
    if not isinstance(stem, Conv2d) or isinstance(stem.padding, str):
        return 1
    return max(max(stem.kernel) - 2 * min(stem.padding), 1)
