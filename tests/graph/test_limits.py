"""Limits of a graph: numbers alive at once, multiplications, rows of a binary convolution's window."""

import numpy as np
import pytest

from src.graph.ir import Graph, GraphBuilder
from src.graph.limits import (
    MAX_NODES,
    MAX_NUMBERS,
    MAX_WORDS,
    MAX_WORK,
    most_alive,
    violations,
    window_words,
    work,
)

CONV = {"stride": 1, "padding": (0,) * 4, "groups": 1}


def convolution(builder, value, out, kernel=(1, 1), op="conv2d", **changes):
    """Value of a convolution with zeros as weights."""
    arguments = {**CONV, **changes}
    channels = builder.shapes[value][0] // arguments["groups"]
    kind = bool if op == "binary_conv2d" else np.float32
    weight = np.zeros((out, channels, *kernel), kind)
    return builder.add(op, value, weight=weight, **arguments)


def binarized(builder, value, levels=(-1, 1)):
    """Value of a binarize."""
    return builder.add("binarize", value, levels=levels, threshold=[0])


def head(builder, value):
    """The graph with the mean of a value as its output."""
    builder.add("global_mean", value)
    return builder.graph()


def test_a_small_graph_violates_nothing():
    builder = GraphBuilder((3, 4, 4))
    assert violations(head(builder, convolution(builder, 0, 5))) == []


def test_a_graph_has_nodes_and_an_output_of_one_position():
    assert violations(Graph((3, 1, 1), ())) == [f"1 to {MAX_NODES} nodes"]
    for size in ((1, 2), (2, 1)):
        builder = GraphBuilder((3, *size))
        builder.add("concat", 0)
        assert violations(builder.graph()) == ["an output of 1 x 1"]
    builder = GraphBuilder((3, 1, 1))
    builder.add("concat", 0)
    node = builder.nodes[0]
    assert violations(Graph((3, 1, 1), (node,) * MAX_NODES)) == []
    assert violations(Graph((3, 1, 1), (node,) * (MAX_NODES + 1))) == [f"1 to {MAX_NODES} nodes"]


def test_numbers_alive_are_counted_in_sixteens():
    builder = GraphBuilder((3, 5, 7))
    a = convolution(builder, 0, 16)
    b = convolution(builder, a, 17)
    assert most_alive(builder.graph()) == 5 * 7 * (16 + 32)
    builder.add("add", b, b)
    assert most_alive(builder.graph()) == 5 * 7 * (32 + 32)


def test_values_are_alive_until_they_are_read_last():
    builder = GraphBuilder((16, 1, 1))
    a = builder.add("affine", 0, factor=[1], offset=[0])
    b = builder.add("affine", a, factor=[1], offset=[0])
    assert most_alive(builder.graph()) == 2 * 16
    builder.add("add", b, 0)
    assert most_alive(builder.graph()) == 3 * 16  # the image is read by the last node
    builder.add("affine", a, factor=[1], offset=[0])
    assert most_alive(builder.graph()) == 4 * 16  # and the first value now
    for _ in range(9):
        builder.add("affine", 0, factor=[1], offset=[0])
    assert most_alive(builder.graph()) == 4 * 16  # what nothing reads is alive at its own node alone


@pytest.mark.parametrize("height,width,holds", [(2047, 2049, True), (2048, 2048, False)])
def test_numbers_alive_have_a_limit(height, width, holds):
    graph = head(GraphBuilder((16, height, width)), 0)
    assert most_alive(graph) == 16 * height * width + 16
    assert violations(graph) == ([] if holds else [f"at most {MAX_NUMBERS} numbers alive at once"])


def test_multiplications_are_counted_by_the_kind_of_node():
    builder = GraphBuilder((4, 6, 8))
    a = convolution(builder, 0, 10, (3, 1), groups=2, stride=2)  # 2 channels a group, 2 x 4 positions
    b = binarized(builder, a)
    c = convolution(builder, b, 5, (2, 2), "binary_conv2d", pad_value=0)
    d = builder.add("pool", c, kind="max", kernel=(1, 3), stride=1, padding=(0,) * 4)
    head(builder, d)
    taps = [10 * 2 * 4 * 2 * 3, 10 * 2 * 4, 5 * 1 * 3 * 10 * 4, 5 * 1 * 1 * 3, 5]
    assert [work(Graph((4, 6, 8), (node,))) for node in builder.nodes] == taps
    assert work(builder.graph()) == sum(taps)


@pytest.mark.parametrize("pools,holds", [(15, True), (16, False)])
def test_multiplications_have_a_limit(pools, holds):
    builder, value = GraphBuilder((16, 1024, 1024)), 0
    for _ in range(pools):
        value = builder.add("pool", value, kind="max", kernel=(64, 64), stride=1, padding=(31, 31, 32, 32))
    graph = head(builder, value)
    assert work(graph) == pools * 16 * 1024 * 1024 * 64 * 64 + 16
    assert violations(graph) == ([] if holds else [f"at most {MAX_WORK} multiplications"])


@pytest.mark.parametrize(
    "levels,kernel,stride,groups,channels,words",
    [
        ((-1, 1), (1, 1), 1, 1, 1, 9),
        ((-1, 1), (3, 2), 1, 1, 32, 3 * 9),
        ((-1, 1), (3, 2), 1, 1, 33, 3 * 9 * 2),
        ((0, 1), (3, 2), 1, 3, 33, 3 * 9 * 3),
        ((-1, 0, 1), (3, 2), 1, 33, 33, 2 * 3 * 9 * 33),
        ((-1, 1), (3, 3), 2, 1, 1, 3 * 9),
        ((-1, 1), (3, 3), 3, 1, 1, 3 * 9),
        ((-1, 1), (2, 2), 3, 1, 1, 2 * 8),
    ],
)
def test_words_of_the_rows_that_a_window_covers(levels, kernel, stride, groups, channels, words):
    builder = GraphBuilder((channels, 9, 9))
    bits = binarized(builder, 0, levels)
    changes = {"groups": groups, "stride": stride, "pad_value": 1}
    graph = head(builder, convolution(builder, bits, groups, kernel, "binary_conv2d", **changes))
    assert window_words(graph) == words


def test_words_of_a_window_have_a_limit():
    limit = f"at most {MAX_WORDS} words in the rows that a binary convolution's window covers"
    for width, expected in ((512, []), (513, [limit])):
        builder = GraphBuilder((2**11, 1, width))
        changes = {"groups": 2**11, "pad_value": 0, "padding": (63, 0, 0, 0)}
        graph = head(
            builder, convolution(builder, binarized(builder, 0), 2**11, (64, 2), "binary_conv2d", **changes)
        )
        assert window_words(graph) == 64 * width * 2**11
        assert violations(graph) == expected
