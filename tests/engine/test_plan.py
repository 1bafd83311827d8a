"""Fusion by the planner: the plain operations that are left of graphs as networks have them."""

import numpy as np
import pytest

from scripts.fuzz_graphs import open_bytes
from src.graph.ir import GraphBuilder
from tests.graph.packed_files import packed

POINT = {"stride": 1, "padding": (0,) * 4, "groups": 1}
THREE = {"stride": 1, "padding": (1,) * 4, "groups": 1}
SIZE = 16


class Net:
    """Graph in the making, with random weights."""

    def __init__(self):
        self.builder, self.random = GraphBuilder((3, SIZE, SIZE)), np.random.default_rng(0)
        self.value = 0

    def add(self, op, *inputs, **arguments):
        self.value = self.builder.add(op, *inputs, **arguments)
        return self.value

    def conv(self, x, outputs, kernel, **window):
        inputs = self.builder.shapes[x][0] // window.get("groups", 1)
        weight = self.random.normal(size=(outputs, inputs, kernel, kernel))
        return self.add("conv2d", x, weight=weight, **window)

    def norm(self, x):
        factor = self.random.uniform(0.5, 1.5, self.builder.shapes[x][0])
        return self.add("affine", x, factor=factor, offset=factor - 1)

    def relu(self, x):
        return self.add("prelu", x, positive=[1], negative=[0])

    def pool(self, x, kind, kernel, stride, padding):
        window = {"kernel": (kernel,) * 2, "stride": stride, "padding": (padding,) * 4}
        return self.add("pool", x, kind=kind, **window)

    def binary(self, x, outputs, stride=1, pad_value=0):
        bits = self.add("binarize", x, levels=(-1, 1), threshold=[0.1])
        weight = self.random.random((outputs, self.builder.shapes[x][0], 3, 3)) < 0.5
        return self.add(
            "binary_conv2d", bits, weight=weight, pad_value=pad_value, **{**THREE, "stride": stride}
        )

    def head(self, x):
        self.conv(self.add("global_mean", x), 5, 1, **POINT)
        return self.builder.graph()


def residual():
    """Norm and shortcut behind each 3x3; where the map shrinks, a mean of 2x2 and a 1x1 as the shortcut."""
    net = Net()
    x = net.pool(net.norm(net.conv(0, 24, 7, stride=2, padding=(3,) * 4, groups=1)), "max", 3, 2, 1)
    x = net.add("add", net.norm(net.binary(x, 24)), x)
    y = net.norm(net.binary(x, 48, stride=2))
    x = net.add("add", y, net.norm(net.conv(net.pool(x, "average", 2, 2, 0), 48, 1, **POINT)))
    return net.head(net.add("add", net.norm(net.binary(x, 48)), x))


def projected():
    """Norm behind each binary convolution, and the sum of two as a residual whose shortcut is a binary convolution too."""
    net = Net()
    x = net.norm(net.conv(0, 16, 3, **THREE))
    for outputs in (32, 48):
        y = net.norm(net.binary(net.norm(net.binary(x, outputs, stride=2)), outputs))
        x = net.add("add", y, net.norm(net.binary(x, outputs, stride=2)))
    return net.head(x)


def relu_before_norm():
    """ReLU and norm behind each 3x3, then the shortcut; the padding is 1."""
    net = Net()
    x = net.norm(net.conv(0, 64, 3, **THREE))
    for _ in range(2):
        x = net.add("add", net.norm(net.relu(net.binary(x, 64, pad_value=1))), x)
    return net.head(x)


def grouped_stem():
    """Convolutions of full precision in groups, each with norm and ReLU."""
    net = Net()
    x = net.relu(net.norm(net.conv(0, 32, 3, **THREE)))
    for outputs, groups in ((32, 4), (64, 8)):
        x = net.relu(net.norm(net.conv(x, outputs, 3, **{**THREE, "groups": groups})))
    return net.head(x)


@pytest.mark.parametrize(
    "graph,left",
    [(residual, {"plain pool"}), (projected, set()), (relu_before_norm, set()), (grouped_stem, set())],
)
def test_few_operations_run_by_themselves(graph, left):
    images = np.random.default_rng(1).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
    with open_bytes(packed(graph())) as engine:
        seconds = engine.profile(images)
    assert {kind for kind, each in seconds.items() if each and kind.startswith("plain")} == left


@pytest.mark.parametrize("graph", [residual, projected, relu_before_norm, grouped_stem])
def test_an_image_does_not_depend_on_those_before_it(graph):
    images = np.random.default_rng(1).normal(size=(3, 3, SIZE, SIZE)).astype(np.float32)
    data, alone = packed(graph()), []
    for image in images:
        with open_bytes(data) as engine:
            alone.append(engine.logits(image[None])[0])
    with open_bytes(data) as engine:
        assert np.array_equal(engine.logits(images), alone)
