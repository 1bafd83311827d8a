"""The ResNet trunk and its networks: parameters and costs, values of the authors' code, backends."""

import re
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor

from src.cost.count import cost_of
from src.deploy.packed_file import Description, encode
from src.engine import Engine
from src.graph import run_reference, trace
from src.graph.simplify import simplify
from src.model import create_model

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cnn"
RESNET = {"widths": (8, 16, 32, 64)}
REACTNET = {"widths": (4, 8, 16, 16, 32, 32, 64, 64, 64, 64, 64, 64, 128, 128)}
GOLDEN_NETWORKS = {  # file -> network, overrides
    "bireal18": ("birealnet18", RESNET),
    "react_resnet18": ("react_resnet18", RESNET),
    "reactnet_a": ("reactnet_a", REACTNET),
}

# parameters with the norms' running statistics, as larq's summaries count them (None: none is published);
# MACs in full precision, in 1e8; binary ones, in 1e9
COUNTS = {
    "birealnet18": (11_699_112, 1.3779, 1.6763),
    "birealnet34": (None, 1.3779, 3.5260),
    "xnornet18": (None, 1.1853, 1.6955),
    "react_resnet18": (None, 1.3779, 1.6763),
    "reactnet_a": (None, 0.1186, 4.8169),
    "reactnet_b": (None, 0.4397, 4.6884),
    "reactnet_c": (None, 1.4031, 4.6884),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_and_costs_are_the_published_ones(name):
    parameters, flops, bops = COUNTS[name]
    network = create_model(name, backend="plain").set_train(False)
    if parameters is not None:
        assert sum(p.size for p in network.get_parameters()) == parameters
    totals = cost_of(network, 224).totals()
    assert (round(totals["flops_macs"] / 1e8, 4), round(totals["bops_macs"] / 1e9, 4)) == (flops, bops)


RENAMES = (  # patterns in names of the authors' code, and what stands here, one after the other
    (r"weights$", "weight"),
    (r"^(feature\.0\.)?conv1", "stem.conv"),
    (r"^(feature\.0\.)?bn1", "stem.norm"),
    (r"^fc", "head"),
    (r"^layer(\d)", lambda found: f"stages.{int(found[1]) - 1}"),
    (r"^feature\.(\d+)", lambda found: f"blocks.{int(found[1]) - 1}"),
    (r"^(stages.*)bn1", r"\1norm"),
    (r"binary_conv", "fc"),
    (r"move0", "fc.rsign"),
    (r"move1\.bias", "act.shift_in"),
    (r"prelu\.weight", "act.slope"),
    (r"move2\.bias", "act.shift_out"),
    (r"downsample\.1", "shortcut.conv"),
    (r"downsample\.2", "shortcut.norm"),
    (r"binary_3x3", "spatial.fc"),
    (r"bn1", "spatial.norm"),
    (r"binary_pw(_down\d)?", "pointwise.fc"),
    (r"bn2(_\d)?", "pointwise.norm"),
    (r"move11", "spatial.fc.rsign"),
    (r"move12\.bias", "spatial.act.shift_in"),
    (r"prelu1\.weight", "spatial.act.slope"),
    (r"move13\.bias", "spatial.act.shift_out"),
    (r"move21", "pointwise.fc.rsign"),
    (r"move22\.bias", "pointwise.act.shift_in"),
    (r"prelu2\.weight", "pointwise.act.slope"),
    (r"move23\.bias", "pointwise.act.shift_out"),
    (r"norm\.weight", "norm.gamma"),
    (r"norm\.bias", "norm.beta"),
    (r"running_mean", "moving_mean"),
    (r"running_var", "moving_variance"),
)


def our_name(name):
    """Name in our networks of a parameter of the authors' code."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


@pytest.fixture(scope="module", params=GOLDEN_NETWORKS)
def golden(request):
    """(network with the weights of a golden file, the file's arrays)."""
    model, overrides = GOLDEN_NETWORKS[request.param]
    data = np.load(GOLDEN / f"{request.param}.npz")
    given = {}
    for key in data.files:
        if key.startswith("param/"):
            given.setdefault(our_name(key[6:]), []).append(data[key])
    network = create_model(model, 10, **overrides, backend="plain").set_train(False)
    assert given.keys() == network.parameters_dict().keys()
    for p in network.get_parameters():
        value = np.concatenate(given[p.name])  # of two convolutions that are one here
        assert value.size == p.size
        p.set_data(Tensor(value.reshape(p.shape)))
    return network, data


def cells_of_maps(network):
    """Cell whose output is a map of a golden file, by the map's name."""
    if hasattr(network, "blocks"):
        return {"stem": network.stem, **{f"block{i + 1}": cell for i, cell in enumerate(network.blocks)}}
    stages = network.stages
    ends = {f"stage{i + 1}": units[len(units) - 1] for i, units in enumerate(stages)}
    return {"stem": network.stem, "block_first": stages[0][0], "block_down": stages[1][0], **ends}


def test_a_network_gives_the_maps_and_logits_of_its_authors_code(golden, pynative):
    network, data = golden
    found, cells = {}, cells_of_maps(network)
    handles = [
        cell.register_forward_hook(lambda _, inputs, y, name=name: found.update({name: y.asnumpy()}))
        for name, cell in cells.items()
    ]
    found["logits"] = network(Tensor(data["x"])).asnumpy()
    for handle in handles:
        handle.remove()
    assert {f"out/{name}" for name in cells} == {key for key in data.files if key.startswith("out/")}
    for name, value in found.items():
        expected = data[name if name == "logits" else f"out/{name}"]
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=name)


def test_the_graph_and_the_engine_give_the_logits_of_its_authors_code(golden, tmp_path, monkeypatch):
    network, data = golden
    x, expected = data["x"], data["logits"]
    graph = trace(network, x.shape[2])
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(run_reference(graph, x), expected, rtol=0, atol=tolerance)
    description = Description("n", x.shape[2], x.shape[3], (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    (tmp_path / "n.packed").write_bytes(encode(description, simplify(graph)))
    for plan in ("plain", "fused"):
        monkeypatch.setenv("BIMLP_PLAN", plan)
        with Engine.load(tmp_path / "n.packed") as engine:
            np.testing.assert_allclose(engine.logits(x), expected, rtol=0, atol=tolerance, err_msg=plan)


@pytest.mark.parametrize("precision", ["fp32", "binary_act"])
def test_units_of_birealnet_have_no_activation_but_a_relu_in_fp32(precision, pynative):
    network = create_model("birealnet20", 10, precision, depths=(1, 1, 1), backend="plain").set_train(False)
    x = Tensor(np.random.default_rng(0).normal(size=(1, 16, 8, 8)).astype(np.float32))
    for units in network.stages:
        x = units[0](x)
        assert (x.asnumpy().min() >= 0) == (precision == "fp32")


REFUSED = [
    ("birealnet20", {"stem": "mnist"}, "stem: expected one of imagenet, cifar, got 'mnist'"),
    ("birealnet20", {"depths": (1, 1)}, "depths: expected one per width, 3 in all"),
    ("reactnet_nano", {"strides": (1, 1)}, r"strides: expected 1 or 2 for each of 6 widths, got \(1, 1\)"),
    ("reactnet_nano", {"strides": (1, 1, 3, 1, 2, 1)}, "strides: expected 1 or 2 for each of 6 widths"),
    ("reactnet_nano", {"widths": (16, 32, 64, 64, 128, 192)}, "widths: expected each as the one before or its double"),
    ("reactnet_nano", {"doubling": "sparse"}, "doubling: expected one of binary, groups, dense, got 'sparse'"),
    ("reactnet_nano", {"shortcut": "none"}, "unknown override of reactnet_nano: 'shortcut'"),
]  # fmt: skip


@pytest.mark.parametrize("name,overrides,message", REFUSED)
def test_options_out_of_reach_are_refused(name, overrides, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, 10, **overrides)
