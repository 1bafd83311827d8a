"""From MindSpore's operations to ONNX's: TRANSLATIONS, one function per operation that the networks here use.

A translation takes the writer, the node and its arguments, and returns the node's value. A value is a `Constant`
(numbers known now), a `Result` (computed when the file runs), a tuple of values, or a plain Python value.
"""

from dataclasses import dataclass

import numpy as np

LAST = np.iinfo(np.int64).max  # the end of a slice that runs to the end of its axis


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers, and the name that they get in the file."""

    array: np.ndarray
    name: str


@dataclass(frozen=True)
class Result:
    """A tensor that a node of the file computes."""

    name: str
    dtype: type


@dataclass(frozen=True)
class Cut:
    """A place where a rounding difference may grow: a comparison with a constant, as a sign is, or a phase.

    source: the name of its result in the MINDIR graph; name: in the ONNX graph. value: the name of what is
    compared with the threshold; of a phase (op "Phase") its own.
    """

    source: str
    name: str
    value: str
    op: str  # "Greater", "Less" or "Phase"
    threshold: float = 0.0


class Unsupported(ValueError):
    """An operation, or one of its modes, without a translation."""


# --- values that only pass through ---


def first_argument(writer, node, value, *rest):
    """Load reads a parameter and Depend orders side effects: the value stays."""
    return value


def nothing(writer, node, *args):
    """A token that orders side effects."""
    return None


def make_tuple(writer, node, *items):
    return items


def take_item(writer, node, items, index):
    return writer.shaped(items[index], node)


# --- element by element ---

ELEMENTWISE = {
    "Abs": "Abs",
    "Add": "Add",
    "Div": "Div",
    "Divs": "Div",
    "Erf": "Erf",
    "MatMulExt": "MatMul",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Muls": "Mul",
    "Neg": "Neg",
    "ReLU": "Relu",
    "Sigmoid": "Sigmoid",
    "Sqrt": "Sqrt",
    "Sub": "Sub",
}


def elementwise(writer, node, *args):
    """Operations with a counterpart of the same arguments; a Python number takes the tensors' type."""
    dtype = next(writer.dtype(value) for value in args if isinstance(value, (Constant, Result)))
    return writer.add(ELEMENTWISE[node.op], [writer.name(value, dtype) for value in args], node)


COMPARISONS = {"Greater": "Greater", "LessScalar": "Less"}


def comparison(writer, node, x, threshold):
    """x > t or x < t; a Cut when t is a constant."""
    op, dtype = COMPARISONS[node.op], writer.dtype(x)
    y = writer.add(op, [writer.name(x), writer.name(threshold, dtype)], node)
    limit = threshold.array if isinstance(threshold, Constant) else threshold
    if isinstance(x, Result) and not isinstance(threshold, Result) and np.size(limit) == 1:
        writer.cut(Cut(node.output, y.name, x.name, op, float(limit)))
    return y


def wave(writer, node, x):
    """cos or sin of a phase, which is a Cut."""
    if isinstance(x, Result):
        writer.cut(Cut(node.inputs[0], x.name, x.name, "Phase"))
    return writer.add(node.op, [writer.name(x)], node)


def square(writer, node, x):
    return writer.add("Mul", [writer.name(x)] * 2, node)


def relu6(writer, node, x):
    dtype = writer.dtype(x)
    return writer.add("Clip", [writer.name(x), writer.name(0.0, dtype), writer.name(6.0, dtype)], node)


def add_in_place(writer, node, x, y, alpha=1, *token):
    """x += alpha y; the callers go on with the result."""
    if alpha != 1:
        raise Unsupported(f"{node.op} with a factor of {alpha}")
    return writer.add("Add", [writer.name(x), writer.name(y)], node)


def cast(writer, node, x, dtype=None):
    return writer.cast(x, node.type.dtype, node)


def bias_add(writer, node, x, bias, data_format=0):
    """x + b along axis 1."""
    shape = (1, -1, *[1] * (len(node.type.shape) - 2))
    return writer.add("Add", [writer.name(x), writer.name(writer.reshape(bias, shape, node))], node)


# --- shapes ---


def reshape(writer, node, x, shape):
    if not all(isinstance(size, int) for size in shape):
        raise Unsupported(f"{node.op} to a shape that is computed")
    return writer.reshape(x, shape, node)


def flatten(writer, node, x):
    return writer.add("Flatten", [writer.name(x)], node, axis=1)


def transpose(writer, node, x, order):
    return writer.add("Transpose", [writer.name(x)], node, perm=list(order))


def concat(writer, node, items, axis):
    return writer.add("Concat", [writer.name(item) for item in items], node, axis=axis)


def tile(writer, node, x, repeats):
    return writer.add("Tile", [writer.name(x), writer.name(repeats, np.int64)], node)


def strided_slice(
    writer, node, x, begin, end, strides, begin_mask, end_mask, ellipsis_mask, new_mask, shrink_mask
):
    """x[begin:end:strides] on the first axes; bit i of a mask: axis i has no begin, no end, or is taken away."""
    if ellipsis_mask or new_mask or min(strides) < 1:
        raise Unsupported(f"{node.op} with an ellipsis, a new axis or a negative stride")
    axes, starts, ends = range(len(begin)), list(begin), list(end)
    for axis in axes:
        if shrink_mask >> axis & 1:
            ends[axis] = starts[axis] + 1 or LAST  # -1: the last element
        elif begin_mask >> axis & 1:
            starts[axis] = 0
        if end_mask >> axis & 1 and not shrink_mask >> axis & 1:
            ends[axis] = LAST
    bounds = [writer.name(tuple(values), np.int64) for values in (starts, ends, axes, strides)]
    y = writer.add("Slice", [writer.name(x), *bounds], node)
    shrunk = tuple(axis for axis in axes if shrink_mask >> axis & 1)
    return writer.add("Squeeze", [y.name, writer.name(shrunk, np.int64)], node) if shrunk else y


# --- sums ---


def matmul(writer, node, x, y, transpose_x, transpose_y):
    """Of two matrices."""
    names = [writer.name(x), writer.name(y)]
    return writer.add("Gemm", names, node, transA=int(transpose_x), transB=int(transpose_y))


def reduce_mean(writer, node, x, axes, keep_dims):
    axes = (axes,) if isinstance(axes, int) else axes
    return writer.add("ReduceMean", [writer.name(x)], node, axes=list(axes), keepdims=int(keep_dims))


def softmax(writer, node, x, axes):
    axis = axes[0] if isinstance(axes, tuple) else axes
    return writer.add("Softmax", [writer.name(x)], node, axis=axis)


def conv(writer, node, x, weight):
    """Convolution, grouped or not; attributes per axis are (N, C, H, W)."""
    attributes = node.attributes
    kernel, strides, dilations = (
        writer.shape(weight)[2:],
        attributes["stride"][2:],
        attributes["dilation"][2:],
    )
    mode = attributes["pad_mode"].lower()
    if mode == "pad":
        top, bottom, left, right = attributes["pad"]
        pads = [top, left, bottom, right]
    else:
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
        pads = same_pads(writer.shape(x)[2:], reach, strides) if mode == "same" else [0] * 4
    settings = {
        "strides": list(strides),
        "dilations": list(dilations),
        "pads": pads,
        "group": attributes["group"],
    }
    return writer.add(
        "Conv", [writer.name(x), writer.name(weight)], node, kernel_shape=list(kernel), **settings
    )


def max_pool(writer, node, x):
    """Largest value of each window; padding never is one."""
    attributes = node.attributes
    kernel, strides, mode = (
        attributes["kernel_size"][2:],
        attributes["strides"][2:],
        attributes["pad_mode"].lower(),
    )
    if mode not in ("same", "valid"):
        raise Unsupported(f"{node.op} with pad_mode {mode}")
    pads = same_pads(writer.shape(x)[2:], kernel, strides) if mode == "same" else [0] * 4
    settings = {"kernel_shape": list(kernel), "strides": list(strides), "pads": pads}
    return writer.add("MaxPool", [writer.name(x)], node, **settings)


def same_pads(sizes, kernel, strides):
    """[top, left, bottom, right] of padding SAME: ceil(size / stride) windows, the odd element at the end.

    Raises Unsupported for a size that is not known.
    """
    if min(sizes) < 1:
        raise Unsupported("padding SAME on an image of free size")
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, strides)]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


# --- norms ---


def batch_norm(writer, node, x, scale, bias, mean, variance, is_training, eps, *rest):
    """With the stored statistics; the other results of the operation are for training."""
    if is_training:
        raise Unsupported(f"{node.op} with the statistics of the batch")
    names = [writer.name(value) for value in (x, scale, bias, mean, variance)]
    return (writer.add("BatchNormalization", names, node, dtype=writer.dtype(x), epsilon=eps),)


def group_norm(writer, node, x, groups, scale, bias, eps):
    """Groups become channels of an instance norm, then scale and bias per channel of x."""
    dtype, shape = writer.dtype(x), writer.shape(x)
    per_group = [writer.name((value,) * groups, dtype) for value in (1.0, 0.0)]
    flat = writer.reshape(x, (0, groups, -1), node)
    y = writer.add("InstanceNormalization", [flat.name, *per_group], node, dtype=dtype, epsilon=eps)
    y = writer.reshape(y, (0, *shape[1:]), node)
    per_channel = (1, -1, *[1] * (len(shape) - 2))
    y = writer.add("Mul", [y.name, writer.name(writer.reshape(scale, per_channel, node))], node, dtype=dtype)
    return (
        writer.add("Add", [y.name, writer.name(writer.reshape(bias, per_channel, node))], node, dtype=dtype),
    )


TRANSLATIONS = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(COMPARISONS, comparison),
    "Load": first_argument,
    "Depend": first_argument,
    "UpdateState": nothing,
    "MakeTuple": make_tuple,
    "TupleGetItem": take_item,
    "Cos": wave,
    "Sin": wave,
    "Square": square,
    "ReLU6": relu6,
    "InplaceAddExt": add_in_place,
    "Cast": cast,
    "BiasAdd": bias_add,
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Concat": concat,
    "Tile": tile,
    "StridedSlice": strided_slice,
    "MatMul": matmul,
    "ReduceMean": reduce_mean,
    "Softmax": softmax,
    "Conv2D": conv,
    "MaxPool": max_pool,
    "BatchNorm": batch_norm,
    "GroupNorm": group_norm,
}
