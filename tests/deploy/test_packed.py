"""Packed files of version 3: what they hold of a network, their size, and refusals that write nothing."""

from dataclasses import replace

import numpy as np
import pytest
from mindspore import Tensor, nn

from src.common.errors import InputError
from src.cost.count import cost_of
from src.deploy import packed
from src.deploy.packed import packed_size, write_packed
from src.deploy.packed_file import Description, decode
from src.graph import trace
from src.graph.ir import Graph, equal
from src.graph.simplify import simplify
from src.model import create_model
from src.model.networks.released import ReleasedBiMLP

FIELDS = {
    "variant": "n",
    "image_size": 32,
    "resize": 36,
    "mean": (0.1, 0.2, 0.3),
    "std": (0.4, 0.5, 0.6),
    "class_names": ("größte", *"123456789"),
}
SMALL = {"widths": (8,), "depths": (1,), "backend": "plain"}


def test_the_file_holds_the_simplified_graph(tiny, tmp_path):
    network = tiny("wave_mlp_nano", norm="layer")
    description, size = write_packed(network, tmp_path / "n.packed", **FIELDS)
    data = (tmp_path / "n.packed").read_bytes()
    assert len(data) == size and decode(data)[0] == description == Description(**FIELDS)
    graph, found = simplify(trace(network, 32)), decode(data)[1]
    assert equal(graph, found)
    for i in (0, len(graph.nodes) // 2, len(graph.nodes) - 1):  # and equal sees a number that differs
        node = graph.nodes[i]
        tensors = {name: ~a if a.dtype == bool else a + 1 for name, a in node.tensors.items()}
        others = list(graph.nodes)
        others[i] = replace(node, tensors=tensors) if tensors else replace(node, inputs=(0,))
        assert not equal(Graph(graph.shape, tuple(others)), found)


NETWORKS = {
    "BiMLP": lambda classes: create_model("bimlp_t", classes, **SMALL, activation="gelu", norm="layer"),
    "Wave-MLP with LayerNorm": lambda classes: create_model("wave_mlp_nano", classes, norm="layer", **SMALL),
    "published": lambda classes: ReleasedBiMLP((1, 1, 1, 1), (8, 8, 8, 8), classes, norm="group"),
}


@pytest.mark.parametrize("classes", [10, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_size_is_counted_before_the_network_is_trained(name, classes, randomize, tmp_path):
    """At first weights of merges and biases are 0 and 1: the size must not depend on that."""
    network, fields = NETWORKS[name](classes), {**FIELDS, "image_size": 64, "resize": 64}
    fields["class_names"] = fields["class_names"][:classes]
    counted = cost_of(network, 64, "n", fields["class_names"]).packed_bytes
    _, size = write_packed(randomize(network), tmp_path / "n.packed", **fields)
    assert counted == size == (tmp_path / "n.packed").stat().st_size


def test_a_network_beyond_the_limits_has_no_size():
    assert packed_size(trace(nn.SequentialCell([nn.Conv2d(3, 4, 1)]), 32), "n") is None  # a map, no logits


def test_a_network_that_cannot_be_traced_is_refused_by_the_name_of_its_cell(tmp_path):
    network = nn.SequentialCell([nn.Conv2d(3, 4, 1), nn.Softsign()])
    with pytest.raises(InputError, match="^file_format PACKED: 1: "):
        write_packed(network, tmp_path / "n.packed", **{**FIELDS, "class_names": ()})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e38])
def test_numbers_must_be_finite_once_they_are_folded(tiny, tmp_path, number, recwarn):
    network = tiny("wave_mlp_nano")
    network.stem.norm.gamma.set_data(Tensor(np.full(8, number, np.float32)))
    network.stem.norm.moving_variance.set_data(Tensor(np.full(8, 1e-9, np.float32)))
    with pytest.raises(InputError, match="n.packed: packed file: stem.norm: factor: expected finite numbers"):
        write_packed(network, tmp_path / "n.packed", **FIELDS)
    assert not list(tmp_path.iterdir()) and not recwarn.list


@pytest.mark.parametrize("fields,message", [
    ({"class_names": (*"abc", "b\nc", *"efghij")}, r"n.packed: .*without control characters \(class 3 is 'b\\nc'\)"),
    ({"class_names": ("a",)}, "one class name per class"),
    ({"resize": 31}, "resize from the image size"),
])  # fmt: skip
def test_settings_that_the_format_cannot_hold_are_refused(tiny, tmp_path, fields, message):
    with pytest.raises(InputError, match=message):
        write_packed(tiny("wave_mlp_nano"), tmp_path / "n.packed", **{**FIELDS, **fields})
    assert not list(tmp_path.iterdir())


def test_a_file_that_reads_otherwise_is_not_written(tiny, tmp_path, monkeypatch):
    def lossy(data, name):
        description, graph = decode(data, name)
        return description, Graph(graph.shape, graph.nodes[:-1])

    monkeypatch.setattr(packed, "decode", lossy)
    with pytest.raises(InputError, match="read back, differs from the network"):
        write_packed(tiny("wave_mlp_nano"), tmp_path / "n.packed", **FIELDS)
    assert not list(tmp_path.iterdir())
