"""Random blocks as networks have them, which a planner may run as one step: functions (sampler, value) -> value, PATTERNS.

A block returns the value as it is where it does not fit, or takes more work than is left.
"""

from tests.graph.random_nodes import convolution, groups_of, layer_norm, places_of, same_padding, summed

POINT = {"kernel": (1, 1), "stride": 1, "padding": (0,) * 4}
MERGED = 3  # branches at most


def binary_layer(s, x, out=None, geometry=POINT, groups=1, shortcut=True, levels=None):
    """binarize, binary_conv2d, affine, add, prelu, offset; or None where the work is too much. Most parts come at times.

    shortcut: True to add what fits of x (itself, repeated, or a mean of groups); a value; or None.
    """
    bits = s.binarize(x, levels)
    y = convolution(s, bits, "binary_conv2d", geometry, groups, out)
    if y is None:
        return None
    y = s.norm(y) if s.coin(0.8) else s.affine(y)
    y = with_shortcut(s, y, x if shortcut is True else shortcut)
    if s.coin(0.8):
        y = s.activation(y)
    return s.offset(y) if s.coin(0.8) else y


def with_shortcut(s, y, x):
    """y + x, x repeated or with means of its channels; y where the shapes do not allow it. The operands come in any order."""
    if x is None or s.shape(x)[1:] != s.shape(y)[1:]:
        return y
    outputs, inputs = s.shape(y)[0], s.shape(x)[0]
    if inputs > outputs and inputs % outputs == 0:
        x = s.add("group_mean", x, group=inputs // outputs)
    elif outputs > inputs and outputs % inputs == 0 and outputs // inputs <= 64:
        x = s.add("concat", *[x] * (outputs // inputs))
    elif inputs != outputs:
        return y
    return s.add("add", *((y, x) if s.coin(0.7) else (x, y)))


def layer(s, x):
    """Binary layer of any window and groups."""
    kernel = s.choose(((1, 1), (1, 1), (3, 3), (3, 3), (7, 1), (1, 7), (3, 2), (5, 5)))
    geometry = {"kernel": kernel, "stride": s.choose((1, 1, 1, 2)), "padding": same_padding(kernel)}
    groups = 1 if kernel == (1, 1) else groups_of(s, s.shape(x)[0])
    out = s.shape(x)[0] if s.coin() else None
    return binary_layer(s, x, out, geometry, groups) or x


def branches(s, x):
    """Several binary layers of one affine, each with its own thresholds, and their sum."""
    x = s.norm(x)
    channels, found = s.shape(x)[0], []
    for _ in range(s.choose((2, 3))):
        y = binary_layer(s, x, channels, levels=(-1, 1) if s.coin(0.8) else None)
        found += [] if y is None else [y]
    return total(s, found) if found else x


def total(s, values):
    """Sum of values of one shape."""
    result = values[0]
    for value in values[1:]:
        result = s.add("add", result, value)
    return result


def mlp(s, x):
    """Two binary layers, the inner one wider, with shortcuts by repetition and by means of groups."""
    channels = s.shape(x)[0]
    wide = channels * s.choose((2, 3, 4))
    y = binary_layer(s, x, wide) if wide <= s.width_of_map(x) else None
    return x if y is None else binary_layer(s, y, channels) or y


def wave(s, x):
    """Amplitude times cos and sin of a phase; then a binary layer along one axis that reads two channels a group."""
    channels = s.shape(x)[0]
    if 2 * channels > s.width_of_map(x):
        return x
    x = s.norm(x)
    phase, amplitude = binary_layer(s, x, channels), binary_layer(s, x, channels)
    if phase is None or amplitude is None:
        return x
    phase = s.norm(phase) if s.largest(phase) > 8 else phase
    parts = [s.add("unary", phase, function=name) for name in ("cos", "sin")]
    parts = [s.add("mul", *((amplitude, p) if s.coin(0.8) else (p, amplitude))) for p in parts]
    y = s.add("concat", *parts)
    if s.coin(0.3):  # cos and sin of a channel side by side
        y = s.add("permute", y, order=[i // 2 + i % 2 * channels for i in range(2 * channels)])
    kernel = s.choose(((7, 1), (1, 7)))
    geometry = {"kernel": kernel, "stride": 1, "padding": same_padding(kernel)}
    return binary_layer(s, y, channels, geometry, channels) or y


def merge(s, x):
    """Maps weighed by a softmax over branches, which a vector of their mean decides, and a residual."""
    channels, count = s.shape(x)[0], s.random.randint(2, MERGED)
    maps = [y for _ in range(count) if (y := binary_layer(s, x, channels))]
    if len(maps) < 2:
        return x
    mean = s.add("global_mean", total(s, maps))
    inner = binary_layer(s, mean, max(1, channels // 4))
    scores = None if inner is None else binary_layer(s, inner, channels * len(maps))
    if scores is None:
        return total(s, maps)
    weights = s.add("softmax", scores, group=len(maps))
    shares = [s.add("slice", weights, start=i, step=len(maps), count=channels) for i in range(len(maps))]
    result = x if s.coin(0.7) else None
    for each, share in zip(maps, shares):
        part = s.add("mul", each, share)
        result = part if result is None else s.add("add", result, part)
    return result


def mean_of_pools(s, x):
    """Mean of largest numbers of windows of several sizes, stride 2."""
    sizes = s.choose(((2, 3, 5, 7), (2, 3), (3, 5), (2,), (2, 3, 5)))
    _, *side = s.shape(x)
    pools = []
    for k in sizes:
        pads = [max((-(-n // 2) - 1) * 2 + k - n, 0) for n in side]
        before = [p // 2 for p in pads]
        padding = (*before, *(p - b for p, b in zip(pads, before)))
        if max(padding) >= k:
            return x
        pools.append(s.add("pool", x, kind="max", kernel=(k, k), stride=2, padding=padding))
    pools = [p for p in pools if s.shape(p) == s.shape(pools[0])]
    y = total(s, pools)
    return s.add("affine", y, factor=[1 / len(pools)], offset=[0]) if len(pools) > 1 else y


def squeeze_excite(s, x):
    """Global mean, two layers on the vector, a gate, and the product with the map."""
    channels = s.shape(x)[0]
    y = summed(s, x)
    for out in (max(1, channels // s.choose((2, 4))), channels):
        if s.coin(0.7):
            y = convolution(s, y, "conv2d", POINT, 1, out) or y
            y = s.activation(s.affine(y)) if s.coin() else y
        else:
            y = binary_layer(s, y, out) or y
    y = s.add("unary", y, function=s.choose(("sigmoid", "hardsigmoid", "tanh")))
    return s.add("mul", x, y) if s.shape(y)[0] in (1, channels) else x


def downsample(s, x):
    """Binary 3x3 convolution of stride 2, with the mean of 2x2 windows as its shortcut."""
    channels, height, width = s.shape(x)
    if height % 2 or width % 2:
        return x
    geometry = {"kernel": (3, 3), "stride": 2, "padding": (1,) * 4}
    means = s.add("pool", x, kind="average", kernel=(2, 2), stride=2, padding=(0,) * 4)
    out = channels * s.choose((1, 2))
    return binary_layer(s, x, out, geometry, 1, means) or means


def projection(s, x):
    """Two binary layers, the first with a stride, and a third beside them as their shortcut: a sum of two layers."""
    stride, channels = s.choose((1, 2, 2, 3)), s.shape(x)[0]
    out = channels * s.choose((1, 2))
    around = {"kernel": (3, 3), "stride": stride, "padding": (1,) * 4}
    beside = s.choose((around, {**POINT, "stride": stride}))
    y, side = binary_layer(s, x, out, around, 1, None), binary_linear(s, x, out, beside)
    if y is None or side is None:
        return x
    inner = binary_linear(s, y, out, s.choose((POINT, {**around, "stride": 1})))
    if inner is None:
        return side
    both = s.add("add", *((inner, side) if s.coin() else (side, inner)))
    return s.activation(both) if s.coin() else both


def binary_linear(s, x, out, geometry):
    """binarize, binary_conv2d and affine; or None where the work is too much."""
    y = convolution(s, s.binarize(x), "binary_conv2d", geometry, 1, out)
    return None if y is None else s.norm(y)


def dense_block(s, x):
    """The map and the output of a layer on it behind one another, and parts of them in another order."""
    if 3 * s.shape(x)[0] > s.width_of_map(x):
        return x
    y = binary_layer(s, x, s.channels(s.shape(x)[0]), shortcut=None)
    if y is None:
        return x
    both = s.add("concat", x, y)
    channels = s.shape(both)[0]
    if s.coin():
        return both
    half = [
        s.add("slice", both, start=i, step=2, count=(channels - i + 1) // 2) for i in range(min(2, channels))
    ]
    return s.add("concat", *reversed(half))


def shared_bits(s, x):
    """One binarize that two convolutions and a sum read."""
    bits, channels = s.binarize(x), s.shape(x)[0]
    geometry = {"kernel": (3, 3), "stride": 1, "padding": (1,) * 4}
    found = [convolution(s, bits, "binary_conv2d", g, 1, channels) for g in (POINT, geometry)]
    found = [s.norm(y) for y in found if y is not None]
    return total(s, [*found, bits]) if s.coin() else total(s, [bits, *found])


def spatial_gate(s, x):
    """Map times a gate of one channel for each position."""
    gate = s.add("unary", s.add("group_mean", x, group=s.shape(x)[0]), function="sigmoid")
    return s.add(s.choose(("mul", "add")), x, gate)


def full_mlp(s, x):
    """Layer norm and two 1x1 convolutions of full precision with a residual."""
    channels = s.shape(x)[0]
    y = layer_norm(s, x)
    for out in (2 * channels, channels):
        y = convolution(s, y, "conv2d", POINT, 1, out) or y
        y = s.affine(y)
        y = (
            s.add("unary", y, function=s.choose(("gelu", "silu", "hardswish")))
            if s.shape(y)[0] != channels
            else y
        )
    return with_shortcut(s, y, x)


def depthwise(s, x):
    """Depth-wise convolution of full precision with stride, norm and activation, as of a stem."""
    kernel = s.choose(((3, 3), (4, 4), (7, 7)))
    geometry = {"kernel": kernel, "stride": s.choose((1, 2, 4)), "padding": same_padding(kernel)}
    if min(places_of(s.shape(x), **geometry)) < 1:
        return x
    y = convolution(s, x, "conv2d", geometry, s.choose((1, s.shape(x)[0])))
    return x if y is None else s.activation(s.norm(y))


PATTERNS = (
    layer, layer, layer, branches, mlp, wave, merge, mean_of_pools, squeeze_excite, downsample, projection, dense_block,
    shared_bits, spatial_gate, full_mlp, depthwise,
)  # fmt: skip
EXACT_PATTERNS = (
    layer,
    layer,
    branches,
    mlp,
    mean_of_pools,
    downsample,
    projection,
    dense_block,
    shared_bits,
)  # of what rounding leaves
