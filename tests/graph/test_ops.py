"""Operations one by one: shapes, refusals, and meanings on maps small enough to work out by hand."""

import math

import numpy as np
import pytest

from src.graph import run_reference
from src.graph.ir import GraphBuilder
from src.graph.meanings import FUNCTIONS
from src.graph.ops import BITS, FILTERS, INDEX, OPS, TYPES
from src.graph.reference import values_of

SAME = (0, 0, 0, 0)


def convolution(shape=(4, 3, 1, 1), stride=1, padding=SAME, groups=1):
    """Arguments of a conv2d with weights of ones."""
    return {"weight": np.ones(shape), "stride": stride, "padding": padding, "groups": groups}


def pooling(kernel, stride=1, padding=SAME, kind="max"):
    """Arguments of a pool."""
    return {"kind": kind, "kernel": kernel, "stride": stride, "padding": padding}


def norm(epsilon=1e-5):
    """Arguments of a layer_norm."""
    return {"epsilon": epsilon, "factor": [1], "offset": [0]}


def shape_after(shape, op, **arguments):
    """Shape of a node's value on the image of a shape; binarized first for a binary convolution."""
    builder = GraphBuilder(shape)
    value = builder.add("binarize", 0, levels=(-1, 1), threshold=[0]) if op == "binary_conv2d" else 0
    return builder.shapes[builder.add(op, *[value] * (OPS[op].inputs or 1), **arguments)]


def meaning(op, *maps, **arguments):
    """Value of an operation on maps (C, H, W) of float32 each."""
    maps = [np.asarray(each, np.float32)[None] for each in maps]
    arrays = {name: np.asarray(arguments[name], TYPES[kind]) for name, kind in OPS[op].tensors.items()}
    found = OPS[op].meaning(*maps, **{**arguments, **arrays})
    assert found.dtype == np.float32
    return found[0]


def row(*numbers):
    """Map of one channel and one row."""
    return [[list(numbers)]]


def vector(*numbers):
    """Map of 1 x 1."""
    return [[[number]] for number in numbers]


@pytest.mark.parametrize(
    "shape,op,arguments,expected",
    [
        ((3, 8, 6), "conv2d", convolution(), (4, 8, 6)),
        ((3, 8, 6), "conv2d", convolution((4, 3, 3, 2)), (4, 6, 5)),
        ((3, 8, 6), "conv2d", convolution((4, 3, 3, 2), padding=(2, 1, 1, 0)), (4, 9, 6)),
        ((3, 8, 6), "conv2d", convolution((4, 3, 3, 2), stride=2, padding=(2, 1, 1, 0)), (4, 5, 3)),
        ((3, 8, 6), "conv2d", convolution((6, 1, 3, 3), groups=3), (6, 6, 4)),
        ((4, 1, 1), "conv2d", convolution((6, 2, 3, 3), padding=(1,) * 4, groups=2), (6, 1, 1)),
        ((3, 8, 6), "conv2d", convolution((4, 3, 8, 6), stride=64), (4, 1, 1)),
        ((3, 8, 6), "binary_conv2d", {**convolution((5, 3, 1, 6)), "pad_value": 0}, (5, 8, 1)),
        ((3, 8, 6), "pool", pooling((2, 3), 2), (3, 4, 2)),
        ((3, 7, 7), "pool", pooling((3, 3), 2, (1, 0, 1, 1)), (3, 4, 3)),
        ((6, 2, 2), "slice", {"start": 1, "step": 2, "count": 3}, (3, 2, 2)),
        ((6, 2, 2), "slice", {"start": 5, "step": 7, "count": 1}, (1, 2, 2)),
        ((6, 2, 2), "group_mean", {"group": 3}, (2, 2, 2)),
        ((6, 2, 2), "permute", {"order": [5, 4, 3, 2, 1, 0]}, (6, 2, 2)),
        ((6, 2, 2), "global_mean", {}, (6, 1, 1)),
        ((6, 2, 2), "softmax", {"group": 6}, (6, 2, 2)),
        ((6, 2, 2), "layer_norm", norm(), (6, 2, 2)),
        ((6, 2, 2), "unary", {"function": "cos"}, (6, 2, 2)),
        ((6, 2, 2), "affine", {"factor": np.ones(6), "offset": [1]}, (6, 2, 2)),
        ((6, 2, 2), "concat", {}, (6, 2, 2)),
    ],
)
def test_shapes(shape, op, arguments, expected):
    assert shape_after(shape, op, **arguments) == expected


@pytest.mark.parametrize(
    "op,arguments,said",
    [
        ("conv2d", convolution((4, 2, 1, 1)), "conv2d: expected 2 channels, got 3"),
        ("conv2d", convolution((4, 1, 1, 1), groups=3), r"groups that divide the output's channels, got \(4, 3\)"),
        ("conv2d", convolution(groups=0), "groups: expected an integer from 1 to 65536, got 0"),
        ("conv2d", convolution(stride=65), "stride: expected an integer from 1 to 64, got 65"),
        ("conv2d", convolution(stride=(1, 1)), r"stride: expected .*, got \(1, 1\)"),
        ("conv2d", convolution(stride=1.0), "stride: expected .*, got 1.0"),
        ("conv2d", convolution(padding=(0, 0)), r"padding: expected 4 integers from 0 to 63, got \(0, 0\)"),
        ("conv2d", convolution(padding=(0, 0, -1, 0)), "padding: expected 4 integers"),
        ("conv2d", convolution((4, 3, 2, 2), padding=(2, 0, 0, 0)), "a padding below the kernel"),
        ("conv2d", convolution((4, 3, 2, 2), padding=(0, 0, 2, 0)), "a padding below the kernel"),
        ("conv2d", convolution((4, 3, 2, 2), padding=(0, 0, 0, 2)), "a padding below the kernel"),
        ("conv2d", convolution((4, 3, 9, 1)), r"a map that holds the kernel, got \(3, 8, 6\) for \(9, 1\)"),
        ("conv2d", convolution((4, 3, 1, 65)), "a kernel of 1 to 64"),
        ("conv2d", convolution((4, 3, 0, 1)), "a kernel of 1 to 64"),
        ("conv2d", {**convolution(), "pad_value": 0}, "expected .*, got .*'pad_value'"),
        ("binary_conv2d", {**convolution(), "pad_value": 65537}, "pad_value: expected a number from -65536.0 to 65536.0, got 65537"),
        ("binary_conv2d", {**convolution(), "pad_value": math.nan}, "pad_value: expected"),
        ("binarize", {"levels": (1, -1), "threshold": [0]}, "levels: expected one of"),
        ("binarize", {"levels": (-1, 1), "threshold": [0, 0]}, r"threshold of 3 numbers, got \(2,\)"),
        ("binarize", {"levels": (-1, 1)}, r"expected \['levels', 'threshold'\], got \['levels'\]"),
        ("affine", {"factor": [[1]], "offset": [0]}, "factor of 3 numbers"),
        ("prelu", {"positive": [1], "negative": np.ones(4)}, "negative of 3 numbers"),
        ("unary", {"function": "exp"}, "function: expected one of sigmoid, .*, got exp"),
        ("slice", {"start": 1, "step": 1, "count": 3}, "channels of 3"),
        ("slice", {"start": 0, "step": 0, "count": 1}, "step: expected"),
        ("slice", {"start": 0, "step": 1, "count": 0}, "count: expected"),
        ("slice", {"start": -1, "step": 1, "count": 1}, "start: expected"),
        ("permute", {"order": [0, 1, 1]}, "an order of 3 channels"),
        ("permute", {"order": [0, 1]}, "an order of 3 channels, got 2 numbers"),
        ("group_mean", {"group": 2}, "a divisor of 3 channels, got 2"),
        ("softmax", {"group": 2}, "a divisor of 3 channels, got 2"),
        ("pool", pooling((2, 2), kind="median"), "kind: expected one of max, average, got median"),
        ("pool", pooling((2,)), "kernel: expected 2 integers"),
        ("pool", pooling((2, 2), padding=(0, 2, 0, 0)), "a padding below the kernel"),
        ("layer_norm", norm(0.0), "epsilon: expected a number from 1e-12 to 1.0, got 0.0"),
        ("layer_norm", norm(math.nan), "epsilon: expected"),
        ("layer_norm", norm(1.1), "epsilon: expected"),
    ],
)  # fmt: skip
def test_attributes_and_tensors_that_do_not_fit_are_named(op, arguments, said):
    with pytest.raises(ValueError, match=said):
        shape_after((3, 8, 6), op, **arguments)


def test_inputs_that_do_not_fit_are_named():
    builder = GraphBuilder((3, 4, 4))
    maps = builder.add("conv2d", 0, name="stem", **convolution())
    one = builder.add("slice", 0, start=0, step=1, count=1)
    vectors = builder.add("global_mean", maps)
    arguments = {**convolution((1, 4, 1, 1)), "pad_value": 0}
    for inputs, op, more, said in (
        ((0,), "convolve", {}, "layer: expected one of conv2d, .*, got 'convolve'"),
        ((0, 0), "global_mean", {}, "layer: global_mean: expected 1 input, got 2"),
        ((0,), "add", {}, "expected 2 inputs, got 1"),
        ((), "concat", {}, "expected 1 to 64 inputs, got 0"),
        ((0,) * 65, "concat", {}, "expected 1 to 64 inputs, got 65"),
        ((9,), "global_mean", {}, r"values that are made before, got \(9,\)"),
        ((-1,), "global_mean", {}, "values that are made before"),
        ((maps,), "binary_conv2d", arguments, "an input made by binarize"),
        ((0,), "binary_conv2d", arguments, "an input made by binarize"),
        ((0, maps), "add", {}, r"a map that broadcasts over \(3, 4, 4\), got \(4, 4, 4\)"),
        ((one, 0), "mul", {}, "a map that broadcasts"),
        ((vectors, maps), "add", {}, "a map that broadcasts"),
        ((maps, vectors), "concat", {}, "maps of one size"),
    ):
        with pytest.raises(ValueError, match=said):
            builder.add(op, *inputs, name="layer", **more)
    assert len(builder.graph().nodes) == 3
    for second in (maps, vectors, one):
        builder.add("mul", maps, second)


def test_channels_and_filters_have_limits():
    builder = GraphBuilder((1, 1, 1))
    half = builder.add("conv2d", 0, **convolution((1 << 15, 1, 1, 1)))
    builder.add("concat", half, half)
    with pytest.raises(ValueError, match="at most 65536 channels, got 65537"):
        builder.add("concat", half, half, 0)
    for channels in (0, (1 << 16) + 1):
        with pytest.raises(ValueError, match=f"1 to 65536 channels, got {channels}"):
            builder.add("conv2d", 0, **convolution((channels, 1, 1, 1)))
    bits = builder.add("binarize", half, levels=(-1, 1), threshold=[0])
    wide = {
        "weight": np.ones((1, 1 << 15, 12, 12), bool),
        "stride": 1,
        "padding": (11,) * 4,
        "groups": 1,
        "pad_value": 0,
    }
    with pytest.raises(ValueError, match="at most 4194304 weights in a filter, got 4718592"):
        builder.add("binary_conv2d", bits, **wide)


def test_sums_of_a_convolution():
    x = [[[1, 2], [3, 4]], [[10, 20], [30, 40]]]
    weight = [
        [[[1, 0], [0, 100]], [[1, 0], [0, 0]]]
    ]  # upper left of both channels, 100 times lower right of the first
    expected = [[[100, 200, 0], [300, 400 + 11, 22], [0, 33, 44]]]
    found = meaning("conv2d", x, weight=weight, stride=1, padding=(1, 1, 1, 1), groups=1)
    np.testing.assert_array_equal(found, expected)
    found = meaning("conv2d", x, weight=weight, stride=2, padding=(1, 1, 1, 1), groups=1)
    np.testing.assert_array_equal(found, [[[100, 0], [0, 44]]])
    found = meaning("conv2d", x, weight=weight, stride=1, padding=(0, 1, 1, 0), groups=1)
    np.testing.assert_array_equal(found, [[[300, 411], [0, 33]]])


def test_groups_of_a_convolution_read_their_own_channels():
    weight = np.reshape([1, 2, 3, 4], (4, 1, 1, 1))
    found = meaning("conv2d", vector(5, 7), weight=weight, stride=1, padding=SAME, groups=2)
    np.testing.assert_array_equal(found.ravel(), [5, 10, 21, 28])


@pytest.mark.parametrize("value", [-1, 0, 1, 0.25, -2.5])
def test_values_outside_of_the_map_of_a_binary_convolution(value):
    weight = np.reshape([True, True, False], (1, 1, 1, 3))
    more = {"weight": weight, "stride": 1, "padding": (0, 1, 0, 1), "groups": 1, "pad_value": value}
    found = meaning("binary_conv2d", row(1, -1, -1), **more)
    np.testing.assert_array_equal(found.ravel(), [value + 1 + 1, 1 - 1 + 1, -1 - 1 - value])


@pytest.mark.parametrize(
    "levels,threshold,expected",
    [
        ((-1, 1), 1, [-1, -1, -1, -1, 1]),
        ((0, 1), 1, [0, 0, 0, 0, 1]),
        ((-1, 0, 1), 1, [-1, 0, 0, 0, 1]),
        ((-1, 0, 1), 0, [-1, -1, 0, 1, 1]),
        ((-1, 0, 1), -1, [-1, -1, 1, 1, 1]),  # above the threshold goes first
    ],
)
def test_a_number_is_above_its_threshold_or_not(levels, threshold, expected):
    found = meaning("binarize", row(-2, -1, 0, 1, 2), levels=levels, threshold=[threshold])
    np.testing.assert_array_equal(found.ravel(), expected)


def test_vectors_are_of_channels_or_of_all():
    x = [[[1, -2]], [[3, -4]]]
    for factor, offset, expected in (
        ([2], [1], [3, -3, 7, -7]),
        ([2, 3], [1], [3, -3, 10, -11]),
        ([2], [0, 1], [2, -4, 7, -7]),
    ):
        found = meaning("affine", x, factor=factor, offset=offset)
        np.testing.assert_array_equal(found.ravel(), expected)
    found = meaning("prelu", x, positive=[2, 1], negative=[0.5])
    np.testing.assert_array_equal(found.ravel(), [2, -1, 3, -2])
    found = meaning("binarize", x, levels=(-1, 1), threshold=[0, 3])
    np.testing.assert_array_equal(found.ravel(), [1, -1, -1, -1])


def test_functions_at_numbers_that_one_knows():
    third = math.pi / 3
    known = {
        "sigmoid": [(0, 0.5), (math.log(3), 0.75)],
        "gelu": [(0, 0), (1, 0.8413447), (-1, -0.1586553)],
        "tanh": [(0, 0), (math.log(2), 0.6)],
        "cos": [(0, 1), (third, 0.5)],
        "sin": [(0, 0), (third / 2, 0.5)],
        "hardtanh": [(-3, -1), (0.25, 0.25), (3, 1)],
        "relu6": [(-1, 0), (2, 2), (7, 6)],
        "hardsigmoid": [(-4, 0), (0, 0.5), (1.5, 0.75), (4, 1)],
        "hardswish": [(-4, 0), (1.5, 1.125), (4, 4)],
        "silu": [(0, 0), (math.log(3), 0.75 * math.log(3))],
    }
    assert known.keys() == FUNCTIONS.keys()
    for function, pairs in known.items():
        x, expected = zip(*pairs)
        found = meaning("unary", row(*x), function=function)
        np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


def test_sums_and_products_broadcast():
    x = [[[1, 2]], [[3, 4]]]
    for y, total in (
        (x, [2, 4, 6, 8]),
        (vector(10, 20), [11, 12, 23, 24]),
        (row(10, 20), [11, 22, 13, 24]),
        (vector(10), [11, 12, 13, 14]),
    ):
        np.testing.assert_array_equal(meaning("add", x, y).ravel(), total)
    np.testing.assert_array_equal(meaning("mul", x, vector(10, 20)).ravel(), [10, 20, 60, 80])


def test_channels_are_moved():
    x = vector(0, 1, 2, 3, 4, 5)
    np.testing.assert_array_equal(meaning("concat", vector(7), x, vector(8, 9)).ravel(), [7, *range(6), 8, 9])
    np.testing.assert_array_equal(meaning("slice", x, start=1, step=2, count=3).ravel(), [1, 3, 5])
    np.testing.assert_array_equal(meaning("slice", x, start=1, step=2, count=2).ravel(), [1, 3])
    np.testing.assert_array_equal(meaning("permute", x, order=[2, 0, 1, 5, 4, 3]).ravel(), [2, 0, 1, 5, 4, 3])
    np.testing.assert_array_equal(meaning("group_mean", x, group=3).ravel(), [1, 4])


def test_pools_know_nothing_outside_of_the_map_or_zeros():
    x = [[[-4, -8], [-12, -16]]]
    found = meaning("pool", x, **pooling((2, 2), padding=(1, 1, 0, 0)))
    np.testing.assert_array_equal(found, [[[-4, -4], [-4, -4]]])
    found = meaning("pool", x, **pooling((2, 2), padding=(1, 1, 0, 0), kind="average"))
    np.testing.assert_array_equal(found, [[[-1, -3], [-4, -10]]])
    found = meaning("pool", x, **pooling((1, 2), padding=(0, 0, 0, 1), stride=2))
    np.testing.assert_array_equal(found, [[[-4]]])


def test_statistics():
    x = [[[1, 2], [3, 6]], [[0, 0], [0, 4]]]
    np.testing.assert_array_equal(meaning("global_mean", x).ravel(), [3, 1])
    found = meaning("softmax", vector(0, math.log(3), 5, 5), group=2)
    np.testing.assert_allclose(found.ravel(), [0.25, 0.75, 0.5, 0.5], rtol=1e-6)
    found = meaning("layer_norm", vector(1, 3), epsilon=0.5625, factor=[10, 20], offset=[1])
    np.testing.assert_allclose(
        found.ravel(), [10 * -0.8 + 1, 20 * 0.8 + 1], rtol=1e-6
    )  # 1 / sqrt(1 + 0.5625) = 0.8


def test_a_graph_is_run_node_by_node():
    builder = GraphBuilder((3, 2, 2))
    mean = builder.add("global_mean", 0)
    builder.add("concat", 0)  # nothing reads it
    builder.add("add", mean, mean)
    graph = builder.graph()
    images = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    assert [v.shape[1:] for v in values_of(graph, images)] == [graph.shape_of(v) for v in range(4)]
    np.testing.assert_array_equal(run_reference(graph, images), 2 * images.mean((2, 3)))
    with pytest.raises(ValueError, match=r"images: expected \(B, 3, 2, 2\), got \(2, 3, 2, 3\)"):
        run_reference(graph, np.zeros((2, 3, 2, 3)))


def test_a_graph_holds_the_numbers_of_a_packed_file():
    builder = GraphBuilder((3, 1, 1))
    for epsilon in (1e-12, 0.1, 1):
        builder.add("layer_norm", builder.add("global_mean", 0), **norm(epsilon))
        assert builder.nodes[-1].attributes["epsilon"] == np.float32(epsilon)
    builder.add("affine", 0, factor=0.1 * np.ones(3), offset=[1])
    assert {array.dtype for array in builder.nodes[-1].tensors.values()} == {np.dtype(np.float32)}


def test_each_operation_has_a_number_of_its_own():
    assert sorted(row.number for row in OPS.values()) == list(range(1, 17))
    filters = {name for name, row in OPS.items() if {FILTERS, BITS} & set(row.tensors.values())}
    assert filters == {"conv2d", "binary_conv2d"} and OPS["permute"].tensors == {"order": INDEX}
