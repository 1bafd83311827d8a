"""The network as a list of operations: traced from its Cells, run in NumPy, counted, drawn.

ir: Node and Graph; ops: the one table of operations; trace: from a network to a Graph; reference: a Graph in NumPy; describe
and draw: a Graph as a table and as a picture.
`trace` loads MindSpore, all else NumPy alone.
"""

from .ir import Graph, Node
from .reference import run_reference

__all__ = ["Graph", "Node", "run_reference", "trace"]


def trace(network, image_size):
    """Graph of a network in evaluation for images (B, 3, image_size, image_size); see tracer.py."""
    from .tracer import trace as traced

    return traced(network, image_size)
