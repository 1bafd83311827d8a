"""MINDIR files written from a graph: classic primitives, names of the network's layers."""

from .mindir_builder import INPUT, OUTPUT, MindirBuilder
from .mindir_ops import TRANSLATIONS


def write_mindir(graph, batch_size, path):
    """Write a graph to a MINDIR file; equal input gives equal bytes. Images (B, 3, S, S) -> logits (B, K).

    batch_size: images per batch, or None for a free number. Returns the names of the graph's values in the file, in their order.
    """
    message, names = message_of(graph, batch_size)
    path.write_bytes(message.SerializeToString(deterministic=True))
    return names


def message_of(graph, batch_size):
    """(ModelProto, names of the graph's values) of the file; see `write_mindir`."""
    builder = MindirBuilder(graph.shape, batch_size)
    values = [INPUT]
    for node in graph.nodes:
        builder.layer = node.name or node.op
        values.append(TRANSLATIONS[node.op](builder, node, *(values[each] for each in node.inputs)))
    builder.layer = OUTPUT
    return builder.finish(logits_of(builder, values[-1])), tuple(values)


def logits_of(builder, value):
    """Name of a map of 1 x 1 as logits (B, K)."""
    shape = builder.shapes[value][:2]
    return builder.node("Reshape", value, builder.constant(shape), shape=shape)
