"""A graph run in NumPy, the obvious way. It judges the framework, the packed file and the engine."""

import numpy as np

from .ops import OPS


def run_reference(graph, images):
    """Logits (B, K) of a graph for images float32 (B, 3, S, S), normalised."""
    return values_of(graph, images)[-1].reshape(len(images), -1)


def values_of(graph, images, number=np.float32):
    """All values of a graph, in their order: arrays (B, C, H, W) of this type of number.

    Raises ValueError for images of another shape.
    """
    images = np.asarray(images, number)
    if images.shape[1:] != graph.shape:
        raise ValueError(f"images: expected (B, {', '.join(map(str, graph.shape))}), got {images.shape}")
    values = [images]
    for node in graph.nodes:
        inputs = [values[i] for i in node.inputs]
        values.append(OPS[node.op].meaning(*inputs, **node.attributes, **node.tensors))
    return values
