"""From a graph's operations to standard ONNX nodes: LOWERINGS, one function per row of OPS (src/graph/ops.py).

A lowering takes the writer, the node and the names of its inputs, adds ONNX nodes, and returns the name of its value. Every
value is a map (B, C, H, W), B free or fixed: Reshape keeps the size of axis 0 by a 0 in its shape.
"""

import math

import numpy as np

# operations of the files that are written, and so of those that are read (onnx_network.py)
OPERATIONS = {
    "Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "Cos", "Div", "Erf", "Flatten", "Gather",
    "GlobalAveragePool", "Greater", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "Less",
    "MaxPool", "Mul", "PRelu", "Pad", "ReduceMean", "Relu", "Reshape", "Sigmoid", "Sin", "Slice", "Softmax",
    "Tanh", "Where",
}  # fmt: skip


def column(vector):
    """A number per channel, or one for all, along axis 1."""
    return vector.reshape(1, -1, 1, 1)


def is_one_number(vector, number):
    """True where a vector is one number for all channels, this one."""
    return vector.size == 1 and vector.item() == number


# --- convolutions ---


def window_of(node):
    """ONNX attributes of a convolution's window. Both sides have the padding as (top, left, bottom, right)."""
    stride, kernel = node.attributes["stride"], node.tensors["weight"].shape[2:]
    return {
        "kernel_shape": list(kernel),
        "strides": [stride, stride],
        "pads": list(node.attributes["padding"]),
        "group": node.attributes["groups"],
    }


def conv2d(writer, node, x):
    return writer.add("Conv", [x, writer.tensor("weight", node.tensors["weight"])], **window_of(node))


def binary_conv2d(writer, node, x):
    """Weights -1 and +1 in full precision; a border of other numbers than 0 by Pad."""
    weight = writer.tensor("weight", np.where(node.tensors["weight"], 1, -1).astype(np.float32))
    window, value = window_of(node), node.attributes["pad_value"]
    if value and any(window["pads"]):
        top, left, bottom, right = window["pads"]
        pads = writer.integers("pads", (0, 0, top, left, 0, 0, bottom, right))
        x = writer.add("Pad", [x, pads, writer.number(value)])
        window["pads"] = [0] * 4
    return writer.add("Conv", [x, weight], **window)


# --- per number ---


def binarize(writer, node, x):
    """Comparison with the threshold, then a choice of two numbers; of three by a second one."""
    threshold, levels = column(node.tensors["threshold"]), node.attributes["levels"]
    above = writer.add("Greater", [x, writer.tensor("threshold", threshold)])
    if levels == (0, 1):
        return writer.add("Cast", [above], to=writer.FLOAT)
    low = writer.number(levels[0])
    if levels == (-1, 0, 1):
        below = writer.add("Less", [x, writer.tensor("minus_threshold", -threshold)])
        low = writer.add("Where", [below, low, writer.number(0)])
    return writer.add("Where", [above, writer.number(1), low])


def affine(writer, node, x):
    """Product and sum, without those that change nothing. Runtimes fuse them with a convolution before."""
    factor, offset = (node.tensors[name] for name in ("factor", "offset"))
    plain = x
    if not is_one_number(factor, 1):
        x = writer.add("Mul", [x, writer.tensor("factor", column(factor))])
    if not is_one_number(offset, 0):
        x = writer.add("Add", [x, writer.tensor("offset", column(offset))])
    return writer.add("Identity", [x]) if x == plain else x


def prelu(writer, node, x):
    """Relu or PRelu where the slope above 0 is 1, else the product with one of two slopes."""
    positive, negative = (node.tensors[name] for name in ("positive", "negative"))
    if is_one_number(positive, 1):
        if is_one_number(negative, 0):
            return writer.add("Relu", [x])
        return writer.add("PRelu", [x, writer.tensor("slope", negative.reshape(-1, 1, 1))])
    slopes = [writer.tensor(name, column(node.tensors[name])) for name in ("positive", "negative")]
    above = writer.add("Greater", [x, writer.number(0)])
    return writer.add("Mul", [writer.add("Where", [above, *slopes]), x])


def gelu(writer, x):
    """x / 2 (1 + erf(x / sqrt(2))), in the form that runtimes know."""
    y = writer.add("Erf", [writer.add("Div", [x, writer.number(math.sqrt(2))])])
    y = writer.add("Mul", [x, writer.add("Add", [y, writer.number(1)])])
    return writer.add("Mul", [y, writer.number(0.5)])


def clip(low, high):
    """Lowering of a function that keeps numbers between two limits."""
    return lambda writer, x: writer.add("Clip", [x, writer.number(low), writer.number(high)])


def standard(op, **attributes):
    """Lowering of a function that is one ONNX operation."""
    return lambda writer, x: writer.add(op, [x], **attributes)


FUNCTIONS = {  # of `unary`: (writer, x) -> name
    "sigmoid": standard("Sigmoid"),
    "gelu": gelu,
    "tanh": standard("Tanh"),
    "cos": standard("Cos"),
    "sin": standard("Sin"),
    "hardtanh": clip(-1, 1),
    "relu6": clip(0, 6),
    "hardsigmoid": standard("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hardswish": standard("HardSwish"),
    "silu": lambda writer, x: writer.add("Mul", [x, writer.add("Sigmoid", [x])]),
}


def unary(writer, node, x):
    return FUNCTIONS[node.attributes["function"]](writer, x)


def add(writer, node, x, y):
    return writer.add("Add", [x, y])


def mul(writer, node, x, y):
    return writer.add("Mul", [x, y])


# --- channels ---


def concat(writer, node, *inputs):
    return writer.add("Concat", inputs, axis=1)


def slice_channels(writer, node, x):
    start, step, count = (node.attributes[name] for name in ("start", "step", "count"))
    bounds = {"starts": start, "ends": start + step * (count - 1) + 1, "axes": 1, "steps": step}
    return writer.add("Slice", [x, *(writer.integers(name, (value,)) for name, value in bounds.items())])


def permute(writer, node, x):
    return writer.add("Gather", [x, writer.integers("order", node.tensors["order"])], axis=1)


def in_groups(writer, node, x, channels):
    """(B, C, H, W) -> (B, C / group, group, H W)."""
    group, (_, height, width) = node.attributes["group"], node.shape
    shape = writer.integers("groups", (0, channels // group, group, height * width))
    return writer.add("Reshape", [x, shape])


def as_map(writer, node, x):
    """A value in the shape of the node's output."""
    return writer.add("Reshape", [x, writer.integers("shape", (0, *node.shape))])


def group_mean(writer, node, x):
    groups = in_groups(writer, node, x, node.shape[0] * node.attributes["group"])
    return as_map(writer, node, writer.add("ReduceMean", [groups], axes=[2], keepdims=0))


def softmax(writer, node, x):
    groups = in_groups(writer, node, x, node.shape[0])
    return as_map(writer, node, writer.add("Softmax", [groups], axis=2))


# --- positions ---


def pool(writer, node, x):
    """Padding is never the largest, and counts as 0 in a mean."""
    attributes = node.attributes
    window = {
        "kernel_shape": list(attributes["kernel"]),
        "strides": [attributes["stride"]] * 2,
        "pads": list(attributes["padding"]),
    }
    if attributes["kind"] == "max":
        return writer.add("MaxPool", [x], **window)
    return writer.add("AveragePool", [x], count_include_pad=1, **window)


def global_mean(writer, node, x):
    return writer.add("GlobalAveragePool", [x])


def layer_norm(writer, node, x):
    """Norm of an image as one channel, then factor and offset per channel."""
    flat = writer.add("Reshape", [x, writer.integers("flat", (0, 1, math.prod(node.shape)))])
    unit = [writer.tensor(name, np.array([value], np.float32)) for name, value in (("one", 1), ("zero", 0))]
    y = writer.add("InstanceNormalization", [flat, *unit], epsilon=node.attributes["epsilon"])
    return affine(writer, node, as_map(writer, node, y))


LOWERINGS = {
    "conv2d": conv2d,
    "binarize": binarize,
    "binary_conv2d": binary_conv2d,
    "affine": affine,
    "prelu": prelu,
    "unary": unary,
    "add": add,
    "mul": mul,
    "concat": concat,
    "slice": slice_channels,
    "permute": permute,
    "group_mean": group_mean,
    "pool": pool,
    "global_mean": global_mean,
    "softmax": softmax,
    "layer_norm": layer_norm,
}
