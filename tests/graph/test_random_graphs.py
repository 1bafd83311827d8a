"""Random graphs: what they cover, and what a comparison on them relies on."""

from collections import Counter

import numpy as np
import pytest

from src.graph.ir import GraphBuilder
from src.graph.limits import violations, work
from src.graph.meanings import FUNCTIONS
from src.graph.ops import OPS
from src.graph.reference import values_of
from tests.graph.exact import grids_of
from tests.graph.random_graphs import images_for, random_graph
from tests.graph.sampler import HALF_GAP, MAX_NUMBERS, best_thresholds, images_of
from tests.graph.shrink import lines_of, shrink

SEEDS = range(250)


@pytest.fixture(scope="module")
def graphs():
    """Graphs of the seeds."""
    return [random_graph(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def nodes(graphs):
    """(graph, node) of all nodes."""
    return [(graph, node) for graph in graphs for node in graph.nodes]


def test_a_seed_gives_the_same_graph(graphs):
    assert [lines_of(random_graph(seed)) for seed in SEEDS[:20]] == [lines_of(graph) for graph in graphs[:20]]
    assert len({tuple(lines_of(graph)) for graph in graphs}) == len(graphs)
    a, b = (values_of(random_graph(7), images_for(random_graph(7), 7)) for _ in range(2))
    np.testing.assert_array_equal(a[-1], b[-1])


def test_graphs_are_small_and_within_the_limits(graphs):
    for graph in graphs:
        assert violations(graph) == [] and work(graph) < 2e6 and len(graph.nodes) < 150
        assert max(np.prod(node.shape) for node in graph.nodes) <= MAX_NUMBERS


def test_every_operation_and_attribute_comes(graphs, nodes):
    found = {(node.op, key, node.attributes[key]) for _, node in nodes for key in node.attributes}
    assert {op for op, *_ in found} | {node.op for _, node in nodes} == OPS.keys()
    for op, key, values in (
        ("binarize", "levels", [(-1, 1), (0, 1), (-1, 0, 1)]),
        ("binary_conv2d", "pad_value", [-1, 0, 1]),
        ("unary", "function", FUNCTIONS),
        ("pool", "kind", ["max", "average"]),
        ("pool", "stride", [1, 2, 3]),
        ("conv2d", "stride", [1, 2, 3, 64]),
        ("binary_conv2d", "stride", [1, 2, 3]),
        ("layer_norm", "epsilon", [np.float32(1e-12), 1.0]),
    ):
        assert {(op, key, value) for value in values} <= found
    pairs = {(graph.nodes[v - 1].attributes["levels"], node.attributes["pad_value"]) for graph, node in nodes
             if node.op == "binary_conv2d" for v in node.inputs}  # fmt: skip
    values = {value for _, value in pairs}
    assert {-1, 0, 1} < values and min(values) < -2 and max(values) > 2
    assert all(sum(levels == each for each, _ in pairs) > 10 for levels in ((-1, 1), (0, 1), (-1, 0, 1)))
    assert {1, 2, 3} <= {graph.shape[1] for graph in graphs}
    assert {1, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129} <= {node.shape[0] for _, node in nodes}


@pytest.mark.parametrize("op", ["conv2d", "binary_conv2d"])
def test_every_kind_of_convolution_comes(op, nodes):
    kinds = Counter()
    for graph, node in nodes:
        if node.op != op:
            continue
        out, group, height, width = node.tensors["weight"].shape
        groups, channels = node.attributes["groups"], graph.shape_of(node.inputs[0])[0]
        kinds["dense"] += groups == 1 and channels > 1
        kinds["depth-wise"] += groups == channels == out > 1
        kinds["several outputs a group"] += groups == channels > 1 and out > groups
        kinds["groups of several"] += 1 < groups < channels
        kinds["groups of two words"] += groups > 1 and group > 32
        kinds["flat"] += height < width
        kinds["tall"] += height > width
        kinds["uneven padding"] += len(set(node.attributes["padding"])) > 2
        kinds["no pixel"] += graph.shape_of(node.inputs[0])[1:] == (1, 1) and height * width > 1
    wanted = {
        "dense",
        "depth-wise",
        "several outputs a group",
        "groups of several",
        "flat",
        "tall",
        "uneven padding",
        "no pixel",
    }
    assert wanted <= {kind for kind, count in kinds.items() if count}


def test_every_way_of_reading_values_comes(graphs, nodes):
    found = Counter()
    for graph in graphs:
        readers = Counter(value for node in graph.nodes for value in set(node.inputs))
        found["nothing reads it"] += any(not readers[v] for v in range(1, len(graph.nodes)))
        found["image read by several"] += readers[0] > 1
        for value, node in enumerate(graph.nodes, start=1):
            kinds = {other.op for other in graph.nodes if value in other.inputs}
            found["bits by convolutions and a sum"] += (
                node.op == "binarize" and {"binary_conv2d", "add"} <= kinds
            )
            found["five readers"] += readers[value] >= 5
    for graph, node in nodes:
        shapes = [graph.shape_of(value) for value in node.inputs]
        found["twice in a concat"] += node.op == "concat" and len(set(node.inputs)) < len(node.inputs)
        found["one for all"] += any(len(v) == 1 < node.shape[0] for v in node.tensors.values() if v.ndim == 1)
        if node.op in ("add", "mul") and shapes[0] != shapes[1]:
            found[f"{node.op} {shapes[1][0] == 1} {shapes[1][1:] == (1, 1)}"] += 1
        found["with itself"] += node.op in ("add", "mul") and node.inputs[0] == node.inputs[1]
    wanted = {f"{op} {kind}" for op in ("add", "mul") for kind in ("True False", "False True", "True True")}
    wanted |= {"nothing reads it", "image read by several", "bits by convolutions and a sum", "five readers"}
    assert wanted | {"twice in a concat", "one for all", "with itself"} <= {
        kind for kind, count in found.items() if count
    }


def check_thresholds(graph, images):
    """No value that rounding may change is close to its threshold."""
    values, grids = values_of(graph, images), grids_of(graph)
    for node in graph.nodes:
        if node.op == "binarize" and grids[node.inputs[0]] is None:
            x, t = values[node.inputs[0]], node.tensors["threshold"].reshape(1, -1, 1, 1)
            distance = np.abs(np.abs(x) - np.abs(t)) if len(node.attributes["levels"]) == 3 else np.abs(x - t)
            assert distance.min() >= 0.99 * HALF_GAP * np.abs(x).max()


def test_numbers_are_moderate_and_thresholds_are_safe(graphs):
    for seed, graph in zip(SEEDS, graphs):
        images = images_for(graph, seed)
        assert all(np.abs(value).max() < 1e4 for value in values_of(graph, images))
        check_thresholds(graph, images)


def test_signs_are_of_both_kinds(graphs):
    shares = [np.mean(v == v.max()) for seed, graph in zip(SEEDS, graphs)
              for v, node in zip(values_of(graph, images_for(graph, seed))[1:], graph.nodes) if node.op == "binarize"]  # fmt: skip
    assert np.mean((np.array(shares) > 0.1) & (np.array(shares) < 0.9)) > 0.7


def test_values_on_grids_are_exact(graphs):
    exact = 0
    for seed, graph in zip(SEEDS, graphs):
        images = images_for(graph, seed)
        double = [images.astype(np.float64)]
        for node in graph.nodes:
            inputs = [double[value] for value in node.inputs]
            double.append(OPS[node.op].meaning(*inputs, **node.attributes, **node.tensors))
        for single, value, grid in zip(values_of(graph, images), double, grids_of(graph)):
            if grid is not None:
                np.testing.assert_array_equal(single, value)
                assert not (value % grid.unit).any() and np.abs(value).max() <= grid.bound
                assert grid.bound <= 2**24 * grid.unit
        exact += grid is not None
    assert exact > len(graphs) / 5


def test_some_thresholds_of_exact_values_are_values(graphs):
    ties = 0
    for seed, graph in zip(SEEDS, graphs):
        values, grids = values_of(graph, images_for(graph, seed)), grids_of(graph)
        for node in graph.nodes:
            if node.op == "binarize" and grids[node.inputs[0]] is not None:
                ties += (values[node.inputs[0]] == node.tensors["threshold"].reshape(1, -1, 1, 1)).any()
    assert ties > 50


def test_thresholds_lie_in_the_widest_gap_of_the_middle():
    rows = np.array([[9, 1, 2, 8, 2.5, 3, 100, -100], [5, 5, 5, 5, 5, 5, 5, 7], [4] * 8, [4] * 8])
    np.testing.assert_array_equal(best_thresholds(rows, False, 0.1), [5.5, 6, 3, 5])
    np.testing.assert_array_equal(best_thresholds(-rows, True, 0.1), [54.5, 6, 5, 5])


@pytest.mark.parametrize("op,most", [("softmax", 4), ("layer_norm", 5), ("pool", 4)])
def test_a_fault_is_found_in_a_smaller_graph(op, most, graphs):
    seed = next(
        s for s, graph in zip(SEEDS, graphs) if len(graph.nodes) > 30 and op in {n.op for n in graph.nodes}
    )
    images = images_for(graphs[seed], seed)

    def fails(graph):
        assert not violations(graph)
        check_thresholds(graph, images)
        return {op, "binarize"} <= {node.op for node in graph.nodes}

    small = shrink(graphs[seed], images, fails)
    assert fails(small) and len(small.nodes) <= most


def test_a_convolution_of_the_image_stands_for_what_leads_to_a_fault():
    builder, value = GraphBuilder((3, 8, 8)), 0
    for channels in (4, 5, 6, 7):
        shape = (channels, builder.shapes[value][0], 2, 2)
        value = builder.add("conv2d", value, weight=np.ones(shape), stride=1, padding=(0,) * 4, groups=1)
    builder.add("global_mean", builder.add("softmax", value, group=7))

    def fails(graph):
        return [node.op for node in graph.nodes if node.shape == (7, 4, 4)][-1:] == ["softmax"]

    small = shrink(builder.graph(), images_of(8, 0), fails)
    assert [node.op for node in small.nodes] == ["conv2d", "softmax", "global_mean"]
