"""Lowerings of MindSpore's and MindCV's own Cells: (cell, graph, symbol) -> symbol, by type."""

from functools import partial

import numpy as np
from mindspore import nn


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)[-2:]


def _padding(cell, x):
    """(top, left, bottom, right) of a Cell with pad_mode, kernel_size and stride."""
    kernel, (stride, _) = _pair(cell.kernel_size), _pair(cell.stride)
    mode = cell.pad_mode.lower()  # pools have it in capitals
    if mode == "valid":
        return (0,) * 4
    if mode == "pad":
        pads = cell.padding
        top, bottom, left, right = (pads,) * 4 if isinstance(pads, int) else tuple(pads)
        return (top, left, bottom, right)
    total = [max((-(-size // stride) - 1) * stride + k - size, 0) for size, k in zip(x.shape[2:], kernel)]
    before = [each // 2 for each in total]
    return (*before, *(each - half for each, half in zip(total, before)))


def dense(cell, graph, x):
    """Dense on a vector: a convolution with kernel 1."""
    weight, notes = cell.weight.asnumpy()[:, :, None, None], {"bias": cell.has_bias}
    y = graph.add("conv2d", x, weight=weight, stride=1, padding=(0,) * 4, groups=1, notes=notes)
    return graph.affine(y, offset=cell.bias.asnumpy()) if cell.has_bias else y


def conv(cell, graph, x):
    """Conv2d without dilation."""
    if _pair(cell.dilation) != (1, 1) or len(set(_pair(cell.stride))) > 1:
        raise ValueError(f"expected no dilation and one stride, got {cell.dilation} and {cell.stride}")
    window = {"stride": _pair(cell.stride)[0], "padding": _padding(cell, x), "groups": cell.group}
    y = graph.add("conv2d", x, weight=cell.weight.asnumpy(), notes={"bias": cell.has_bias}, **window)
    return graph.affine(y, offset=cell.bias.asnumpy()) if cell.has_bias else y


def batch_norm(cell, graph, x):
    """BatchNorm with stored statistics."""
    gamma, beta, mean, variance = (
        p.asnumpy().astype(np.float64)
        for p in (cell.gamma, cell.beta, cell.moving_mean, cell.moving_variance)
    )
    factor = gamma / np.sqrt(variance + cell.eps)
    return graph.affine(x, factor, beta - mean * factor)


def relu(cell, graph, x):
    """ReLU."""
    return graph.add("prelu", x, positive=[1], negative=[0])


def unary(function, cell, graph, x):
    """A function of each number."""
    return graph.add("unary", x, function=function)


def _pool(kind, cell, graph, x, padding):
    window = {"kernel": _pair(cell.kernel_size), "stride": _pair(cell.stride)[0], "padding": padding}
    return graph.add("pool", x, kind=kind, **window)


def max_pool(cell, graph, x):
    """MaxPool2d without dilation and ceil_mode."""
    if cell.pad_mode != "PAD":
        return _pool("max", cell, graph, x, _padding(cell, x))
    dilation, ceil_mode = cell.max_pool.dilation, cell.max_pool.ceil_mode
    if set(dilation) != {1} or ceil_mode or cell.return_indices:
        raise ValueError(f"expected no dilation, ceil_mode and indices, got {dilation} and {ceil_mode}")
    return _pool("max", cell, graph, x, _pair(cell.padding) * 2)


def average_pool(cell, graph, x):
    """AvgPool2d without padding."""
    if cell.is_expand or cell.pad_mode != "VALID":
        raise ValueError(f"expected an average pool without padding, got pad_mode {cell.pad_mode}")
    return _pool("average", cell, graph, x, (0,) * 4)


def global_mean(cell, graph, x):
    """Global average pooling."""
    return graph.add("global_mean", x)


LOWERINGS = {  # type, or name of a type that is not imported -> (lowering, kind of work that is not counted as operations)
    nn.Dense: (dense, None),
    nn.Conv2d: (conv, None),
    nn.BatchNorm2d: (batch_norm, "normalisation"),
    nn.ReLU: (relu, "activation"),
    nn.ReLU6: (partial(unary, "relu6"), "activation"),
    nn.Sigmoid: (partial(unary, "sigmoid"), "activation"),
    nn.HSigmoid: (partial(unary, "hardsigmoid"), "activation"),
    nn.HSwish: (partial(unary, "hardswish"), "activation"),
    nn.SiLU: (partial(unary, "silu"), "activation"),
    nn.Tanh: (partial(unary, "tanh"), "activation"),
    nn.MaxPool2d: (max_pool, "pooling"),
    nn.AvgPool2d: (average_pool, "pooling"),
    "GlobalAvgPooling": (global_mean, None),
}


def lowering_of(cell):
    """(method or function (graph, *symbols) -> symbol, kind of work) of a Cell; (None, None) where its construct is traced."""
    if hasattr(cell, "lower"):
        return cell.lower, getattr(cell, "work", None)
    function, work = LOWERINGS.get(type(cell)) or LOWERINGS.get(type(cell).__name__) or (None, None)
    return (partial(function, cell) if function else None), work
