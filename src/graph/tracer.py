"""Trace: a network called once with a symbol instead of a tensor, in PyNative mode and evaluation.

A leaf Cell has a method `lower(graph, *symbols)` beside construct, which adds nodes and returns symbols; sums and products
of symbols are nodes too; all else is the network's ordinary Python. lowerings.py has those of MindSpore's own Cells. A
leaf's attribute `work`, as "normalisation", is noted at its last node.
"""

import contextlib
from functools import partial

import mindspore as ms
import numpy as np

from .ir import GraphBuilder
from .lowerings import lowering_of

SWAP = (1, 0, 2, 3)  # axes between the layouts NCHW and CNHW


class Symbol:
    """Stand-in for a feature map (1, C, H, W) while a network is traced."""

    def __init__(self, tracer, value):
        self.tracer, self.value = tracer, value

    @property
    def shape(self):
        """Shape (1, C, H, W)."""
        return (1, *self.tracer.builder.shapes[self.value])

    def __add__(self, other):
        return self.tracer.combine("add", self, other)

    def __mul__(self, other):
        return self.tracer.combine("mul", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def transpose(self, *axes):
        """The symbol itself for (1, 0, 2, 3): a graph has one layout, networks have two. Raises ValueError for other axes."""
        if axes != SWAP:
            raise ValueError(f"transpose in a network: expected the axes {SWAP}, got {axes}")
        return self

    def reshape(self, *shape):
        """The symbol itself: a map of 1 x 1 as a vector. Raises ValueError for other maps."""
        if self.shape[2:] != (1, 1):
            raise ValueError(f"reshape in a network: expected a map of 1 x 1, got {self.shape}")
        return self


class Tracer:
    """Graph in the making, as the methods `lower` see it, and the names of the Cells that are being called.

    calls: (name, inputs) of the calls so far, of each input its value, None for one that is no symbol.
    """

    def __init__(self, shape):
        self.builder, self.names, self.failed = GraphBuilder(shape), [""], None
        self.calls = []

    def add(self, op, *symbols, **arguments):
        """Symbol of a new node, as GraphBuilder.add."""
        value = self.builder.add(op, *(each.value for each in symbols), name=self.names[-1], **arguments)
        return Symbol(self, value)

    def affine(self, x, factor=None, offset=None):
        """Symbol of factor x + offset; numbers or vectors (C,), None for 1 and for 0.

        The note "learned" names those that are given, so that no simplification depends on their values.
        """
        given = {name: v for name, v in (("factor", factor), ("offset", offset)) if v is not None}
        tensors = {name: np.reshape(v, -1) for name, v in {"factor": 1, "offset": 0, **given}.items()}
        return self.add("affine", x, notes={"learned": tuple(given)}, **tensors)

    def combine(self, op, x, y):
        """Symbol of a sum or product, the larger map first; of a symbol and a number by affine."""
        if not isinstance(y, Symbol):
            return self.affine(x, offset=y) if op == "add" else self.affine(x, factor=y)
        larger, smaller = (y, x) if np.prod(x.shape) < np.prod(y.shape) else (x, y)
        return self.add(op, larger, smaller)

    def call(self, function, name, work, *inputs):
        """Result of a Cell's construct or lower, whose nodes get the Cell's name; `work` is noted at the last."""
        self.names.append(name)
        self.calls.append((name, tuple(x.value if isinstance(x, Symbol) else None for x in inputs)))
        try:
            result = function(*inputs)
        except Exception:
            self.failed = self.failed or name
            raise
        finally:
            self.names.pop()
        if work:
            self.builder.nodes[result.value - 1].notes["work"] = work
        return result


@contextlib.contextmanager
def eager():
    """Context manager: PyNative mode, each operation done before the next begins.

    Otherwise the framework's threads wait actively for each other: the trace of BiMLP-S takes 2.3 s instead of 0.5 s.
    """
    settings = {"mode": ms.PYNATIVE_MODE, "pynative_synchronize": True}
    before = {key: ms.get_context(key) for key in settings}
    ms.set_context(**settings)
    try:
        yield
    finally:
        ms.set_context(**before)


def trace(network, image_size):
    """Graph of a network for images (B, 3, image_size, image_size); see trace_calls."""
    return trace_calls(network, image_size)[0]


def trace_calls(network, image_size):
    """(Graph, calls of Tracer) of a network for images (B, 3, image_size, image_size). The network is left as it was.

    Raises ValueError where the network cannot run at that size or has a Cell without a lowering; the message names it.
    """
    tracer = Tracer((3, image_size, image_size))
    with contextlib.ExitStack() as stack:
        stack.enter_context(eager())
        for name, cell in network.cells_and_names():
            lower, work = lowering_of(cell)
            function = cell.construct if lower is None else partial(lower, tracer)
            cell.construct = partial(tracer.call, function, name, work)
            stack.callback(delattr, cell, "construct")
        try:
            output = network(Symbol(tracer, 0))
        except Exception as error:  # whatever a Cell that knows no symbols raises
            name = tracer.failed or type(network).__name__
            words = " ".join(str(error).split()).removeprefix(f"{name}: ")[:160]
            raise ValueError(f"{name}: {words}") from error
    if not isinstance(output, Symbol):
        raise ValueError(f"expected a network with one output, got {type(output).__name__}")
    return tracer.builder.graph(), tracer.calls
