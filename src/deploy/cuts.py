"""Cuts of an exported file: the values in which a difference of rounding may grow, since signs and phases are made of them."""

from dataclasses import dataclass, replace

from src.graph.ir import Graph

SOURCE = "source"  # note of a node: the first value that it reads, in the graph as it was traced


@dataclass(frozen=True, eq=False)
class Cut:
    """Value of which signs or phases are made.

    value: in the traced graph. name: in the file. binarizations: levels and threshold, as binarize takes them, of all signs.
    """

    value: int
    name: str
    binarizations: tuple


def with_sources(graph):
    """The graph whose nodes note what they read, for simplification counts values anew."""
    nodes = (replace(node, notes={**node.notes, SOURCE: node.inputs[0]}) for node in graph.nodes)
    return Graph(graph.shape, tuple(nodes))


def cuts_of(graph, names, observed):
    """Cuts of a simplified graph `with_sources`, in its order.

    names: of its values in the file. observed: values of the traced graph that can be had of the network.
    """
    values, signs = {}, {}  # by name
    for node in graph.nodes:
        value, source = node.inputs[0], node.notes[SOURCE]
        wave = node.attributes.get("function") in ("cos", "sin")
        if value and source in observed and (wave or node.op == "binarize"):
            values.setdefault(names[value], source)
            more = () if wave else [{**node.attributes, **node.tensors}]
            signs.setdefault(names[value], []).extend(more)
    return tuple(Cut(value, name, tuple(signs[name])) for name, value in values.items())
