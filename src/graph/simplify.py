"""Simplification of a graph: equal values up to rounding, with fewer numbers to store.

What goes depends on the network alone, not on its learned numbers: an affine changes nothing if its factor is one number, 1,
and its offset one number, 0, and neither is learned. The note "learned" of an affine names its tensors that are.

1  an affine of an affine is one affine
2  an offset behind a sum moves into the affine that the sum reads, if nothing else reads either
3  an affine that changes nothing goes, and so does a node that nothing reads
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from .ir import Graph


def simplify(graph):
    """The simplified Graph. Affines are folded in double precision and rounded once."""
    nodes = [_doubled(node) for node in graph.nodes]
    readers = Counter(value for node in nodes for value in node.inputs)
    for i in range(len(nodes)):
        if nodes[i].op == "affine":
            _fold(nodes, i, readers)
            _move_offset(nodes, i, readers)
    return _needed(graph.shape, nodes)


def _doubled(node):
    if node.op != "affine":
        return node
    return replace(node, tensors={name: array.astype(np.float64) for name, array in node.tensors.items()})


def _learned(node):
    return set(node.notes.get("learned", ()))


def _is(node, name, number):
    """True where a tensor of an affine is this one number in any trained network."""
    return name not in _learned(node) and np.array_equal(node.tensors[name], [number])


def _changed(node, learned, inputs=None, **tensors):
    """The node with other tensors, of which `learned` are learned, and other inputs if they are given."""
    return replace(
        node,
        inputs=inputs or node.inputs,
        tensors={**node.tensors, **tensors},
        notes={**node.notes, "learned": tuple(sorted(learned))},
    )


def _maker(nodes, value, op):
    """Place of the node that makes a value, if it is of this operation; else None."""
    return value - 1 if value > 0 and nodes[value - 1].op == op else None


def _fold(nodes, i, readers):
    """Rule 1 for the affine at place i. Its source may be left without a reader."""
    value = nodes[i].inputs[0]
    source = _maker(nodes, value, "affine")
    if source is None:
        return
    inner, outer = nodes[source].tensors, nodes[i].tensors
    nodes[i] = _changed(
        nodes[i],
        _learned(nodes[source]) | _learned(nodes[i]),
        nodes[source].inputs,
        factor=outer["factor"] * inner["factor"],
        offset=outer["factor"] * inner["offset"] + outer["offset"],
    )
    readers[value] -= 1
    readers[nodes[i].inputs[0]] += readers[value] > 0


def _move_offset(nodes, i, readers):
    """Rule 2 for the affine at place i."""
    value, offset = nodes[i].inputs[0], nodes[i].tensors["offset"]
    total = _maker(nodes, value, "add")
    if total is None or readers[value] > 1 or not _is(nodes[i], "factor", 1):
        return
    for value in nodes[total].inputs:
        source = _maker(nodes, value, "affine")
        if source is not None and readers[value] == 1 and nodes[source].shape[0] == nodes[i].shape[0]:
            learned = _learned(nodes[source]) | _learned(nodes[i])
            nodes[source] = _changed(nodes[source], learned, offset=nodes[source].tensors["offset"] + offset)
            nodes[i] = _changed(nodes[i], (), offset=np.zeros(1))
            return


def _needed(shape, nodes):
    """Graph of the nodes that the output needs, without affines of factor 1 and offset 0."""
    needed, stack = set(), [len(nodes)]
    while stack:
        value = stack.pop()
        if value > 0 and value not in needed:
            needed.add(value)
            stack += nodes[value - 1].inputs
    values, kept = {0: 0}, []
    for value, node in enumerate(nodes, start=1):
        if value not in needed:
            continue
        inputs = tuple(values[each] for each in node.inputs)
        if node.op == "affine":
            node = replace(
                node, tensors={name: array.astype(np.float32) for name, array in node.tensors.items()}
            )
            if _is(node, "factor", 1) and _is(node, "offset", 0):
                values[value] = inputs[0]
                continue
        kept.append(replace(node, inputs=inputs))
        values[value] = len(kept)
    return Graph(shape, tuple(kept))
