"""Values of a graph that any order of sums computes exactly in 32-bit floats.

Such a value is on a grid: its numbers are multiples of `unit`, a power of two, and at most `bound` either way. It is exact
while bound / unit is at most 2^24, also in the sums that lead to it.
"""

from dataclasses import dataclass

import numpy as np

LARGEST = 1 << 24  # integers up to here are floats


@dataclass(frozen=True)
class Grid:
    """Multiples of `unit`, at most `bound` either way."""

    unit: float
    bound: float


def unit_of(array):
    """Largest power of two of which all numbers are multiples; 2^24 for zeros alone."""
    mantissas, exponents = np.frexp(np.abs(array[array != 0]).astype(np.float64))
    digits = (mantissas * 2**53).astype(np.int64)
    return float(np.min(np.ldexp((digits & -digits).astype(np.float64), exponents - 53), initial=LARGEST))


def grids_of(graph):
    """Grid of each value, or None for a value that rounding may change."""
    grids = [None]
    for node in graph.nodes:
        shapes = [graph.shape_of(value) for value in node.inputs]
        grids.append(
            grid_of(node.op, [grids[value] for value in node.inputs], shapes, node.attributes, node.tensors)
        )
    return grids


def grid_of(op, inputs, shapes, attributes, tensors):
    """Grid of a node's value, or None, by the Grids and shapes of its inputs."""
    if op == "binarize":
        return Grid(1.0, 1.0)
    if None in inputs or op not in RULES:
        return None
    grid = RULES[op](inputs, shapes[0], attributes, tensors)
    return grid if grid is not None and grid.bound <= LARGEST * grid.unit else None


def _largest(array):
    return float(np.abs(array).max())


def _mean(x, count):
    """Mean of `count` numbers: the sum is exact, and so is the quotient by a power of two."""
    exact = count & (count - 1) == 0 and x.bound * count <= LARGEST * x.unit
    return Grid(x.unit / count, x.bound) if exact else None


def _binary_conv2d(inputs, shape, attributes, tensors):
    outside = np.float32([attributes["pad_value"] if any(attributes["padding"]) else 0])
    largest = max(1.0, _largest(outside))
    return Grid(min(1.0, unit_of(outside)), largest * float(np.prod(tensors["weight"].shape[1:])))


def _conv2d(inputs, shape, attributes, tensors):
    weight = tensors["weight"]
    sums = np.abs(weight).sum((1, 2, 3), dtype=np.float64)
    return Grid(inputs[0].unit * unit_of(weight), inputs[0].bound * float(sums.max()))


def _affine(inputs, shape, attributes, tensors):
    factor, offset = tensors["factor"], tensors["offset"]
    unit = min(inputs[0].unit * unit_of(factor), unit_of(offset))
    return Grid(unit, inputs[0].bound * _largest(factor) + _largest(offset))


def _prelu(inputs, shape, attributes, tensors):
    slopes = np.concatenate([tensors["positive"], tensors["negative"]])
    return Grid(inputs[0].unit * unit_of(slopes), inputs[0].bound * _largest(slopes))


def _unary(inputs, shape, attributes, tensors):
    limit = {"hardtanh": 1.0, "relu6": 6.0}.get(attributes["function"])
    return limit and Grid(min(inputs[0].unit, 1.0), min(inputs[0].bound, limit))


def _add(inputs, shape, attributes, tensors):
    return Grid(min(x.unit for x in inputs), sum(x.bound for x in inputs))


def _mul(inputs, shape, attributes, tensors):
    x, y = inputs
    return Grid(x.unit * y.unit, x.bound * y.bound)


def _any_of(inputs, shape, attributes, tensors):
    return Grid(min(x.unit for x in inputs), max(x.bound for x in inputs))


def _group_mean(inputs, shape, attributes, tensors):
    return _mean(inputs[0], attributes["group"])


def _global_mean(inputs, shape, attributes, tensors):
    return _mean(inputs[0], shape[1] * shape[2])


def _pool(inputs, shape, attributes, tensors):
    height, width = attributes["kernel"]
    return inputs[0] if attributes["kind"] == "max" else _mean(inputs[0], height * width)


RULES = {  # of the operations that keep grids
    "conv2d": _conv2d, "binary_conv2d": _binary_conv2d, "affine": _affine, "prelu": _prelu, "unary": _unary,
    "add": _add, "mul": _mul, "concat": _any_of, "slice": _any_of, "permute": _any_of, "group_mean": _group_mean,
    "pool": _pool, "global_mean": _global_mean,
}  # fmt: skip
