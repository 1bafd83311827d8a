"""ONNX files: random graphs and whole networks in ONNX Runtime, names, refusals."""

import importlib.util

import numpy as np
import onnx
import pytest
from mindspore import nn, ops

from src.common.errors import InputError
from src.deploy import export_network
from src.deploy.onnx_file import load_onnx
from src.deploy.onnx_lowerings import FUNCTIONS, LOWERINGS, OPERATIONS
from src.deploy.onnx_writer import write_onnx
from src.graph import run_reference
from src.graph.ir import GraphBuilder
from src.graph.ops import OPS
from tests.deploy.fed import feeding
from tests.graph.random_graphs import images_for, random_graph

SEEDS = range(60)


def graph_of_functions():
    """All functions of unary, behind one another, and a mean of windows with padding."""
    builder = GraphBuilder((3, 5, 5))
    x = builder.add("affine", 0, factor=[4], offset=[0])
    parts = [builder.add("unary", x, function=function) for function in FUNCTIONS]
    window = {"kernel": (3, 2), "stride": 1, "padding": (2, 0, 0, 1)}
    parts.append(builder.add("pool", x, kind="average", **window))
    builder.add("global_mean", builder.add("concat", *parts))
    return builder.graph()


@pytest.fixture(scope="module")
def graphs():
    """Random graphs by seed, and one of all functions."""
    return {**{seed: random_graph(seed) for seed in SEEDS}, len(SEEDS): graph_of_functions()}


def test_random_graphs_compute_the_same(graphs, tmp_path):
    written = set()
    for seed, graph in graphs.items():
        batch, images = (None if seed % 2 else 3), images_for(graph, seed)
        write_onnx(graph, batch, tmp_path / "graph.onnx")
        written |= {node.op_type for node in onnx.load(tmp_path / "graph.onnx").graph.node}
        run, expected = load_onnx(tmp_path / "graph.onnx"), run_reference(graph, images)
        tolerance = 1e-5 * max(1, np.abs(expected).max())
        for count in (1, 3) if batch is None else (3,):
            found = run(images[:count])
            np.testing.assert_allclose(found, expected[:count], rtol=0, atol=tolerance, err_msg=f"{seed}")
    assert written == OPERATIONS


def test_random_graphs_have_every_operation_and_attribute(graphs):
    nodes = [node for graph in graphs.values() for node in graph.nodes]
    assert {node.op for node in nodes} == LOWERINGS.keys() == OPS.keys()
    assert {node.attributes["function"] for node in nodes if node.op == "unary"} == FUNCTIONS.keys()
    found = {(node.op, key, value) for node in nodes for key, value in node.attributes.items()}
    for op, key, values in (
        ("binarize", "levels", [(-1, 1), (0, 1), (-1, 0, 1)]),
        ("binary_conv2d", "pad_value", [-1, 0, 1]),
        ("binary_conv2d", "stride", [1, 2]),
        ("conv2d", "stride", [1, 2]),
        ("pool", "kind", ["max", "average"]),
    ):
        assert {(op, key, value) for value in values} <= found
    for op in ("conv2d", "binary_conv2d", "pool"):
        assert any(op == o and key == "padding" and len(set(value)) > 2 for o, key, value in found)


def test_names_are_those_of_the_layers_with_a_number_where_they_repeat(tmp_path):
    builder = GraphBuilder((3, 2, 2))
    x = builder.add("affine", 0, name="a.norm", factor=[1, 2, 3], offset=[1])
    x = builder.add("affine", x, name="a.norm", factor=[1, 2, 3], offset=[2])
    x = builder.add("prelu", x, positive=[1], negative=[0])
    builder.add(
        "binarize", builder.add("binarize", x, levels=(-1, 1), threshold=[0]), levels=(-1, 1), threshold=[0]
    )
    graph = builder.graph()
    assert write_onnx(graph, 1, tmp_path / "a.onnx") == (
        "images", "a.norm/Add", "a.norm/Add_2", "network/Relu", "network/Where", "network/Where_2",
    )  # fmt: skip
    model = onnx.load(tmp_path / "a.onnx").graph
    assert [node.name for node in model.node] == [
        "a.norm/Mul", "a.norm/Add", "a.norm/Mul_2", "a.norm/Add_2", "network/Relu",
        "network/Greater", "network/Where", "network/Greater_2", "network/Where_2", "logits",
    ]  # fmt: skip
    assert [node.output[0] for node in model.node] == [node.name for node in model.node]
    assert [tensor.name for tensor in model.initializer] == [
        "a.norm.factor", "a.norm.offset", "a.norm.offset_2", "network.threshold", "number/-1", "number/1",
    ]  # fmt: skip


def test_equal_graphs_give_equal_bytes(graphs, tmp_path):
    for name in "ab":
        write_onnx(graphs[3], None, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- whole networks ---


def test_a_binary_network_for_any_batch_size(tiny, images, logits, tmp_path):
    network = tiny()
    expected = logits(network, images(5, 32))
    result = export_network(network, "ONNX", None, feeding(32), tmp_path / "tiny.onnx")
    assert result.comparison.agrees and result.frozen == 14
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]
    assert result.path.stat().st_mode & 0o777 == 0o644
    for count in (1, 2, 5):
        np.testing.assert_allclose(
            load_onnx(result.path)(images(5, 32)[:count]), expected[:count], rtol=0, atol=1e-4
        )
    model = onnx.load(result.path)
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Sign", "Abs", "Sqrt"})
    (image,), (output,) = model.graph.input, model.graph.output
    sizes = [
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in (image, output)
    ]
    assert (image.name, output.name, sizes) == ("images", "logits", [["batch", 3, 32, 32], ["batch", 10]])
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    binary = [name for name in weights if name.endswith("fc.weight")]
    assert len(binary) == 14
    assert all(set(np.unique(weights[name])) == {-1, 1} for name in binary)
    assert {p.name for p in network.get_parameters() if p.ndim > 2} <= weights.keys()


@pytest.mark.parametrize("name,precision,switches", [
    ("bimlp_t", "fp32", {}),
    ("wave_mlp_t", "fp32", {}),
    ("wave_mlp_nano", "binary", {"quantizer": "dorefa"}),
    ("wave_mlp_nano", "binary", {"quantizer": "reactnet"}),
    ("bimlp_t", "binary", {"shortcut": "none", "norm": "layer", "activation": "relu", "token_mixing": "cycle_fc"}),
    ("bimlp_t", "binary", {"activation": "gelu", "quantizer": "xnor", "token_mixing": "patm_interleaved"}),
])  # fmt: skip
def test_networks_with_switches(name, precision, switches, tiny, tmp_path):
    network = tiny(name, precision, **switches)
    result = export_network(network, "ONNX", 2, feeding(32), tmp_path / "tiny.onnx")
    assert result.comparison.agrees and result.batches == (2,)
    assert (result.frozen > 0) == (precision == "binary")


# --- refusals ---


def test_a_network_that_cannot_be_traced_is_refused_with_the_place(tmp_path):
    class Inner(nn.Cell):
        def construct(self, x):
            return ops.cumsum(x, 1)

    network = nn.SequentialCell([nn.ReLU(), Inner()])
    with pytest.raises(InputError, match="^file_format ONNX: 1: "):
        export_network(network, "ONNX", 1, feeding(8), tmp_path / "cell.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_missing_packages_are_named_with_the_command(absent, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else found(name))
    with pytest.raises(InputError, match=f"{absent} not installed: pip install"):
        export_network(None, "ONNX", 1, feeding(32), tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []
