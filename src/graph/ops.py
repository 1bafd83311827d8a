"""Operations: the one table of what a graph can hold, OPS.

A row gives an operation's number in packed files, its inputs, attributes and tensors, its shape rule, and its meaning in
NumPy. Shapes are (C, H, W) for one image; the meaning takes arrays (B, C, H, W). The engine has the same table
(src/engine/native/graph/ops.h), and FORMAT.md describes it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import meanings, shapes
from .attributes import Choice, Integers, Real
from .meanings import FUNCTIONS
from .shapes import MAX_CHANNELS, MAX_WINDOW


@dataclass(frozen=True)
class Op:
    """One operation.

    number: its own in packed files. inputs: how many values it reads, None for 1 or more.
    attributes: name -> kind (attributes.py). tensors: name -> VECTOR, FILTERS, BITS or INDEX.
    shape: (*input shapes, **attributes and tensors) -> shape of the output; raises ValueError where they do not fit.
    meaning: (*inputs, **attributes and tensors) -> output.
    source: operation that makes the first input, where only one can.
    """

    number: int
    inputs: int | None
    attributes: dict
    tensors: dict
    shape: Callable
    meaning: Callable
    source: str | None = None


# kinds of tensors: a float32 for each channel, or one for all; filters (O, C / groups, kh, kw) of float32; the same of bits; channels
VECTOR, FILTERS, BITS, INDEX = "vector", "filters", "bits", "index"
TYPES = {VECTOR: np.float32, FILTERS: np.float32, BITS: np.bool_, INDEX: np.uint32}

MAX_PAD = 65536.0  # largest |pad_value|
SIDE, CHANNELS = Integers(1, MAX_WINDOW), Integers(1, MAX_CHANNELS)
WINDOW = {"stride": SIDE, "padding": Integers(0, MAX_WINDOW - 1, 4)}  # padding: (top, left, bottom, right)
CONV = {**WINDOW, "groups": CHANNELS}
ONE = shapes.per_channel
OPS = {
    # full precision, zero padding
    "conv2d": Op(1, 1, CONV, {"weight": FILTERS}, shapes.conv2d, meanings.conv2d),
    # values of `levels`: (-1, 1): x > t ? 1 : -1; (0, 1): x > t ? 1 : 0; (-1, 0, 1): x > t ? 1 : x < -t ? -1 : 0
    "binarize": Op(
        2, 1, {"levels": Choice(((-1, 1), (0, 1), (-1, 0, 1)))}, {"threshold": VECTOR}, ONE("threshold"), meanings.binarize
    ),
    # weights true for +1, false for -1; pad_value: the input's value outside of the map, any number
    "binary_conv2d": Op(
        3, 1, {**CONV, "pad_value": Real(-MAX_PAD, MAX_PAD)}, {"weight": BITS}, shapes.binary_conv2d, meanings.binary_conv2d,
        source="binarize",
    ),
    "affine": Op(4, 1, {}, {"factor": VECTOR, "offset": VECTOR}, ONE("factor", "offset"), meanings.affine),
    # x > 0 ? positive x : negative x
    "prelu": Op(5, 1, {}, {"positive": VECTOR, "negative": VECTOR}, ONE("positive", "negative"), meanings.prelu),
    "unary": Op(6, 1, {"function": Choice(tuple(FUNCTIONS))}, {}, shapes.same, meanings.unary),
    # the second input may be 1 x 1 (one number per channel) or have one channel
    "add": Op(7, 2, {}, {}, shapes.broadcast, meanings.add),
    "mul": Op(8, 2, {}, {}, shapes.broadcast, meanings.mul),
    "concat": Op(9, None, {}, {}, shapes.concat, meanings.concat),
    # channels start, start + step, .., of which there are `count`
    "slice": Op(
        10, 1, {"start": Integers(0, MAX_CHANNELS - 1), "step": CHANNELS, "count": CHANNELS}, {},
        shapes.slice_channels, meanings.slice_channels,
    ),
    # channel i of the output is channel order[i]
    "permute": Op(11, 1, {}, {"order": INDEX}, shapes.permute, meanings.permute),
    # channel j of the output is the mean of channels n j .. n j + n - 1
    "group_mean": Op(12, 1, {"group": CHANNELS}, {}, shapes.group_mean, meanings.group_mean),
    # max: padding is never the largest; average: padding counts as 0
    "pool": Op(
        13, 1, {"kind": Choice(("max", "average")), "kernel": Integers(1, MAX_WINDOW, 2), **WINDOW}, {},
        shapes.pool, meanings.pool,
    ),
    "global_mean": Op(14, 1, {}, {}, shapes.global_mean, meanings.global_mean),
    # over each `group` adjacent channels
    "softmax": Op(15, 1, {"group": CHANNELS}, {}, shapes.softmax, meanings.softmax),
    # over C, H, W of each image
    "layer_norm": Op(
        16, 1, {"epsilon": Real(1e-12, 1.0)}, {"factor": VECTOR, "offset": VECTOR}, ONE("factor", "offset"),
        meanings.layer_norm,
    ),
}  # fmt: skip
