"""Traced graphs against the networks that they come from: in NumPy, and packed, in the engine."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.deploy.packed_file import Description, decode, encode
from src.engine import Engine
from src.graph import run_reference, trace
from src.graph.ir import equal
from src.graph.observe import observe, observed
from src.graph.reference import values_of
from src.graph.simplify import simplify
from src.graph.tracer import trace_calls
from src.model import create_model
from src.model.layers.activations import ACTIVATIONS
from src.model.layers.norms import NORMS
from src.model.layers.pools import MaxPool
from src.model.layers.quantizers import QUANTIZERS
from src.model.layers.shortcuts import SHORTCUTS
from src.model.layers.token_mixing import TOKEN_MIXERS
from src.model.networks.bimlp import DOWNSAMPLES
from src.model.networks.released import ReleasedBiMLP
from tests.graph.networks import calibrate, calibrated, images
from tests.graph.separate import separated

SMALL = {"widths": (8, 16), "depths": (1, 1)}
SWITCHES = [
    *({"quantizer": name} for name in QUANTIZERS),
    *({"token_mixing": name} for name in TOKEN_MIXERS),
    *({"norm": name} for name in NORMS),
    *({"activation": name} for name in ACTIVATIONS),
    *({"shortcut": name} for name in SHORTCUTS),
    *({"downsample": name} for name in DOWNSAMPLES),
    {"groups": 2},
    *({"branches": branches} for branches in ((0, 1, 0, 1), (2, 0, 2, 0), (4, 2, 2, 2))),
    *({"precision": precision} for precision in ("fp32", "binary_act")),
]
CASES = [("bimlp_t", switch) for switch in SWITCHES]
CASES += [("wave_mlp_nano", {"precision": "fp32"}), ("wave_mlp_nano", {"norm": "layer"})]
CASES += [("wave_mlp_nano", {"quantizer": name}) for name in ("xnor", "dorefa", "reactnet", "uad", "rbnn")]
CASES += [("cyclemlp_b1", {"precision": "fp32"}), ("asmlp_t", {"precision": "fp32"}), ("asmlp_t", {})]
CASES += [
    ("ftbnn20", {}),
    ("ftbnn20", {"activation": "hardtanh", "place": "before", "binary_shortcuts": False}),
]
CASES += [("bimlp_t", {"size": 37}), ("published", {"norm": "batch"}), ("published", {"norm": "group"})]
CASES += [("resnet18", {}), ("mobilenet_v3_small_100", {})]


@pytest.fixture(autouse=True, scope="module")
def pynative():
    settings = {"mode": ms.PYNATIVE_MODE, "pynative_synchronize": True}  # which saves half of the time
    before = {key: ms.get_context(key) for key in settings}
    ms.set_context(**settings)
    yield
    ms.set_context(**before)


PUBLISHED = {"depths": (1, 1, 2, 1), "widths": (8, 16, 32, 64)}


def build(name, overrides):
    """(network, image size) of a case, calibrated."""
    if name == "published":
        network = ReleasedBiMLP(**PUBLISHED, num_classes=10, **overrides).set_train(False)
        return calibrate(network, 64), 64
    if name.startswith(("bimlp", "wave_mlp", "cyclemlp", "asmlp", "ftbnn")):
        size = overrides.pop("size", 32)
        return calibrated(name, size, **SMALL, **overrides, backend="plain"), size
    return calibrated(name, 64, "fp32"), 64


@pytest.fixture(scope="module", params=CASES, ids=[f"{name} {overrides}" for name, overrides in CASES])
def case(request):
    """(network, graph) of a case, traced once for all tests."""
    name, overrides = request.param
    network, size = build(name, dict(overrides))
    return network, trace(network, size)


def test_reference_equals_the_network(case):
    network, graph = case
    x = images(3, graph.shape[1])
    found, expected = run_reference(graph, x), network(Tensor(x)).asnumpy()
    assert np.abs(expected).max() > 0.05 and expected.std(0).min() > 1e-4
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


def test_engine_equals_the_reference(case, tmp_path):
    """The traced graph in NumPy against the same, simplified, in a packed file, in the engine.

    Both round differently. A number within rounding of its threshold would get another bit, and one bit changes the
    logits by more than any tolerance. So the thresholds are moved away from the numbers of these images before, for both
    sides: the graph is the traced one but for these vectors, which the test above has compared with the network.
    """
    x = images(3, case[1].shape[1])
    graph, expected = separated(case[1], x)
    data = encode(description(graph), simplify(graph))
    assert equal(decode(data)[1], simplify(graph))
    (tmp_path / "n.packed").write_bytes(data)
    with Engine.load(tmp_path / "n.packed") as engine:
        found = engine.logits(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def description(graph):
    """The Description of a packed file."""
    size = graph.shape[1]
    return Description("n", size, size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("name,overrides", [
    ("bimlp_t", {"quantizer": "dorefa"}),
    ("wave_mlp_nano", {}),
    ("bimlp_t", {"token_mixing": "patm_interleaved"}),
    ("published", {"norm": "group"}),
])  # fmt: skip
def test_what_enters_signs_and_waves_is_observed_in_the_network(name, overrides):
    network, size = build(name, overrides)
    graph, calls = trace_calls(network, size)
    values = {
        node.inputs[0]
        for node in graph.nodes
        if node.op == "binarize" or node.attributes.get("function") in ("cos", "sin")
    }
    assert len(values) > 10 and values <= observed(calls)
    x, values = images(2, size), sorted(values)
    logits, found = observe(network, x, calls, values)
    np.testing.assert_array_equal(logits, network(Tensor(x)).asnumpy())
    reference = values_of(graph, x)
    for value, expected in zip(found, (reference[v] for v in values)):
        np.testing.assert_allclose(value, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


def test_published_networks_have_three_levels():
    graph = trace(ReleasedBiMLP(**PUBLISHED, num_classes=10).set_train(False), 64)
    assert {node.attributes["levels"] for node in graph.nodes if node.op == "binarize"} == {(-1, 0, 1)}


@pytest.mark.parametrize("size", [16, 1])
def test_trace_leaves_network_and_settings_as_they_were(size):
    settings = {"mode": ms.GRAPH_MODE, "pynative_synchronize": False}
    ms.set_context(**settings)
    network = nn.SequentialCell([nn.Conv2d(3, 4, 3, 2, "valid")]).set_train(False)
    construct = network[0].construct
    if size == 1:
        with pytest.raises(ValueError, match="^0: .* expected a map that holds the kernel"):
            trace(network, size)
    else:
        assert trace(network, size).nodes[-1].shape == (4, 7, 7)
    assert {key: ms.get_context(key) for key in settings} == settings
    assert network[0].construct == construct


@pytest.mark.parametrize("backend", ["fast", "fused"])
@pytest.mark.parametrize("name,overrides", [
    ("bimlp_t", {}),
    ("bimlp_t", {"norm": "layer", "activation": "gelu", "token_mixing": "patm_interleaved", "quantizer": "dorefa"}),
    ("bimlp_t", {"token_mixing": "axial_shift", "shortcut": "none", "downsample": "original"}),
    ("wave_mlp_nano", {"precision": "binary"}),
    ("react_resnet18", {}),
    ("quicknet_nano", {}),
])  # fmt: skip
def test_the_graph_of_a_network_is_the_same_in_every_backend(name, overrides, backend):
    networks = [create_model(name, 10, **SMALL, **overrides, backend=each) for each in ("plain", backend)]
    for ours, theirs in zip(*(each.set_train(False).get_parameters() for each in networks)):
        theirs.set_data(ours)
    plain, found = (trace(network, 32) for network in networks)
    assert equal(plain, found)
    assert [node.notes for node in plain.nodes] == [node.notes for node in found.nodes]


@pytest.mark.parametrize("pool", [
    nn.MaxPool2d(2, 1, "valid"), nn.MaxPool2d(3, 2, "same"), nn.MaxPool2d(3, 2, "pad", 1),
    nn.MaxPool2d(3, 2, "pad", (1, 0)), nn.AvgPool2d(2, 2, "valid"),
    MaxPool(2, 1, 0), MaxPool(3, 2, "same"), MaxPool(3, 2, 1), MaxPool(1, 2, 0),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("size", [8, 9])
def test_pools_have_the_framework_s_windows(pool, size):
    x = images(2, size)
    expected = pool(Tensor(x)).asnumpy()
    np.testing.assert_allclose(run_reference(trace(pool, size), x), expected.reshape(2, -1), atol=1e-6)


@pytest.mark.parametrize("pool", [
    nn.AvgPool2d(2, 2, "same"), nn.AvgPool2d(2, 2, "valid", ceil_mode=True), nn.MaxPool2d(3, 2, "pad", 1, ceil_mode=True),
    nn.MaxPool2d(3, 2, "pad", 1, dilation=2),
], ids=str)  # fmt: skip
def test_other_pools_are_refused(pool):
    with pytest.raises(
        ValueError, match="expected (an average pool without padding|no dilation, ceil_mode and indices)"
    ):
        trace(pool, 9)


class Transposed(nn.Cell):
    """Cell that swaps rows and columns of its map."""

    def construct(self, x):
        return x.transpose(0, 1, 3, 2)


def test_other_transpositions_than_that_of_the_layouts_are_refused():
    network = nn.SequentialCell([nn.ReLU(), Transposed()])
    with pytest.raises(ValueError, match="^1: transpose in a network: expected the axes"):
        trace(network, 8)
