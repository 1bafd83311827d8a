"""Boxes of a graph's picture: consecutive nodes that a reader takes for one layer, and blocks of them that repeat.

A box holds the nodes of one or more rows of the table (describe.py). Rows are joined where they have at most one filter, read
one value from outside, and make one value for outside; and rows without filters that belong to one layer where they make
one value.
"""

import itertools
from collections import Counter
from dataclasses import dataclass

from .describe import folded, rows_of

FILTER = "weight"  # tensor of convolutions
MAX_SMALL = 2  # boxes of a block that is not drawn beside the network


@dataclass(frozen=True)
class Box:
    """Nodes start .. stop - 1 of a graph. name: of the layer. words: its operations.

    times: how many equal blocks follow one another, of which these nodes are the first.
    """

    start: int
    stop: int
    name: str
    words: tuple
    times: int = 1

    @property
    def end(self):
        """Node behind the last of the equal blocks."""
        return self.start + self.times * (self.stop - self.start)


@dataclass(frozen=True)
class Detail:
    """Kind of block. names: (first block, number of blocks) of each run of equal blocks. boxes: of the first one."""

    names: tuple
    boxes: tuple


class Reading:
    """Who reads what in a graph."""

    def __init__(self, graph):
        self.graph = graph
        self.last = [value - 1 for value in range(len(graph.nodes) + 1)]  # node that reads a value last
        for place, node in enumerate(graph.nodes):
            for value in node.inputs:
                self.last[value] = place
        self.last[-1] = len(graph.nodes)
        self.behind = list(itertools.accumulate([0, *(FILTER in node.tensors for node in graph.nodes)]))

    def inputs(self, start, stop):
        """Values from outside that the nodes read, in the order in which they are read first."""
        values = (value for node in self.graph.nodes[start:stop] for value in node.inputs)
        return tuple(dict.fromkeys(value for value in values if value <= start))

    def outputs(self, start, stop):
        """Values that the nodes make for outside."""
        return [value for value in range(start + 1, stop + 1) if self.last[value] >= stop]

    def filters(self, start, stop):
        """Number of filters of the nodes."""
        return self.behind[stop] - self.behind[start]

    def is_layer(self, start, stop):
        """True where nodes take one value and make one, and only the last is the mean of a map."""
        return (
            all(node.op != "global_mean" for node in self.graph.nodes[start : stop - 1])
            and len(self.inputs(start, stop)) == 1
            and len(self.outputs(start, stop)) == 1
        )

    def is_merge(self, start, stop, prefix):
        """True where nodes are parts of one layer below the block and make one value."""
        names = {_below(node.name, prefix).partition(".")[0] for node in self.graph.nodes[start:stop]}
        return len(names) == 1 and len(self.outputs(start, stop)) == 1

    def joined(self, spans, filters, fits):
        """Spans (start, stop) with the longest runs joined that have so many filters and fit(start, stop), in order."""
        found, i = [], 0
        while i < len(spans):
            start, j = spans[i][0], i
            for k in range(i + 1, len(spans)):
                if self.filters(start, spans[k][1]) > filters:
                    break
                if fits(start, spans[k][1]):
                    j = k
            found.append((start, spans[j][1]))
            i = j + 1
        return found

    def has_shortcut(self, start, stop):
        """True where an addition reads one value that comes from the nodes' filter and one that does not."""
        filtered = set()
        for value, node in enumerate(self.graph.nodes[start:stop], start=start + 1):
            sides = {source in filtered for source in node.inputs}
            if node.op == "add" and len(sides) == 2:
                return True
            if FILTER in node.tensors or True in sides:
                filtered.add(value)
        return False


def _below(name, prefix):
    """Name inside of a block."""
    return name[len(prefix) :].lstrip(".") if prefix else name


def boxes_of(reading, start, stop, prefix):
    """Boxes of nodes start .. stop - 1, whose names inside of the block are those behind `prefix`, "" for the network."""
    nodes, spans, at = reading.graph.nodes, [], start
    for _, same in itertools.groupby(nodes[start:stop], lambda node: node.name):
        spans.append((at, at := at + len(list(same))))
    spans = reading.joined(spans, 1, reading.is_layer)
    spans = reading.joined(spans, 0, lambda a, b: reading.is_merge(a, b, prefix))
    block = (start, stop) if prefix else (0, len(nodes))
    return [Box(*span, _name(nodes, span, *block, prefix), words_of(nodes[slice(*span)])) for span in spans]


def _name(nodes, span, start, stop, prefix):
    """Name of a box: the part that all its names share if no other node has it, else that of the filter or the first.

    start, stop: the nodes of the block.
    """
    inside = [_below(node.name, prefix).split(".") for node in nodes[slice(*span)]]
    shared = [parts[0] for parts in itertools.takewhile(lambda same: len(set(same)) == 1, zip(*inside))]
    name = ".".join(shared)
    others = (*nodes[start : span[0]], *nodes[span[1] : stop])
    if name and not any(f"{_below(node.name, prefix)}.".startswith(f"{name}.") for node in others):
        return name
    filters = [node for node in nodes[slice(*span)] if FILTER in node.tensors]
    return _below((filters or nodes[slice(*span)])[0].name, prefix)


def words_of(nodes):
    """Operations in words, each with how often it comes: in their order if there is a filter, else all that are equal."""
    words = [_word(node) for node in nodes]
    if any(FILTER in node.tensors for node in nodes):
        counted = [(word, len(list(same))) for word, same in itertools.groupby(words)]
    else:
        counted = Counter(words).items()
    return tuple(f"{word} x {times}" if times > 1 else word for word, times in counted)


def _word(node):
    attributes = node.attributes
    if node.op == "unary":
        return attributes["function"]
    kernel = node.tensors[FILTER].shape[2:] if FILTER in node.tensors else attributes.get("kernel")
    if not kernel:
        return node.op
    kind = f" {attributes['kind']}" if node.op == "pool" else ""
    stride = f" / {attributes['stride']}" if attributes["stride"] > 1 else ""
    return f"{node.op}{kind} {'x'.join(map(str, kernel))}{stride}"


def parts_of(graph):
    """(overview, details): Boxes of the whole network, blocks being one Box each, and a Detail for each kind of block.

    A block has a Detail if it repeats or has more than MAX_SMALL boxes. Blocks that differ in sizes alone share one.
    """
    reading, overview, kinds = Reading(graph), [], {}
    begin = at = 0  # first node that is in no box yet, and first of the block
    for names, rows in folded(rows_of(graph)):
        stop = at + sum(len(row.operations) for row in rows)
        boxes = boxes_of(reading, at, stop, names[0])
        end = at + len(names) * (stop - at)
        if len(names) > 1 or len(boxes) > MAX_SMALL:
            overview += boxes_of(reading, begin, at, "")
            overview.append(Box(at, stop, names[0], (f"{len(boxes)} layers",), len(names)))
            kinds.setdefault(_kind(reading, boxes), []).append((names, boxes))
            begin = end
        at = end
    overview += boxes_of(reading, begin, at, "")
    details = [
        Detail(tuple((names[0], len(names)) for names, _ in same), tuple(same[0][1]))
        for same in kinds.values()
    ]
    return overview, details


def _kind(reading, boxes):
    """Key of a block's structure: names, operations and connections, without sizes."""
    start, outside = boxes[0].start, reading.inputs(boxes[0].start, boxes[-1].stop)
    places = {value: -1 - i for i, value in enumerate(outside)}
    return tuple(
        (
            box.name,
            box.words,
            tuple(places.get(value, value - start) for value in reading.inputs(box.start, box.stop)),
        )
        for box in boxes
    )
