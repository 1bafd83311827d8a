"""scripts/rounding.py: signs that turn between float32 and float64."""

import numpy as np

from scripts.rounding import count
from src.graph.ir import Graph, GraphBuilder


def rounding_graph():
    """Logits (s, 0), s the sign of 1 + x - 1, which is 0 in float32 where x is small, so that s is -1."""
    builder = GraphBuilder((2, 1, 1))
    value = builder.add("affine", 0, factor=np.array([1, 0]), offset=np.array([1, 0]))
    value = builder.add("affine", value, factor=np.ones(1), offset=np.array([-1, 0]))
    value = builder.add("binarize", value, levels=(-1, 1), threshold=np.zeros(1), name="layer")
    builder.add("affine", value, factor=np.array([1, 0]), offset=np.zeros(1))
    return Graph((2, 1, 1), tuple(builder.nodes))


def test_signs_that_rounding_turns_are_counted_with_their_distance():
    x = np.zeros((4, 2, 1, 1), np.float32)
    x[:, 0, 0, 0] = 1e-9, 1, -1, -1e-9
    counts, distances = count(rounding_graph(), [(x, np.array([0, 0, 1, 0])), (x[1:2], np.array([1]))])
    assert counts == {"images": 5, "float64": 3, "float32": 2, "predictions": 1, "turned": 1}
    ((layer, (distance,)),) = distances.items()
    assert layer == "layer"
    double = x.astype(np.float64)
    np.testing.assert_allclose(distance, double[0, 0, 0, 0] / double.std(), rtol=1e-6)
