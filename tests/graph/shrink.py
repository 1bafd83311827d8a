"""A smaller graph with the same fault, and a graph in lines."""

import contextlib
from dataclasses import replace

import numpy as np

from src.graph.ir import Graph, GraphBuilder
from src.graph.ops import MAX_WINDOW, OPS
from tests.graph.sampler import HALF_GAP, best_thresholds


def lines_of(graph):
    """A line per node: value, operation, inputs, attributes, tensors, shape."""
    lines = []
    for value, node in enumerate(graph.nodes, start=1):
        parts = [f"{key} {item}" for key, item in node.attributes.items()]
        parts += [f"{key} {'x'.join(map(str, item.shape))}" for key, item in node.tensors.items()]
        inputs, shape = ", ".join(map(str, node.inputs)), "x".join(map(str, node.shape))
        lines.append(f"{value}: {node.op}({inputs}) -> {shape}  {'; '.join(parts)}".rstrip())
    return lines


def shrink(graph, images, fails):
    """A Graph that fails too, smaller where that is possible.

    First the shortest beginning; then convolutions of the image in the place of values; then nodes are left out, one by one.
    fails: Graph -> bool. Thresholds are chosen anew in each graph that is tried, so that a sign that changes is no accident.
    """
    for length in range(1, len(graph.nodes)):
        part = safe(with_head(Graph(graph.shape, graph.nodes[:length])), images)
        if fails(part):
            graph = part
            break
    for smaller in (_with_source, _without):
        value = len(graph.nodes)
        while value > 0:
            found = next((g for g in smaller(graph, value, images) if g.nodes and fails(g)), None)
            graph, value = (found, len(found.nodes)) if found else (graph, value - 1)
    return graph


def with_head(graph):
    """The graph, and a global mean of its last value unless that is a map of 1 x 1."""
    channels, *size = graph.nodes[-1].shape
    if size == [1, 1]:
        return graph
    head = replace(
        graph.nodes[-1],
        op="global_mean",
        inputs=(len(graph.nodes),),
        attributes={},
        tensors={},
        shape=(channels, 1, 1),
    )
    return Graph(graph.shape, (*graph.nodes, head))


def safe(graph, images):
    """The graph with thresholds anew where values of the images are close to them."""
    builder, values = GraphBuilder(graph.shape), [images]
    for node in graph.nodes:
        inputs, tensors = [values[i] for i in node.inputs], dict(node.tensors)
        if node.op == "binarize":
            tensors["threshold"] = _safe_threshold(inputs[0], **node.attributes, **tensors)
        builder.add(node.op, *node.inputs, name=node.name, **node.attributes, **tensors)
        values.append(
            OPS[node.op].meaning(*inputs, **builder.nodes[-1].attributes, **builder.nodes[-1].tensors)
        )
    return builder.graph()


def _safe_threshold(x, levels, threshold):
    three, tolerance = len(levels) == 3, HALF_GAP * np.abs(x).max()
    rows = x.swapaxes(0, 1).reshape(len(threshold), -1)
    distances = (
        np.abs(np.abs(rows) - np.abs(threshold)[:, None]) if three else np.abs(rows - threshold[:, None])
    )
    return np.where(distances.min(1) < tolerance, best_thresholds(rows, three, tolerance), threshold)


def _with_source(graph, value, images):
    """The graph with a convolution of the image in the place of a value, if that leaves fewer nodes."""
    channels, height, width = graph.shape_of(value)
    kernel = [size - places + 1 for size, places in zip(graph.shape[1:], (height, width))]
    if not 1 <= min(kernel) <= max(kernel) <= MAX_WINDOW:
        return
    weight = np.random.default_rng(0).normal(0, 0.3, (channels, graph.shape[0], *kernel)).astype(np.float32)
    attributes = {"stride": 1, "padding": (0,) * 4, "groups": 1}
    source = replace(
        graph.nodes[value - 1], op="conv2d", inputs=(0,), attributes=attributes, tensors={"weight": weight}
    )
    smaller = _pruned(Graph(graph.shape, (*graph.nodes[: value - 1], source, *graph.nodes[value:])), {})
    if len(smaller.nodes) < len(graph.nodes):
        yield from _valid(smaller, images)


def _without(graph, value, images):
    """The graphs with an earlier value of the same shape in the place of a value."""
    for other in range(value - 1, -1, -1):
        if graph.shape_of(other) == graph.shape_of(value):
            yield from _valid(_pruned(graph, {value: other}), images)


def _valid(graph, images):
    """The graph with safe thresholds; nothing where a binary convolution lacks its binarize."""
    with contextlib.suppress(ValueError):
        yield safe(graph, images)


def _pruned(graph, instead):
    """The nodes that the output needs, with values in the place of others."""
    source = lambda v: instead.get(v, v)  # noqa: E731
    needed, stack = set(), [source(len(graph.nodes))]
    while stack:
        value = stack.pop()
        if value > 0 and value not in needed:
            needed.add(value)
            stack += map(source, graph.nodes[value - 1].inputs)
    numbers, nodes = {0: 0}, []
    for value in sorted(needed):
        node = graph.nodes[value - 1]
        nodes.append(replace(node, inputs=tuple(numbers[source(v)] for v in node.inputs)))
        numbers[value] = len(nodes)
    return Graph(graph.shape, tuple(nodes))
