"""Simplified graphs: the same values up to rounding, fewer nodes, and a shape that does not depend on learned numbers."""

from collections import Counter

import numpy as np
import pytest

from src.graph import run_reference
from src.graph.ir import GraphBuilder
from src.graph.simplify import simplify
from tests.graph.packed_files import same_graph
from tests.graph.random_graphs import images_for, random_graph

SEEDS = range(120)
NOTHING = {"factor": [1], "offset": [0]}


def ops(graph):
    """Operations of a graph in order."""
    return [node.op for node in graph.nodes]


def vectors(channels, seed=0):
    """Factor and offset of an affine, one for each channel."""
    rng = np.random.default_rng(seed)
    return {"factor": rng.uniform(0.5, 2, channels), "offset": rng.normal(size=channels)}


def simplified(builder):
    """Simplified graph of a builder, whose logits are those of the graph."""
    graph = builder.graph()
    images = np.random.default_rng(0).normal(size=(3, *graph.shape)).astype(np.float32)
    small = simplify(graph)
    expected = run_reference(graph, images)
    np.testing.assert_allclose(run_reference(small, images), expected, atol=1e-5 * np.abs(expected).max())
    return small


@pytest.mark.parametrize("seed", SEEDS)
def test_logits_stay_the_same_up_to_rounding(seed):
    graph = random_graph(seed)
    images, small = images_for(graph, seed), simplify(graph)
    expected = run_reference(graph, images)
    assert np.abs(run_reference(small, images) - expected).max() <= 2e-5 * np.abs(expected).max()
    assert small.shape == graph.shape and len(small.nodes) <= len(graph.nodes)


def test_a_second_time_changes_nothing_but_rounding():
    for seed in SEEDS:
        small = simplify(random_graph(seed))
        again = simplify(small)
        assert len(again.nodes) <= len(small.nodes)
        if len(again.nodes) == len(small.nodes):
            assert [(n.op, n.inputs, n.attributes) for n in again.nodes] == [
                (n.op, n.inputs, n.attributes) for n in small.nodes
            ]


def test_nodes_that_nothing_needs_go():
    builder = GraphBuilder((3, 2, 2))
    lost = builder.add("unary", 0, function="cos")
    builder.add("global_mean", lost)
    builder.add("global_mean", builder.add("unary", 0, function="sin"))
    small = simplified(builder)
    assert ops(small) == ["unary", "global_mean"] and small.nodes[0].attributes == {"function": "sin"}
    assert [node.inputs for node in small.nodes] == [(0,), (1,)]
    for seed in SEEDS:
        graph = simplify(random_graph(seed))
        read = {value for node in graph.nodes for value in node.inputs}
        assert set(range(1, len(graph.nodes))) <= read


def test_an_affine_of_an_affine_is_one():
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("affine", 0, **vectors(3))
    x = builder.add("affine", x, factor=[2], offset=[1])
    x = builder.add("affine", x, **vectors(3, 1))
    builder.add("global_mean", x)
    small = simplified(builder)
    assert ops(small) == ["affine", "global_mean"]
    (f, o), (g, p) = (
        [np.float32(v).astype(np.float64) for v in vectors(3, seed).values()] for seed in (0, 1)
    )
    np.testing.assert_array_equal(small.nodes[0].tensors["factor"], np.float32(g * (2 * f)))  # rounded once
    np.testing.assert_array_equal(small.nodes[0].tensors["offset"], np.float32(g * (2 * o + 1) + p))


def test_an_affine_that_others_read_stays_for_them():
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("affine", 0, **vectors(3))
    y, z = (builder.add("affine", x, **vectors(3, seed)) for seed in (1, 2))
    builder.add("global_mean", builder.add("mul", builder.add("mul", y, z), x))
    small = simplified(builder)
    assert ops(small) == ["affine"] * 3 + ["mul", "mul", "global_mean"]
    assert [node.inputs for node in small.nodes[:3]] == [(0,)] * 3


def test_an_affine_that_only_affines_read_goes():
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("affine", 0, **vectors(3))
    y, z = (builder.add("affine", x, **vectors(3, seed)) for seed in (1, 2))
    builder.add("global_mean", builder.add("mul", y, z))
    assert ops(simplified(builder)) == ["affine", "affine", "mul", "global_mean"]


@pytest.mark.parametrize("left", [True, False])
def test_an_offset_behind_a_sum_moves_into_the_affine_before(left):
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("affine", 0, **vectors(3))
    total = builder.add("add", *((x, 0) if left else (0, x)))
    builder.add("global_mean", builder.add("affine", total, factor=[1], offset=[1, 2, 3]))
    small = simplified(builder)
    assert ops(small) == ["affine", "add", "global_mean"]
    np.testing.assert_allclose(small.nodes[0].tensors["offset"], vectors(3)["offset"] + [1, 2, 3], rtol=1e-6)


def test_offsets_behind_offsets_behind_a_sum_move_too():
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("add", builder.add("affine", 0, **vectors(3)), 0)
    for offset in ([1, 2, 3], [3]):
        x = builder.add("affine", x, factor=[1], offset=offset)
    builder.add("global_mean", x)
    assert ops(simplified(builder)) == ["affine", "add", "global_mean"]


def test_an_offset_stays_that_only_one_of_two_readers_wants():
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("add", builder.add("affine", 0, **vectors(3)), 0)
    y = builder.add("affine", x, factor=[1], offset=[1, 2, 3])
    z = builder.add("affine", y, factor=[1], offset=[3])
    builder.add("global_mean", builder.add("mul", y, z))
    assert ops(simplified(builder)) == ["affine", "add", "affine", "mul", "global_mean"]


def test_an_offset_moves_into_an_affine_that_a_folded_one_read():
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("affine", 0, **vectors(3))
    y = builder.add("affine", x, **vectors(3, 1))
    z = builder.add("affine", builder.add("add", 0, x), factor=[1], offset=[1, 2, 3])
    builder.add("global_mean", builder.add("mul", y, z))
    assert Counter(ops(simplified(builder)))["affine"] == 2


def behind_a_sum(factor=(1,), read_affine=False, read_sum=False, channels=3):
    """Graph of an affine, a sum that reads it, and an affine of the sum; further readers of the first two by wish."""
    builder = GraphBuilder((3, 2, 2))
    if channels == 1:
        x = builder.add("affine", builder.add("group_mean", 0, group=3), factor=[2], offset=[1])
    else:
        x = builder.add("affine", 0, **vectors(3))
    total = builder.add("add", 0, x)
    y = builder.add("affine", total, factor=factor, offset=[1, 2, 3])
    for value, reads in ((x, read_affine), (total, read_sum)):
        y = builder.add("mul", y, value) if reads else y
    builder.add("global_mean", y)
    return builder


@pytest.mark.parametrize(
    "changes",
    [{"factor": [2]}, {"factor": [1, 1, 1]}, {"read_affine": True}, {"read_sum": True}, {"channels": 1}],
)
def test_an_offset_behind_a_sum_stays(changes):
    assert Counter(ops(simplified(behind_a_sum())))["affine"] == 1
    assert Counter(ops(simplified(behind_a_sum(**changes))))["affine"] == 2


def test_an_affine_that_changes_nothing_goes():
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("affine", builder.add("unary", 0, function="cos"), **NOTHING)
    builder.add("global_mean", builder.add("add", x, x))
    builder.add("affine", 4, **NOTHING)
    small = simplified(builder)
    assert ops(small) == ["unary", "add", "global_mean"] and small.nodes[1].inputs == (1, 1)


def test_the_last_affine_may_change_nothing():
    builder = GraphBuilder((3, 1, 1))
    builder.add("affine", builder.add("unary", 0, function="cos"), **NOTHING)
    assert ops(simplified(builder)) == ["unary"]


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed % 4 == 0])
def test_the_nodes_do_not_depend_on_learned_numbers(seed):
    """Numbers that happen to be 1 and 0 leave as many nodes, of the same sizes."""
    graph = random_graph(seed)
    builder = GraphBuilder(graph.shape)
    for node in graph.nodes:
        tensors = dict(node.tensors)
        if node.op == "affine" and node.tensors["factor"].size > 1:
            tensors["factor"] = np.ones_like(tensors["factor"])
        if node.op == "affine" and node.tensors["offset"].size > 1:
            tensors["offset"] = np.zeros_like(tensors["offset"])
        builder.add(node.op, *node.inputs, **node.attributes, **tensors)
    a, b = simplify(graph), simplify(builder.graph())
    assert [(n.op, n.inputs, {k: v.shape for k, v in n.tensors.items()}) for n in a.nodes] == [
        (n.op, n.inputs, {k: v.shape for k, v in n.tensors.items()}) for n in b.nodes
    ]


def test_the_graph_itself_is_left_as_it_was():
    graph, again = random_graph(5), random_graph(5)
    simplify(graph)
    assert same_graph(graph, again)
    assert {
        array.dtype
        for node in simplify(graph).nodes
        if node.op == "affine"
        for array in node.tensors.values()
    } <= {np.dtype(np.float32)}
