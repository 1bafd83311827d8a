"""Representation ability (section 3.1, Eq. 8, 9): the number of values that a binary layer can take, and that it takes."""

import numpy as np

from src.common.markdown import markdown_table
from src.paper.layer_calls import channels_first, watch_binary_layers

WIDTHS = {"Wave-MLP": (64, 128, 320, 512), "ResNet": (64, 128, 256, 512)}
KERNELS = (1, 3, 7)


def values(channels, kernel):
    """N + 1 with N = C_i k^2 (Eq. 9): the sum of N signs is one of -N, -N + 2, .., N."""
    return channels * kernel * kernel + 1


def macs(channels_in, channels_out, kernel):
    """C_i C_o k^2 (Eq. 8), for one position of the output."""
    return channels_in * channels_out * kernel * kernel


def ability_table():
    """Layers of C -> C channels: output values, cost, and what an FC layer would take to have as many values.

    k^2 parallel branches have the convolution's values at its cost; channels times k^2, in and out, at k^2 times
    its cost.
    """
    rows = []
    for network, widths in WIDTHS.items():
        for c in widths:
            for k in KERNELS:
                branches = k * k * macs(c, c, 1)
                widened = macs(k * k * c, k * k * c, 1)
                rows.append(
                    (
                        network,
                        "FC" if k == 1 else f"{k}x{k} convolution",
                        str(c),
                        f"{values(c, k):,}",
                        f"{macs(c, c, k):,}",
                        f"{k * k}",
                        f"{branches:,}",
                        f"{widened:,}",
                    )
                )
    header = (
        "widths of", "layer", "C", "output values", "MACs per position", "FC branches to match", "their MACs",
        "MACs of a widened FC",
    )  # fmt: skip
    return markdown_table(header, rows, ("widths of", "layer"))


def measure(network, batches):
    """For every binary layer, on real images: (name, K, distinct sums, mean distinct sums per output channel).

    K: inputs of one sum, so that Eq. 9's bound is K + 1. The network runs in evaluation mode, in PyNative mode.
    """
    seen = {}

    def note(name, layer, x, y):
        sums = channels_first(layer.accumulate(x), layer.axis)
        channels = seen.setdefault(name, [set() for _ in sums])
        for known, row in zip(channels, sums):
            known.update(np.unique(row).tolist())

    layers = watch_binary_layers(network, batches, note)
    for name, layer in layers:
        inputs = layer.weight.size // layer.weight.shape[0]
        channels = seen[name]
        yield name, inputs, len(set().union(*channels)), float(np.mean([len(each) for each in channels]))


def measured_table(found):
    """The Markdown table of what `measure` gives."""
    rows = [
        (
            name,
            f"{inputs:,}",
            f"{inputs + 1:,}",
            f"{distinct:,}",
            f"{mean:.1f}",
            f"{distinct / (inputs + 1):.0%}",
        )
        for name, inputs, distinct, mean in found
    ]
    header = ("layer", "K", "bound K + 1", "distinct sums", "per output channel", "share of the bound")
    return markdown_table(header, rows, ("layer",))
