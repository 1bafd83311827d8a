"""Boxes of a picture: which nodes of a graph a reader takes for one layer, and which blocks for the same."""

import pytest

from src.graph.boxes import Reading, parts_of
from tests.graph.layered import Layers, layered

BLOCK = [
    ("norm", ("affine",)),
    ("mix.left", ("binarize", "binary_conv2d 1x1", "affine", "add", "prelu")),
    ("mix.right", ("binarize", "binary_conv2d 1x1", "affine", "add", "prelu")),
    ("mix.merge", ("affine x 2", "add")),
    ("", ("add",)),
]


def test_the_network_in_boxes_and_each_kind_of_block_once():
    graph = layered(depths=(2, 1))
    overview, details = parts_of(graph)
    assert [(box.name, box.words, box.times) for box in overview] == [
        ("stem", ("conv2d 1x1", "affine"), 1),
        ("stages.0.0", ("5 layers",), 2),
        ("downs.1", ("binarize", "binary_conv2d 1x1", "affine", "concat", "add", "prelu"), 1),
        ("stages.1.0", ("5 layers",), 1),
        ("norm", ("affine", "global_mean"), 1),
        ("head", ("conv2d 1x1",), 1),
    ]
    assert [(box.name, box.words) for box in details[0].boxes] == BLOCK
    assert [detail.names for detail in details] == [(("stages.0.0", 2), ("stages.1.0", 1))]


def test_boxes_hold_every_node_once():
    graph = layered(depths=(3, 1, 2))
    overview, details = parts_of(graph)
    assert [box.start for box in overview] == [0, *(box.end for box in overview[:-1])]
    assert overview[-1].end == len(graph.nodes)
    for detail in details:
        assert all(a.stop == b.start for a, b in zip(detail.boxes, detail.boxes[1:]))


def test_shortcuts_lead_around_a_filter():
    graph = layered()
    reading, (_, details) = Reading(graph), parts_of(graph)
    found = {box.name for box in details[0].boxes if reading.has_shortcut(box.start, box.stop)}
    assert found == {"mix.left", "mix.right"}
    down = parts_of(graph)[0][2]
    assert down.name == "downs.1" and reading.has_shortcut(down.start, down.stop)


def test_what_boxes_read_and_make():
    graph = layered()
    reading, (_, details) = Reading(graph), parts_of(graph)
    norm, left, right, merge, residual = details[0].boxes
    assert reading.inputs(left.start, left.stop) == reading.inputs(right.start, right.stop) == (norm.stop,)
    assert reading.inputs(merge.start, merge.stop) == (left.stop, right.stop)
    assert reading.inputs(residual.start, residual.stop) == (merge.stop, norm.start)
    assert reading.outputs(norm.start, right.stop) == [left.stop, right.stop]


def test_a_name_that_other_nodes_share_gives_way_to_that_of_the_filter():
    """As in the published networks, whose attributes lie side by side."""
    net, block = Layers(), "stages.0"
    z = x = net.affine("stem", 0)
    for name in ("a", "b", "c"):
        y = net.conv(f"{block}.attn.{name}", "conv2d", net.affine(f"{block}.attn.move_{name}", x), 3)
        x = net.add(f"{block}.attn", "add", net.affine(f"{block}.attn.norm_{name}", y), z)
    net.conv("head", "conv2d", net.add("mean", "global_mean", x), 10)
    _, (detail,) = parts_of(net.builder.graph())
    assert [box.name for box in detail.boxes] == ["attn.a", "attn.b", "attn", "attn.c", "attn"]


def test_layers_beside_blocks_do_not_take_the_name_that_all_share():
    net = Layers()
    x = net.affine("features.1", net.conv("features.0", "conv2d", 0, 4))
    net.conv("head", "conv2d", net.add("mean", "global_mean", net.block("features.2", x)), 10)
    overview, _ = parts_of(net.builder.graph())
    assert [box.name for box in overview] == ["features.0", "features.2", "mean", "head"]


@pytest.mark.parametrize("reads,kinds", [("xx", 1), ("xa", 2), ("aa", 1)])
def test_blocks_of_other_connections_are_another_kind(reads, kinds):
    net = Layers()
    x = net.affine("stem", 0)
    for i, second in enumerate(reads):
        a = net.conv(f"stages.{i}.a", "conv2d", x, 3)
        b = net.conv(f"stages.{i}.b", "conv2d", {"x": x, "a": a}[second], 3)
        x = net.add(f"stages.{i}", "add", a, net.conv(f"stages.{i}.c", "conv2d", b, 3))
    net.conv("head", "conv2d", net.add("mean", "global_mean", x), 10)
    overview, details = parts_of(net.builder.graph())
    assert len(details) == kinds
    assert [box.times for box in overview if box.name.startswith("stages")] == ([2] if kinds == 1 else [1, 1])
