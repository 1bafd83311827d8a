"""Linearity of binary convolutions: how well an affine map of the full-precision convolution's output gives the binary one's.

FTBNN (arXiv 2010.09294) argues in its abstract that a binary convolution becomes the more linear the smaller its quantization
error is, and that this hampers the network. The measure is one of this project, made after the abstract.
"""

import numpy as np

from src.common.markdown import markdown_table
from src.paper.layer_calls import channels_first, watch_binary_layers

LINEARITY = (
    "R^2: share of the binary convolution's variance, per output channel, that the best affine map of the full-precision "
    "convolution of the same input and weights explains; 1 is linear. Error: |w - alpha sign(w)|^2 / |w|^2, mean of the filters."
)


def r_squared(x, y):
    """R^2 of the best affine map from x to y, row by row: (C, n), (C, n) -> (C,), the squared correlation.

    1 for a constant y, which an affine map gives; 0 for a constant x and another y.
    """
    x, y = (values - values.mean(1, keepdims=True) for values in (np.float64(x), np.float64(y)))
    x_variance, y_variance = (x * x).sum(1), (y * y).sum(1)
    explained = (x * y).sum(1) ** 2
    product = x_variance * y_variance
    found = np.divide(explained, product, out=np.zeros_like(product), where=product > 0)
    return np.where(y_variance > 0, found, 1.0)


def weight_error(weight, scale):
    """Quantization error |w - alpha sign(w)|^2 / |w|^2, mean over the filters: (O, ..), (O,) -> number."""
    w = np.float64(weight).reshape(len(weight), -1)
    difference = w - np.float64(scale).reshape(-1, 1) * np.where(w > 0, 1, -1)
    return float(np.mean((difference**2).sum(1) / (w**2).sum(1)))


def linearity(network, batches):
    """For every binary layer, on real images: (name, error of the weights, R^2 per output channel)."""
    full, binary = {}, {}

    def note(name, layer, x, y):
        full.setdefault(name, []).append(
            channels_first(layer.conv(layer.arranged(x), layer.weight), layer.axis)
        )
        binary.setdefault(name, []).append(channels_first(y, layer.axis))

    for name, layer in watch_binary_layers(network, batches, note):
        x, y = (
            np.concatenate([each.reshape(len(each), -1) for each in maps[name]], 1) for maps in (full, binary)
        )
        yield (
            name,
            weight_error(layer.normalize_weight(layer.weight).asnumpy(), layer.scale().asnumpy()),
            r_squared(x, y),
        )


def linearity_table(found):
    """The Markdown table of what `linearity` gives, with the mean of the layers."""
    rows, means = [], []
    for name, error, values in found:
        rows.append(
            (name, f"{error:.3f}", f"{values.mean():.3f}", f"{values.min():.3f}", f"{values.max():.3f}")
        )
        means.append((error, values.mean()))
    error, mean = np.mean(means, 0)
    rows.append(("mean of the layers", f"{error:.3f}", f"{mean:.3f}", "", ""))
    return markdown_table(
        ("layer", "error of the weights", "R^2", "lowest channel", "highest"), rows, ("layer",)
    )
