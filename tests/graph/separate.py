"""Thresholds away from the numbers that they are compared with, so that no bit of a graph hangs on rounding."""

from dataclasses import replace

import numpy as np

from src.graph.ir import Graph
from src.graph.ops import OPS

NEAR = 32  # gaps looked at on either side


def separated(graph, images):
    """(graph, logits): a graph with other thresholds, and its logits (B, K) in NumPy for images (B, 3, S, S).

    A threshold is moved to the middle of the widest gap between two adjacent numbers that it is compared with in these
    images, of the gaps beside it. Numbers that are computed in another order then lie on the same side.
    """
    values, nodes = [images], []
    for node in graph.nodes:
        inputs = [values[i] for i in node.inputs]
        if node.op == "binarize":
            node = replace(node, tensors={"threshold": _moved(node, inputs[0])})
        nodes.append(node)
        values.append(OPS[node.op].meaning(*inputs, **node.attributes, **node.tensors))
    return Graph(graph.shape, tuple(nodes)), values[-1].reshape(len(images), -1)


def _moved(node, x):
    thresholds = node.tensors["threshold"]
    rows = np.swapaxes(x, 0, 1).reshape(len(thresholds), -1)
    if node.attributes["levels"] == (-1, 0, 1):  # compared with -t as well
        rows = np.abs(rows)
    return np.array([_between(np.unique(row), t) for row, t in zip(rows, thresholds)], np.float32)


def _between(numbers, t):
    if len(numbers) == 1:
        return numbers[0] - 1
    place = np.searchsorted(numbers, t)
    near = numbers[max(place - NEAR, 0) : place + NEAR]
    widest = np.argmax(np.diff(near))
    return (near[widest] + near[widest + 1]) / 2
