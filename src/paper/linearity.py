"""Linearity of binary convolutions: how well an affine map of the full-precision convolution's output gives the binary one's.

FTBNN (arXiv 2010.09294) argues in its abstract that a binary convolution becomes the more linear the smaller its quantization
error is, and that this hampers the network. The measure is one of this project, made after the abstract.
"""

import numpy as np

from src.common.markdown import markdown_table
from src.paper.layer_calls import channels_first, watch_binary_layers

LINEARITY = (
    "R^2: share of the binary convolution's variance, per output channel, that the best affine map of the full-precision "
    "convolution of the same input and weights explains; 1 is linear. Error: |w - a q|^2 / |w|^2 of weights w and their quantized "
    "values q, with the best a of each filter; mean of the filters."
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


def weight_error(weight, quantized):
    """Quantization error of weights, min_a |w - a q|^2 / |w|^2, mean over the filters: (O, ..), (O, ..) -> number."""
    w, q = (np.float64(values).reshape(len(values), -1) for values in (weight, quantized))
    explained = (w * q).sum(1) ** 2 / ((w * w).sum(1) * (q * q).sum(1))
    return float(np.mean(1 - explained))


def linearity(network, batches):
    """For every binary layer, on real images: (name, error of the weights, R^2 per output channel)."""
    full, binary, errors = {}, {}, {}

    def note(name, layer, x, y):
        maps = (full, layer.conv(layer.arranged(x), layer.weight)), (binary, y)
        for kept, each in maps:
            kept.setdefault(name, []).append(channels_first(each, layer.axis))
        if name not in errors:
            quantized = layer.weight_quantizer(layer.weight).asnumpy()
            errors[name] = weight_error(layer.weight.asnumpy(), quantized)

    for name, _ in watch_binary_layers(network, batches, note):
        x, y = (
            np.concatenate([each.reshape(len(each), -1) for each in maps[name]], 1) for maps in (full, binary)
        )
        yield name, errors[name], r_squared(x, y)


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
