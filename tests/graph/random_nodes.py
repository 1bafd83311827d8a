"""Random nodes, one of any operation: functions (sampler, value) -> value, NODES by operation."""

import numpy as np

from src.graph.meanings import FUNCTIONS
from tests.graph.sampler import most_channels

MAX_PHASE = 8.0  # of cos and sin: their error is that of the phase
EPSILONS = (1e-12, 1e-6, 1e-5, 1e-3, 1.0)  # of layer_norm


def same_padding(kernel):
    """Padding (top, left, bottom, right) that keeps the size of a map at stride 1."""
    before = [(k - 1) // 2 for k in kernel]
    return (*before, *(k - 1 - b for k, b in zip(kernel, before)))


def places_of(shape, kernel, stride, padding):
    """Height and width of a window's output."""
    top, left, bottom, right = padding
    pads = (top + bottom, left + right)
    return tuple((size + pad - k) // stride + 1 for size, pad, k in zip(shape[1:], pads, kernel))


def window(sampler, value, largest=7):
    """Kernel, stride and padding that fit a value."""
    shape = sampler.shape(value)
    for _ in range(8):
        kernel = [sampler.random.randint(1, largest) for _ in range(2)]
        if sampler.coin(0.6):
            kernel = [sampler.choose((1, 1, 2, 3, 3, 4, 5, 7))] * 2
        if sampler.coin(0.1):
            kernel[sampler.random.randrange(2)] = 1
        padding = sampler.choose(
            (same_padding(kernel), (0,) * 4, tuple(sampler.random.randrange(k) for k in (*kernel, *kernel)))
        )
        if min(places_of(shape, kernel, 1, padding)) >= 1:
            return {
                "kernel": tuple(kernel),
                "stride": sampler.choose((1, 1, 1, 2, 2, 3, 5)),
                "padding": padding,
            }
    return {"kernel": (1, 1), "stride": sampler.choose((1, 2)), "padding": (0,) * 4}


def groups_of(sampler, channels):
    """Groups that divide channels: one, all, or between."""
    divisors = [d for d in range(1, channels + 1) if channels % d == 0]
    return sampler.choose((1, 1, channels, sampler.choose(divisors)))


def convolution(sampler, value, op, geometry=None, groups=None, out=None):
    """Value of a convolution, or None where it takes more work than is left.

    geometry: kernel, stride, padding; groups; out: channels of the output; drawn where they are None.
    """
    shape = sampler.shape(value)
    geometry = geometry or window(sampler, value)
    kernel, stride, padding = geometry["kernel"], geometry["stride"], geometry["padding"]
    groups = groups or groups_of(sampler, shape[0])
    places = places_of(shape, kernel, stride, padding)
    work = places[0] * places[1] * (shape[0] // groups) * kernel[0] * kernel[1]  # of an output channel
    most = most_channels(*places)
    if out is None:
        out = (
            groups * sampler.choose((1, 1, 2, 3, 4))
            if groups > 1
            else sampler.channels(min(sampler.work // work, most, 129))
        )
    if out > most or not sampler.spend(out * work):
        return None
    tensor = (sampler.bits if op == "binary_conv2d" else sampler.filters)((out, shape[0] // groups, *kernel))
    more = {"pad_value": sampler.pad_value()} if op == "binary_conv2d" else {}
    return sampler.add(op, value, weight=tensor, stride=stride, padding=padding, groups=groups, **more)


def conv2d(sampler, value):
    """Convolution of full precision."""
    return convolution(sampler, value, "conv2d") or value


def binary_conv2d(sampler, value):
    """Binary convolution of the value, which a binarize makes before where none has."""
    made = value > 0 and sampler.builder.nodes[value - 1].op == "binarize"
    bits = value if made else sampler.binarize(value)
    return convolution(sampler, bits, "binary_conv2d") or bits


def unary(sampler, value):
    """A function of each number."""
    function = sampler.choose(tuple(FUNCTIONS))
    if function in ("cos", "sin") and sampler.largest(value) > MAX_PHASE:
        value = sampler.norm(value)
    return sampler.add("unary", value, function=function)


def combined(op, sampler, value):
    """Sum or product with a map of the same shape, or of one channel, one position or both."""
    c, h, w = sampler.shape(value)
    fits = sampler.choose(
        (
            lambda shape: shape == (c, h, w),
            lambda shape: shape[0] in (1, c) and shape[1:] in ((1, 1), (h, w)),
        )
    )
    other = sampler.any_value(fits)
    if other in (None, value) and sampler.coin(0.9):
        other = sampler.choose((narrowed, summed))(sampler, value)
    return sampler.add(op, value, value if other is None else other)


def narrowed(sampler, value):
    """One channel of a map: the mean of all, or one of them."""
    c = sampler.shape(value)[0]
    if sampler.coin():
        return sampler.add("group_mean", value, group=c)
    return sampler.add("slice", value, start=sampler.random.randrange(c), step=1, count=1)


def summed(sampler, value):
    """A vector of a map's means."""
    return sampler.add("global_mean", value)


def concat(sampler, value):
    """Maps of one size behind one another, the same one twice at times."""
    size, limit = sampler.shape(value)[1:], sampler.width_of_map(value)
    inputs = [value]
    for _ in range(sampler.choose((0, 1, 1, 2, 3))):
        other = value if sampler.coin(0.3) else sampler.any_value(lambda shape: shape[1:] == size)
        if sum(sampler.shape(each)[0] for each in (*inputs, other)) <= limit:
            inputs.append(other)
    sampler.random.shuffle(inputs)
    return sampler.add("concat", *inputs)


def slice_channels(sampler, value):
    """Some of the channels."""
    c = sampler.shape(value)[0]
    start, step = sampler.random.randrange(c), sampler.choose((1, 1, 2, 3, sampler.random.randint(1, c)))
    most = (c - 1 - start) // step + 1
    return sampler.add(
        "slice", value, start=start, step=step, count=sampler.choose((most, sampler.random.randint(1, most)))
    )


def permute(sampler, value):
    """Channels in another order: shuffled, or by groups."""
    c = sampler.shape(value)[0]
    order = sampler.numbers.permutation(c)
    if sampler.coin():
        groups = groups_of(sampler, c)
        order = np.arange(c).reshape(groups, -1).T.ravel()
    return sampler.add("permute", value, order=order)


def _divisor(sampler, value):
    c = sampler.shape(value)[0]
    return sampler.choose([d for d in range(1, c + 1) if c % d == 0])


def group_mean(sampler, value):
    """Means of adjacent channels."""
    return sampler.add("group_mean", value, group=_divisor(sampler, value))


def softmax(sampler, value):
    """Softmax over adjacent channels."""
    return sampler.add("softmax", value, group=_divisor(sampler, value))


def pool(sampler, value):
    """Largest number or mean of windows."""
    geometry = window(sampler, value)
    return sampler.add("pool", value, kind=sampler.choose(("max", "average")), **geometry)


def layer_norm(sampler, value):
    """Norm of a whole map. epsilon is large where the numbers are nearly equal, for rounding would decide else."""
    channels, even = (
        sampler.shape(value)[0],
        sampler.values[value].std((1, 2, 3)).min() < 0.1 * sampler.largest(value),
    )
    epsilon = 1.0 if even else sampler.choose(EPSILONS)
    factor, offset = sampler.vector(channels, -1.5, 1.5), sampler.vector(channels, -1, 1)
    return sampler.add("layer_norm", value, epsilon=epsilon, factor=factor, offset=offset)


NODES = {
    "conv2d": conv2d,
    "binarize": lambda sampler, value: sampler.binarize(value),
    "binary_conv2d": binary_conv2d,
    "affine": lambda sampler, value: sampler.affine(value),
    "prelu": lambda sampler, value: sampler.activation(value),
    "unary": unary,
    "add": lambda sampler, value: combined("add", sampler, value),
    "mul": lambda sampler, value: combined("mul", sampler, value),
    "concat": concat,
    "slice": slice_channels,
    "permute": permute,
    "group_mean": group_mean,
    "pool": pool,
    "global_mean": summed,
    "softmax": softmax,
    "layer_norm": layer_norm,
}
