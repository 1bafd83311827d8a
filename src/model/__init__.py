"""Networks: binarize -> layers -> blocks -> bimlp, the Wave-MLP baseline, and the published checkpoints' network."""

from .layers import BinaryLayer
from .zoo import accepted_overrides, create_model, default_precision, image_size_of, model_names

__all__ = [
    "accepted_overrides",
    "binary_layers",
    "create_model",
    "default_precision",
    "image_size_of",
    "model_names",
]


def binary_layers(network):
    """(name, layer) of every BinaryFC and LocalBinaryFC of a network, whatever its precision."""
    return [(name, cell) for name, cell in network.cells_and_names() if isinstance(cell, BinaryLayer)]
