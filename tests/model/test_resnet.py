"""The ResNet trunk and its networks: parameters and costs, values of the authors' code, backends."""

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.cost.count import cost_of
from src.model import create_model

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cnn"
REDUCED = {"widths": (8, 16, 32, 64)}

# parameters with the norms' running statistics, as larq's summaries count them (None: none is published);
# MACs in full precision, in 1e8; binary ones, in 1e9
COUNTS = {
    "birealnet18": (11_699_112, 1.3779, 1.6763),
    "birealnet34": (None, 1.3779, 3.5260),
}


@pytest.fixture(autouse=True, scope="module")
def pynative():
    before = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=before)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_and_costs_are_the_published_ones(name):
    parameters, flops, bops = COUNTS[name]
    network = create_model(name, backend="plain").set_train(False)
    if parameters is not None:
        assert sum(p.size for p in network.get_parameters()) == parameters
    totals = cost_of(network, 224).totals()
    assert (round(totals["flops_macs"] / 1e8, 4), round(totals["bops_macs"] / 1e9, 4)) == (flops, bops)


NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def our_name(name):
    """Name in the trunk of a parameter of the authors' code."""
    *path, last = name.split(".")
    if path[0].startswith("layer"):
        path = ["stages", str(int(path[0][5:]) - 1), *path[1:]]
    else:
        path = {"conv1": ["stem", "conv"], "bn1": ["stem", "norm"], "fc": ["head"]}[path[0]]
    if path[-1] in ("bn1", "norm") or path[-2:] == ["downsample", "2"]:
        last = NORM[last]
    path = ".".join(path)
    for theirs, ours in (
        ("binary_conv", "fc"), ("bn1", "norm"), ("downsample.1", "shortcut.conv"), ("downsample.2", "shortcut.norm"),
    ):  # fmt: skip
        path = path.replace(theirs, ours)
    return f"{path}.{last.replace('weights', 'weight')}"


def golden(name, model, our_name, **overrides):
    """(network with the weights of a golden file, the file's arrays)."""
    data = np.load(GOLDEN / f"{name}.npz")
    network = create_model(model, 10, **overrides).set_train(False)
    parameters = network.parameters_dict()
    given = {our_name(key[6:]): data[key] for key in data.files if key.startswith("param/")}
    assert given.keys() == parameters.keys()
    for key, p in parameters.items():
        assert given[key].size == p.size
        p.set_data(Tensor(given[key].reshape(p.shape)))
    return network, data


@pytest.mark.parametrize("backend", ["plain", "fast"])
def test_birealnet_gives_the_values_of_its_authors_code(backend):
    network, data = golden("bireal18", "birealnet18", our_name, **REDUCED, backend=backend)
    found = network(Tensor(data["x"])).asnumpy()
    np.testing.assert_allclose(found, data["logits"], rtol=0, atol=1e-5 * np.abs(data["logits"]).max())
