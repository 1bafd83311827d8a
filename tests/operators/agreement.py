"""Comparison of a Cell in two backends: values, all gradients, parameters afterwards."""

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.model.config import layer_config

EDGES = np.array([0.0, 1.0, -1.5])  # sign(0), the window's edge and its outside


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pair(make, precision="binary", gradient="ste", **switches):
    """The Cell that `make` builds of a LayerConfig, in the fast and in the fused backend, with the same parameters."""
    cells = [make(layer_config(precision, gradient, backend, **switches)) for backend in ("fast", "fused")]
    rng = np.random.default_rng(1)
    for ours, theirs in zip(*(cell.get_parameters() for cell in cells)):
        value = ours.asnumpy().copy()
        if value.ndim == 1:
            value = value + rng.uniform(0.1, 0.4, value.shape).astype(np.float32)
        else:
            value.reshape(-1)[:3] = EDGES[: value.size]
        ours.set_data(Tensor(value))
        theirs.set_data(Tensor(value))
    return cells


def everything(cell, arguments, parameters):
    """Output, gradients of all arguments and parameters under a fixed weighting, and the parameters afterwards."""
    weight = Tensor(random(*cell(*arguments).shape, seed=7))
    for p, value in parameters.items():
        p.set_data(Tensor(value))

    def loss(*inputs):
        y = cell(*inputs)
        return (y * weight).sum(), y

    trainable = [p for p in parameters if p.requires_grad]
    positions = tuple(range(len(arguments)))
    call = ms.value_and_grad(loss, positions, trainable, has_aux=True)
    if ms.get_context("mode") == ms.GRAPH_MODE:
        call = ms.jit(call)
    (_, y), (inputs, weights) = call(*arguments)
    found = {"y": y.asnumpy()}
    found.update({f"gradient of input {i}": g.asnumpy() for i, g in enumerate(inputs)})
    found.update({f"gradient of {p.name}": g.asnumpy() for p, g in zip(trainable, weights)})
    found.update({f"{p.name} afterwards": p.asnumpy() for p in parameters})
    return found


def assert_same(cells, *arrays, training=True, tolerance=2e-5, outliers=0.002):
    """The two Cells agree to `tolerance` of each result's largest number.

    Where a sum lies on the edge of a sign or a slope, rounding alone decides its side: a share of `outliers`
    of each result's numbers (at least one) may differ.
    """
    arguments = [Tensor(a) for a in arrays]
    results = []
    for cell in cells:
        cell.set_train(training)
        results.append(everything(cell, arguments, {p: p.asnumpy().copy() for p in cell.get_parameters()}))
    assert results[0].keys() == results[1].keys()
    for name, expected in results[0].items():
        difference = np.abs(results[1][name] - expected)
        allowed = tolerance * max(np.abs(expected).max(), 1.0)
        wrong = int((difference > allowed).sum())
        assert wrong <= max(1, outliers * difference.size) * (difference.size > 8), (
            name,
            difference.max(),
            allowed,
        )
