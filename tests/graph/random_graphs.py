"""Small valid random graphs: all operations, and blocks as networks have them.

A graph of a seed is always the same. Its thresholds are safe for `images_for` of the same seed; see sampler.py.
"""

from tests.graph.random_nodes import NODES, convolution
from tests.graph.random_patterns import EXACT_PATTERNS, PATTERNS, POINT
from tests.graph.sampler import Sampler, images_of

EXACT_NODES = (
    "conv2d",
    "binarize",
    "binary_conv2d",
    "affine",
    "prelu",
    "add",
    "mul",
    "concat",
    "slice",
    "permute",
    "pool",
)
HEADS = ("mean", "mean", "conv2d", "binary_conv2d", "max", "average")


def random_graph(seed):
    """A Graph of a few to some 100 nodes, whose output is a map of 1 x 1."""
    sampler = Sampler(seed)
    value = _stem(sampler)
    for _ in range(sampler.choose((0, 1, 1, 2, 2, 3, 4, 6, 8))):
        if sampler.full:
            break
        value = _step(sampler, value)
    _head(sampler, value)
    return sampler.builder.graph()


def images_for(graph, seed):
    """Images (B, 3, S, S) for which the thresholds of random_graph(seed) are safe."""
    return images_of(graph.shape[1], seed)


def _stem(sampler):
    """First value: the image, or a convolution of it."""
    if sampler.exact:
        return sampler.binarize(0)
    if sampler.coin(0.2):
        return 0
    value = NODES[sampler.choose(("conv2d", "conv2d", "conv2d", "binary_conv2d"))](sampler, 0)
    for _ in range(4):  # many channels are likelier to straddle words than three
        if sampler.shape(value)[0] >= 8 or sampler.coin(0.3):
            break
        limit = min(129, sampler.width_of_map(value), sampler.work // 4)
        value = convolution(sampler, value, "conv2d", POINT, 1, sampler.channels(limit)) or value
    return sampler.norm(value) if sampler.coin() else sampler.moderate(value)


def _step(sampler, value):
    """Next value: of a pattern or an operation, on the last value or an older one."""
    if sampler.coin(0.1):
        value = sampler.any_value()
    patterns, nodes = (EXACT_PATTERNS, EXACT_NODES) if sampler.exact else (PATTERNS, tuple(NODES))
    function = sampler.choose(patterns) if sampler.coin(0.65) else NODES[sampler.choose(nodes)]
    made = function(sampler, value)
    if sampler.coin(0.1):  # a value that nothing reads
        sampler.choose((NODES["affine"], NODES["binarize"], NODES["pool"]))(sampler, made)
    return sampler.moderate(made)


def _head(sampler, value):
    """Values up to the output."""
    _, height, width = sampler.shape(value)
    if (height, width) != (1, 1):
        way = sampler.choose(HEADS[2:-1] if sampler.exact else HEADS)
        whole = {"kernel": (height, width), "stride": sampler.choose((1, 2, 64)), "padding": (0,) * 4}
        if way in ("conv2d", "binary_conv2d"):
            source = sampler.binarize(value) if way == "binary_conv2d" else value
            value = convolution(sampler, source, way, whole) or sampler.add("global_mean", value)
        elif way == "mean":
            value = sampler.add("global_mean", value)
        else:
            value = sampler.add("pool", value, kind=way, **whole)
    ends = (
        ("binarize", "affine", "conv2d")
        if sampler.exact
        else ("affine", "conv2d", "softmax", "binary_conv2d")
    )
    for _ in range(sampler.choose((0, 1, 1, 2))):
        value = sampler.moderate(NODES[sampler.choose(ends)](sampler, value))
    if value != sampler.last or value == 0:
        value = sampler.affine(value)
    if sampler.shape(value)[1:] != (
        1,
        1,
    ):  # a convolution with stride and padding keeps 1 x 1; a test relies on it
        sampler.add("global_mean", value)
