"""A graph in words: one row per layer, blocks that are equal folded into one."""

import itertools
from dataclasses import dataclass, replace

from src.common.markdown import markdown_table

HEADER = ("layer", "operations", "output", "weights")


@dataclass(frozen=True)
class Row:
    """Consecutive nodes of one layer.

    operations: in their order; shape: of the last; weights: numbers in convolutions; reads: the values that each node reads.
    """

    layer: str
    operations: tuple
    shape: tuple
    weights: int
    reads: tuple = ()


def rows_of(graph):
    """The Rows of a graph. A layer that is computed in two places has two."""
    rows = []
    for name, nodes in itertools.groupby(graph.nodes, lambda node: node.name):
        nodes = list(nodes)
        weights = sum(node.tensors["weight"].size for node in nodes if "weight" in node.tensors)
        operations, reads = tuple(node.op for node in nodes), tuple(node.inputs for node in nodes)
        rows.append(Row(name, operations, nodes[-1].shape, weights, reads))
    return rows


def block_of(layer):
    """(block, rest) of a layer's name, split behind the last number of a stage's list, as ("stages.0.1", "norm1")."""
    parts = layer.split(".")
    numbers = [i for i, part in enumerate(parts[:3]) if part.isdigit()]
    cut = numbers[-1] + 1 if numbers else 1
    return ".".join(parts[:cut]), ".".join(parts[cut:])


def folded(rows):
    """(names of the blocks, Rows with the names inside of the block) of runs of equal blocks, in order.

    In these Rows values are counted from the block's input on, and those from before it are negative.
    """
    blocks, start = [], 0
    for name, inside in itertools.groupby(rows, lambda row: block_of(row.layer)[0]):
        inside = tuple(_inside(row, start) for row in inside)
        start += sum(len(row.operations) for row in inside)
        if blocks and blocks[-1][1] == inside:
            blocks[-1][0].append(name)
        else:
            blocks.append(([name], inside))
    return blocks


def _inside(row, start):
    reads = tuple(tuple(v - start if v >= start else -1 - v for v in values) for values in row.reads)
    return replace(row, layer=block_of(row.layer)[1], reads=reads)


def table_of(graph):
    """The graph as a Markdown table: a line per layer; a block that follows its equal is counted, not repeated."""
    lines = []
    for names, rows in folded(rows_of(graph)):
        times = f" (x {len(names)}, to {names[-1]})" if len(names) > 1 else ""
        for i, row in enumerate(rows):
            layer = f"{names[0]}.{row.layer}".rstrip(".") + (times if i == 0 else "")
            operations = " ".join(f"{op} x {n}" if n > 1 else op for op, n in _counted(row.operations))
            lines.append((layer, operations, "x".join(map(str, row.shape)), f"{row.weights:,}"))
    return markdown_table(HEADER, lines, ("layer", "operations"))


def _counted(operations):
    return [(op, len(list(same))) for op, same in itertools.groupby(operations)]
