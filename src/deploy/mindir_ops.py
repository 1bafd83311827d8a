"""Operations of a graph as MindSpore's primitives: one function (builder, node, *inputs) -> output each, TRANSLATIONS.

Only primitives of PRIMITIVES are used: they are older than MindSpore 2.0, and MindSpore Lite 2.0 runs them.
Inputs and outputs are names of tensors (B, C, H, W). Attributes are those of the primitives' first form.
"""

import math

import numpy as np

PRIMITIVES = (
    "Add", "BiasAdd", "Cast", "Concat", "Conv2D", "Cos", "Erf", "Gather", "Greater", "Less", "MakeTuple", "MaxPool", "Maximum",
    "Minimum", "Mul", "Pad", "RealDiv", "ReLU", "ReLU6", "ReduceMean", "Reshape", "Sigmoid", "Sin", "Softmax", "Sqrt",
    "StridedSlice", "Sub", "Tanh",
)  # fmt: skip
LOWEST = -1.0e38  # added to what a pool of largest numbers finds outside of the map
FLOAT32 = 43  # MindSpore's number of the type
CHANNEL, SPATIAL = 1, (2, 3)  # axes


def _vector(builder, name, numbers):
    """Parameter of one number per channel, or one for all."""
    return builder.parameter(name, np.asarray(numbers, np.float32).reshape(1, -1, 1, 1))


def _fixed(node, name, number):
    """True where a vector is this one number in every trained network."""
    return name not in node.notes.get("learned", ()) and np.array_equal(node.tensors[name], [number])


def _convolve(b, node, x, weight, groups):
    """Conv2D with the geometry of a node. Taps that see nothing but padding at every place are left out."""
    stride, (top, left, bottom, right) = node.attributes["stride"], node.attributes["padding"]
    sides = zip(b.shapes[x][2:], node.shape[1:], weight.shape[2:], (top, left), (bottom, right))
    (top, bottom, rows), (left, right, columns) = (_inside(stride, *side) for side in sides)
    weight, padding = weight[:, :, rows, columns], (top, bottom, left, right)
    return b.node(
        "Conv2D", x, b.parameter("weight", weight.astype(np.float32)), shape=b.batched(node.shape), mode=1,
        out_channel=len(weight), kernel_size=weight.shape[2:], pad_mode="pad", pad=padding, pad_list=padding,
        stride=(1, 1, stride, stride), dilation=(1, 1, 1, 1), group=groups, groups=groups, format="NCHW",
    )  # fmt: skip


def _inside(stride, size, places, taps, before, after):
    """(padding before, padding after, slice of the taps) of a window along an axis, without taps that see padding alone.

    Lite's depth-wise convolution writes beyond its memory where a kernel is much wider than the map.
    """
    first = max(0, before - stride * (places - 1))  # the first tap that sees the map at the last place
    last = min(taps, before + size)  # behind the last tap that sees it at the first place
    return before - first, after - (taps - last), slice(first, last)


def conv2d(b, node, x):
    """Convolution of full precision."""
    return _convolve(b, node, x, node.tensors["weight"], node.attributes["groups"])


def binary_conv2d(b, node, x):
    """Convolution with weights -1 and +1.

    A padding with p is one with 0 of x - p; then p times the sum of the filter is missing. All are exact where p is an integer.
    """
    weight, groups = np.where(node.tensors["weight"], 1, -1), node.attributes["groups"]
    outside = node.attributes["pad_value"]
    if outside == 0 or not any(node.attributes["padding"]):
        return _convolve(b, node, x, weight, groups)
    y = _convolve(b, node, b.node("Sub", x, b.number(outside)), weight, groups)
    return b.node("Add", y, _vector(b, "padding", outside * weight.sum((1, 2, 3))))


def _indicator(b, primitive, x, key, threshold):
    """1 where the comparison with the threshold holds, else 0.

    A threshold per channel is subtracted first, which changes no comparison: Lite's comparison broadcasts only one number well.
    """
    if threshold.size > 1:
        x, threshold = b.node("Sub", x, _vector(b, key, threshold)), np.zeros(1, np.float32)
    return b.node("Cast", b.node(primitive, x, b.number(threshold[0]), dtype=np.bool_), b.constant(FLOAT32))


def binarize(b, node, x):
    """Two values by Greater; three as the difference of Greater and Less."""
    t, levels = node.tensors["threshold"], node.attributes["levels"]
    above = _indicator(b, "Greater", x, "threshold", t)
    if levels == (-1, 0, 1):
        # below 0, x < -t and not x > t is x <= t, which is x below the number that follows t
        lower = np.where(t >= 0, -t, np.nextafter(t, np.float32(np.inf)))
        return b.node("Sub", above, _indicator(b, "Less", x, "lower_threshold", lower))
    if levels == (0, 1):
        return above
    return b.node("Sub", b.node("Mul", above, b.number(2)), b.number(1))


def affine(b, node, x):
    """Mul by the factor and BiasAdd of the offset; neither where it changes nothing.

    Lite makes one operation of Mul and Add, and refuses some networks for it.
    """
    if not _fixed(node, "factor", 1):
        x = b.node("Mul", x, _vector(b, "factor", node.tensors["factor"]))
    if _fixed(node, "offset", 0):
        return x
    offset = np.broadcast_to(node.tensors["offset"], node.shape[:1])
    return b.node("BiasAdd", x, b.parameter("offset", offset), format="NCHW", data_format="NCHW")


def prelu(b, node, x):
    """ReLU, or the sum of a factor times Maximum and a factor times Minimum with 0."""
    if _fixed(node, "positive", 1) and _fixed(node, "negative", 0):
        return b.node("ReLU", x)
    above, below = b.node("Maximum", x, b.number(0)), b.node("Minimum", x, b.number(0))
    if not _fixed(node, "positive", 1):
        above = b.node("Mul", above, _vector(b, "positive_slope", node.tensors["positive"]))
    return b.node("Add", above, b.node("Mul", below, _vector(b, "slope", node.tensors["negative"])))


def _gelu(b, x):
    share = b.node("Erf", b.node("Mul", x, b.number(1 / math.sqrt(2))))
    share = b.node("Mul", b.node("Add", share, b.number(1)), b.number(0.5))
    return b.node("Mul", x, share)


def _hard_sigmoid(b, x):
    return b.node("Mul", b.node("ReLU6", b.node("Add", x, b.number(3))), b.number(1 / 6))


FUNCTIONS = {
    "sigmoid": lambda b, x: b.node("Sigmoid", x),
    "gelu": _gelu,
    "tanh": lambda b, x: b.node("Tanh", x),
    "cos": lambda b, x: b.node("Cos", x),
    "sin": lambda b, x: b.node("Sin", x),
    "hardtanh": lambda b, x: b.node("Maximum", b.node("Minimum", x, b.number(1)), b.number(-1)),
    "relu6": lambda b, x: b.node("ReLU6", x),
    "hardsigmoid": _hard_sigmoid,
    "hardswish": lambda b, x: b.node("Mul", x, _hard_sigmoid(b, x)),
    "silu": lambda b, x: b.node("Mul", x, b.node("Sigmoid", x)),
}


def unary(b, node, x):
    """A function of each number."""
    return FUNCTIONS[node.attributes["function"]](b, x)


def add(b, node, x, y):
    """Sum."""
    return b.node("Add", x, y)


def mul(b, node, x, y):
    """Product."""
    return b.node("Mul", x, y)


def concat(b, node, *inputs):
    """Channels of the inputs behind one another."""
    return b.node("Concat", b.tuple(*inputs), shape=b.batched(node.shape), axis=CHANNEL)


def slice_channels(b, node, x):
    """StridedSlice of the channels; the masks let it take all of the other axes."""
    start, step, count = (node.attributes[name] for name in ("start", "step", "count"))
    bounds = (0, start, 0, 0), (0, start + step * (count - 1) + 1, 0, 0), (1, step, 1, 1)
    return b.node(
        "StridedSlice", x, *map(b.constant, bounds), shape=b.batched(node.shape),
        begin_mask=0b1101, end_mask=0b1101, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip


def permute(b, node, x):
    """Gather of the channels."""
    order = b.parameter("order", node.tensors["order"].astype(np.int32))
    return b.node("Gather", x, order, b.constant(CHANNEL), shape=b.batched(node.shape), batch_dims=0)


def _reshape(b, x, shape):
    return b.node("Reshape", x, b.constant(b.batched(shape)), shape=b.batched(shape))


def _split(b, x, group):
    """Tensor (B, C / n, n, H W) of a map (B, C, H, W), n the channels of a group."""
    _, channels, height, width = b.shapes[x]
    return _reshape(b, x, (channels // group, group, height * width))


def group_mean(b, node, x):
    """ReduceMean over the channels of each group."""
    group, (channels, height, width) = node.attributes["group"], node.shape
    y = _split(b, x, group)
    shape = b.batched((channels, 1, height * width))
    y = b.node("ReduceMean", y, b.constant((2,)), shape=shape, keep_dims=True)
    return _reshape(b, y, node.shape)


def pool(b, node, x):
    """MaxPool without padding, of a map that is padded before; or a depth-wise Conv2D that takes means.

    MindSpore and Lite want another form of AvgPool each. Pad gives zeros; a map that is 0 inside and LOWEST outside is added.
    """
    kernel, padding = node.attributes["kernel"], node.attributes["padding"]
    if node.attributes["kind"] == "average":
        channels = node.shape[0]
        return _convolve(b, node, x, np.full((channels, 1, *kernel), 1 / math.prod(kernel)), channels)
    if any(padding):
        x = _padded(b, x, padding)
    stride = node.attributes["stride"]
    return b.node(
        "MaxPool", x, shape=b.batched(node.shape), kernel_size=(1, 1, *kernel), strides=(1, 1, stride, stride),
        pad_mode="VALID", format="NCHW",
    )  # fmt: skip


def _padded(b, x, padding):
    top, left, bottom, right = padding
    _, channels, height, width = b.shapes[x]
    rows, columns = top + height + bottom, left + width + right
    sides = ((0, 0), (0, 0), (top, bottom), (left, right))
    y = b.node("Pad", x, shape=b.batched((channels, rows, columns)), paddings=sides)
    outside = np.full((1, 1, rows, columns), LOWEST, np.float32)
    outside[:, :, top : top + height, left : left + width] = 0
    return b.node("Add", y, b.parameter("outside", outside))


def global_mean(b, node, x):
    """ReduceMean over the positions."""
    return b.node("ReduceMean", x, b.constant(SPATIAL), shape=b.batched(node.shape), keep_dims=True)


def softmax(b, node, x):
    """Softmax over the channels of each group."""
    y = b.node("Softmax", _split(b, x, node.attributes["group"]), axis=(2,))
    return _reshape(b, y, node.shape)


def layer_norm(b, node, x):
    """Norm by ReduceMean, Sqrt and RealDiv; then the affine."""
    axes, shape = b.constant((1, 2, 3)), b.batched((1, 1, 1))
    x = b.node("Sub", x, b.node("ReduceMean", x, axes, shape=shape, keep_dims=True))
    variance = b.node("ReduceMean", b.node("Mul", x, x), axes, shape=shape, keep_dims=True)
    deviation = b.node("Sqrt", b.node("Add", variance, b.number(node.attributes["epsilon"])))
    return affine(b, node, b.node("RealDiv", x, deviation))


TRANSLATIONS = {
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
