"""Graph: a list of nodes, each of which makes one value. NumPy only.

Value 0 is the image; node i, counted from 0, makes value i + 1; the last value is the output. A value is a feature map of
shape (C, H, W) for one image; vectors are maps of 1 x 1. A node's inputs are values that are made before it.
"""

from dataclasses import dataclass, field

import numpy as np

from .ops import OPS, TYPES

MAX_INPUTS = 64  # of concat


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    op: key of OPS. inputs: values. attributes: name -> number, text or tuple. tensors: name -> array.
    shape: (C, H, W) of the value that it makes. name: of the layer in the network that it is part of.
    notes: remarks of the network for those who count (src/cost/count.py) or simplify, not for those who compute.
    """

    op: str
    inputs: tuple
    attributes: dict = field(default_factory=dict)
    tensors: dict = field(default_factory=dict)
    shape: tuple = ()
    name: str = ""
    notes: dict = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network. shape: (C, H, W) of the image; nodes: in the order in which they are computed."""

    shape: tuple
    nodes: tuple

    def shape_of(self, value):
        """Shape (C, H, W) of a value."""
        return self.shape if value == 0 else self.nodes[value - 1].shape


def equal(graph, other):
    """True where two graphs have equal nodes, up to names and notes. Attributes are compared as in a packed file."""
    return (graph.shape, len(graph.nodes)) == (other.shape, len(other.nodes)) and all(
        map(_equal_nodes, graph.nodes, other.nodes)
    )


def _equal_nodes(node, other):
    if (node.op, node.inputs, node.shape) != (other.op, other.inputs, other.shape):
        return False
    row = OPS[node.op]
    return all(
        kind.to_words(node.attributes[name]) == kind.to_words(other.attributes[name])
        for name, kind in row.attributes.items()
    ) and all(np.array_equal(node.tensors[name], other.tensors[name]) for name in row.tensors)


class GraphBuilder:
    """Graph in the making. `add` returns the value that a new node makes.

    Raises ValueError for an unknown operation, and for inputs, attributes or tensors that its row of OPS does not take.
    """

    def __init__(self, shape):
        self.shapes, self.nodes = [tuple(shape)], []

    def add(self, op, *inputs, name="", notes=None, **arguments):
        """Add a node; arguments: its attributes and tensors by name. Both are stored with the numbers of a packed file."""
        if op not in OPS:
            raise ValueError(f"{name}: expected one of {', '.join(OPS)}, got {op!r}")
        row = OPS[op]
        try:
            self._check_inputs(row, inputs)
            tensors, attributes = _arguments(row, arguments)
            shape = row.shape(*(self.shapes[value] for value in inputs), **attributes, **tensors)
        except ValueError as error:
            raise ValueError(f"{name}: {op}: {error}") from error
        self.nodes.append(Node(op, tuple(inputs), attributes, tensors, shape, name, dict(notes or {})))
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _check_inputs(self, row, inputs):
        least, most = (row.inputs, row.inputs) if row.inputs else (1, MAX_INPUTS)
        if not least <= len(inputs) <= most:
            count = f"{least} to {most} inputs" if least < most else f"{most} input{'s' * (most > 1)}"
            raise ValueError(f"expected {count}, got {len(inputs)}")
        if not all(0 <= value < len(self.shapes) for value in inputs):
            raise ValueError(f"expected values that are made before, got {inputs}")
        if row.source and (inputs[0] == 0 or self.nodes[inputs[0] - 1].op != row.source):
            raise ValueError(f"expected an input made by {row.source}")

    def graph(self):
        """The Graph so far."""
        return Graph(self.shapes[0], tuple(self.nodes))


def _arguments(row, arguments):
    """(tensors, attributes) of a row, each of its type. Raises ValueError for others than the row takes."""
    expected = {*row.attributes, *row.tensors}
    if arguments.keys() != expected:
        raise ValueError(f"expected {sorted(expected)}, got {sorted(arguments)}")
    for key, kind in row.attributes.items():
        if not kind.fits(arguments[key]):
            raise ValueError(f"{key}: expected {kind.expected}, got {arguments[key]}")
    tensors = {key: np.ascontiguousarray(arguments[key], TYPES[kind]) for key, kind in row.tensors.items()}
    attributes = {key: kind.from_words(kind.to_words(arguments[key])) for key, kind in row.attributes.items()}
    return tensors, attributes
