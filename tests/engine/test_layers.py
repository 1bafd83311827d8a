"""Binary convolutions by themselves, on every instruction set and with both plans: exact sums, borders, odd numbers.

A convolution of the image with integers gives a map of integers, the layer reads its signs, and a convolution with random
integers over the whole map makes logits of all sums: each sum is exact in 32-bit floats, and so is each logit.
"""

import numpy as np
import pytest

from scripts.fuzz_graphs import open_bytes
from src.graph import run_reference
from src.graph.ir import GraphBuilder
from tests.graph.exact import Grid, grid_of
from tests.graph.packed_files import packed

SIZES = (1, 31, 32, 33, 63, 64, 65, 80, 127, 320, 2048)
LEVELS = {"signs": (-1, 1), "bits": (0, 1), "three": (-1, 0, 1)}
NONE = (0, 0, 0, 0)
PLAIN = {"stride": 1, "padding": NONE, "groups": 1}
IMAGES, LOGITS = 2, 4
PIXEL = 2  # the largest, integers all of them


def integers(random, shape, most):
    """Integers from -most to most."""
    return random.integers(-most, most + 1, shape)


def is_exact(graph):
    """True where all sums of a graph are exact in 32-bit floats, in any order."""
    grids = [Grid(1.0, float(PIXEL))]
    for node in graph.nodes:
        inputs, shapes = ([of(i) for i in node.inputs] for of in (grids.__getitem__, graph.shape_of))
        grids.append(grid_of(node.op, inputs, shapes, node.attributes, node.tensors))
    return grids[-1] is not None


class Case:
    """Graph in the making of a map of `channels` integers, height x width, and a source of chance."""

    def __init__(self, channels, height, width, seed=0):
        self.random = np.random.default_rng((channels, height, width, seed))
        self.side = max(height, width)
        self.builder = GraphBuilder((3, self.side, self.side))
        kernel = (self.side - height + 1, self.side - width + 1)
        weight = integers(self.random, (channels, 3, *kernel), 2)
        self.map = self.builder.add("conv2d", 0, weight=weight, **PLAIN)

    def binary(self, outputs, kernel=(1, 1), levels=(-1, 1), stride=1, padding=NONE, groups=1, pad_value=0):
        """Value of a binary convolution of the map, with random weights, and thresholds of which some are numbers of the map."""
        channels = self.builder.shapes[self.map][0]
        bits = self.builder.add(
            "binarize", self.map, levels=levels, threshold=integers(self.random, channels, 3) / 2
        )
        weight = self.random.random((outputs, channels // groups, *kernel)) < 0.5
        window = {"stride": stride, "padding": padding, "groups": groups}
        return self.builder.add("binary_conv2d", bits, weight=weight, pad_value=pad_value, **window)

    def check(self):
        """Compare the engine's logits of the last value with the reference's, to the bit."""
        value = len(self.builder.nodes)
        weight = integers(self.random, (LOGITS, *self.builder.shapes[value]), 1)
        self.builder.add("conv2d", value, weight=weight, **PLAIN)
        graph = self.builder.graph()
        assert is_exact(graph)
        images = integers(self.random, (IMAGES, *graph.shape), PIXEL).astype(np.float32)
        expected = run_reference(graph, images)
        with open_bytes(packed(graph)) as engine:
            np.testing.assert_array_equal(engine.logits(images), expected)


@pytest.fixture(autouse=True)
def every_way(instruction_set, plan):
    """Each test on each instruction set, with each plan."""


@pytest.mark.parametrize("inputs", SIZES)
@pytest.mark.parametrize("levels", LEVELS)
def test_dense_sums_are_exact(inputs, levels):
    for height, width in ((1, 1), (1, 3), (1, 17), (7, 10)):
        for outputs in (1, 33, 80):
            case = Case(inputs, height, width, outputs)
            case.binary(outputs, levels=LEVELS[levels])
            case.check()


@pytest.mark.parametrize("inputs,kernel", [(64, 1), (2048, 1), (512, 3)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums(inputs, kernel, sign):
    case = Case(inputs, 3, 3)
    bits = case.builder.add(
        "binarize", case.map, levels=(-1, 1), threshold=[-1000 * sign]
    )  # all are above, or none
    weight = np.ones((16, inputs, kernel, kernel), bool)
    case.builder.add("binary_conv2d", bits, weight=weight, pad_value=0, **PLAIN)
    case.check()


@pytest.mark.parametrize("kernel", [(7, 1), (1, 7)], ids=str)
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("outputs", [1, 31, 32, 33, 64, 80, 127])
def test_local_sums_are_exact_up_to_the_borders(kernel, group, outputs):
    """A tap outside of the map counts as pad_value; maps smaller than the window as well."""
    padding = (3, 0, 3, 0) if kernel[0] > 1 else (0, 3, 0, 3)
    for size in (1, 2, 3, 4, 7, 9):
        for levels, pad_value in (
            ("signs", 0),
            ("signs", -1),
            ("signs", 1),
            ("bits", 0),
            ("bits", -1),
            ("three", 0),
            ("signs", -0.75),
            ("bits", 2.5),
        ):
            case = Case(group * outputs, size, size, int(pad_value) + 1)
            case.binary(outputs, kernel, LEVELS[levels], padding=padding, groups=outputs, pad_value=pad_value)
            case.check()


@pytest.mark.parametrize("inputs,outputs,groups", [
    (1, 1, 1), (31, 33, 1), (32, 16, 1), (33, 17, 1), (63, 8, 1), (64, 64, 1), (65, 5, 1),
    (64, 32, 2), (128, 64, 2), (192, 48, 3), (66, 34, 2), (96, 6, 3), (130, 10, 2), (33, 33, 33), (64, 128, 64), (31, 62, 31),
])  # fmt: skip
def test_sums_of_windows_are_exact(inputs, outputs, groups):
    """All strides, paddings, kernels and values outside of the map, over dense, grouped and depth-wise convolutions."""
    windows = [
        ((3, 3), 1, (1, 1, 1, 1)), ((3, 3), 2, (1, 1, 1, 1)), ((3, 3), 1, NONE), ((3, 3), 3, (2, 0, 1, 2)),
        ((2, 3), 2, (0, 2, 1, 0)), ((5, 5), 1, (2, 2, 2, 2)), ((1, 1), 2, NONE), ((7, 1), 2, (3, 0, 3, 0)),
    ]  # fmt: skip
    for i, (kernel, stride, padding) in enumerate(windows):
        for k, pad_value in enumerate((0, 1, -1, -0.75, 2.5, 0.5)):
            levels = list(LEVELS.values())[(i + k + k // 3) % 3]
            case = Case(inputs, 6, 5, i)
            case.binary(outputs, kernel, levels, stride, padding, groups, pad_value)
            case.check()


@pytest.mark.parametrize("inputs,outputs,groups", [
    (32, 32, 4), (32, 64, 8), (6, 8, 2), (20, 36, 4), (9, 51, 3), (5, 20, 5), (4, 8, 4), (64, 160, 2),
])  # fmt: skip
def test_grouped_convolutions_of_full_precision_are_exact(inputs, outputs, groups):
    """Blocks of outputs that read one group, some, or the last of all; groups of few outputs as well."""
    for kernel, stride, padding in (
        ((3, 3), 1, (1,) * 4),
        ((3, 3), 2, (1,) * 4),
        ((1, 1), 1, NONE),
        ((2, 5), 1, NONE),
    ):
        case = Case(inputs, 6, 5, outputs)
        weight = integers(case.random, (outputs, inputs // groups, *kernel), 1)
        window = {"stride": stride, "padding": padding, "groups": groups}
        case.builder.add("conv2d", case.map, weight=weight, **window)
        case.check()


@pytest.mark.parametrize("channels", [(16, 32), (5, 16), (16, 7, 3), (17, 16, 1)], ids=str)
def test_channels_of_maps_behind_one_another(channels):
    case = Case(channels[0], 4, 3)
    weights = [integers(case.random, (each, channels[0], 1, 1), 1) for each in channels[1:]]
    others = [case.builder.add("conv2d", case.map, weight=weight, **PLAIN) for weight in weights]
    case.builder.add("concat", case.map, *others)
    case.check()


# 0, -0.0, the smallest denormal either way, the smallest normal number either way
SPECIAL = np.float32([0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, -1.1754944e-38, 1.0, -1.0])


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("threshold", [*SPECIAL])
def test_signs_of_zeros_and_denormals(levels, threshold):
    """x > threshold is false where they are equal, 0 and -0.0 among them; denormals are numbers of their own."""
    builder, weight = GraphBuilder((3, 4, 4)), np.eye(48).reshape(48, 3, 4, 4)
    bits = builder.add("binarize", 0, levels=LEVELS[levels], threshold=[threshold])
    one = np.eye(3).reshape(3, 3, 1, 1) > 0  # output o: the sum of -x_i for i != o, and + x_o
    builder.add(
        "conv2d", builder.add("binary_conv2d", bits, weight=one, pad_value=0, **PLAIN), weight=weight, **PLAIN
    )
    graph, images = builder.graph(), np.resize(SPECIAL, (1, 3, 4, 4))
    images[0, 1] = np.roll(images[0, 1], 1)
    with open_bytes(packed(graph)) as engine:
        np.testing.assert_array_equal(engine.logits(images), run_reference(graph, images))


@pytest.mark.parametrize("inputs,outputs", [(65, 65), (16, 48), (48, 16)])
@pytest.mark.parametrize("kernel", [(1, 1), (7, 1), (1, 7), (3, 3)], ids=str)
def test_what_follows_the_sum(kernel, inputs, outputs):
    """RPReLU(factor sum + offset + shortcut) + shift, with factors that are negative, 0 and -0.0, in halves: exact."""
    case = Case(inputs, 5, 5)
    local = 1 in kernel and kernel != (1, 1)
    channels = inputs if local else outputs
    padding = tuple((k - 1) // 2 for k in (*kernel, *kernel))
    random, builder = case.random, case.builder
    factor = np.resize([0.5, -0.5, 0.0, -0.0, 1.0, -1.0], channels)
    offset = np.where(factor == 0, 0, integers(random, channels, 4) / 2)  # exactly 0: the lower branch
    value = case.binary(channels, kernel, padding=padding, groups=inputs if local else 1)
    value = builder.add("affine", value, factor=factor, offset=offset)
    shortcut = case.map
    if channels > inputs:
        shortcut = builder.add("concat", *(case.map,) * (channels // inputs))
    elif channels < inputs:
        shortcut = builder.add("slice", case.map, start=0, step=inputs // channels, count=channels)
    value = builder.add("add", value, shortcut)
    value = builder.add("prelu", value, positive=[1], negative=integers(random, channels, 2) / 2)
    builder.add("affine", value, factor=[1], offset=integers(random, channels, 4) / 2)
    case.check()
