"""Limits of a graph in a packed file, so that a small file cannot ask for memory or time without end."""

import math

MAX_NODES, MAX_NUMBERS, MAX_WORK = 1 << 16, 1 << 26, 1 << 40  # nodes; numbers alive at once; multiplications
MAX_WORDS = 1 << 26  # of bits, in the rows that a binary convolution's window covers
LANES = 16  # a map's channels are rounded up to a multiple
WORD = 32  # bits


def violations(graph):
    """Violations of the limits by a Graph, in words: a list, empty for a good one."""
    shape = graph.nodes[-1].shape if graph.nodes else graph.shape
    conditions = {
        f"1 to {MAX_NODES} nodes": 1 <= len(graph.nodes) <= MAX_NODES,
        "an output of 1 x 1": shape[1:] == (1, 1),
        f"at most {MAX_NUMBERS} numbers alive at once": most_alive(graph) <= MAX_NUMBERS,
        f"at most {MAX_WORK} multiplications": work(graph) <= MAX_WORK,
        f"at most {MAX_WORDS} words in the rows that a binary convolution's window covers": (
            window_words(graph) <= MAX_WORDS
        ),
    }
    return [condition for condition, holds in conditions.items() if not holds]


def most_alive(graph):
    """Most numbers that are alive at a node: of its output, and of values that it or a later node reads."""
    last = list(range(len(graph.nodes) + 1))  # node that reads a value last, by the value that it makes
    for value, node in enumerate(graph.nodes, start=1):
        for source in node.inputs:
            last[source] = value
    ends = [[] for _ in last]
    for value, end in enumerate(last):
        ends[end].append(value)
    alive = most = 0
    for value in range(len(last)):
        alive += _slots(graph.shape_of(value))
        most = max(most, alive)
        alive -= sum(_slots(graph.shape_of(done)) for done in ends[value])
    return most


def _slots(shape):
    channels, height, width = shape
    return -(-channels // LANES) * LANES * height * width


def work(graph):
    """Multiplications: of convolutions and pools one per output and tap, of other nodes one per output."""
    return sum(math.prod(node.shape) * _taps(node) for node in graph.nodes)


def _taps(node):
    if "weight" in node.tensors:
        return math.prod(node.tensors["weight"].shape[1:])
    return math.prod(node.attributes.get("kernel", ()))


def window_words(graph):
    """Most words of bits in the rows that a binary convolution's window covers at once, with what is outside of the map.

    A position has for each group the words of its channels, twice for three levels.
    """
    most = 0
    for node in graph.nodes:
        if node.op == "binary_conv2d":
            _, channels, height, width = node.tensors["weight"].shape
            levels = graph.nodes[node.inputs[0] - 1].attributes["levels"]
            positions = height * ((node.shape[2] - 1) * node.attributes["stride"] + width)
            words = node.attributes["groups"] * -(-channels // WORD)
            most = max(most, positions * words * (2 if len(levels) == 3 else 1))
    return most
