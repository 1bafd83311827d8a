"""Quantizers with Cells of their own: their layers in the graph, their parameters between stages, their gradients."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.checkpoint.loading import QUANTIZER_PARAMETERS
from src.graph import run_reference, trace
from src.model import create_model, own_quantizer
from src.model.config import layer_config
from src.model.layers.conv import BinaryConv2d
from src.model.layers.quantizers import QUANTIZERS
from src.model.layers.quantizers.abc import ABCNet
from src.model.layers.quantizers.rbnn import matrix_shape
from tests.model.conftest import images

SMALL_WAVE = {"widths": (8,), "depths": (1,)}
SMALL = {"widths": (8,), "depths": (1,), "branches": (2, 1, 2, 1)}


@pytest.fixture(autouse=True)
def eagerly(pynative):
    """Nothing is compiled."""


def scrambled(cell, seed=0):
    """The cell with numbers away from their initial ones in its vectors."""
    rng = np.random.default_rng(seed)
    for p in cell.trainable_params():
        if p.ndim == 1:
            p.set_data(Tensor((p.asnumpy() + rng.normal(0, 0.2, p.shape)).astype(np.float32)))
    return cell


@pytest.mark.parametrize("precision", ["binary", "binary_act"])
def test_several_bases_of_abc_are_several_convolutions(precision, monkeypatch):
    row = type("Abc", (ABCNet,), {"weight_bases": 3, "activation_bases": 2})
    monkeypatch.setitem(QUANTIZERS, "abc", row)
    config = layer_config(precision, quantizer="abc", backend="plain")
    cell = scrambled(BinaryConv2d(3, 4, 3, 1, 1, bias=True, config=config)).set_train(False)
    graph = trace(cell, 9)
    found = [node.op for node in graph.nodes]
    assert found.count("binary_conv2d") == (6 if precision == "binary" else 0)
    assert found.count("binarize") == 2
    x = images(2, 9)
    expected = cell(Tensor(x)).asnumpy()
    np.testing.assert_allclose(run_reference(graph, x).reshape(expected.shape), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_every_parameter_of_a_layer_gets_a_gradient(name):
    for precision in ("binary_act", "binary"):
        config = layer_config(precision, quantizer=name, backend="plain")
        cell = scrambled(BinaryConv2d(3, 8, 3, 1, 1, config=config)).set_train(True)
        for p, value in cell.state_of_epoch(1, 4):
            p.set_data(Tensor(np.float32(value)))
        weights = ms.ParameterTuple(cell.trainable_params())
        x = Tensor(images(2, 9))
        gradients = ms.grad(lambda x, cell=cell: (cell(x) * cell(x)).sum(), None, weights)(x)
        for p, gradient in zip(weights, gradients):
            assert np.isfinite(gradient.asnumpy()).all() and gradient.asnumpy().any(), (precision, p.name)


@pytest.mark.parametrize("backend", ["plain", "fast"])
@pytest.mark.parametrize("name", ["abc", "fda", "irnet", "recu"])
def test_a_compiled_layer_trains_as_the_eager_one(name, backend):
    cell = scrambled(BinaryConv2d(3, 8, 3, 1, 1, config=layer_config(quantizer=name, backend=backend)))
    cell.set_train(True)
    x = Tensor(images(3, 9))  # a feature map in either layout
    weights = ms.ParameterTuple(cell.trainable_params())

    def loss(x):
        y = cell(x)
        return (y * y).sum(), y

    step = ms.value_and_grad(loss, 0, weights, has_aux=True)
    (_, expected), (dx, gradients) = step(x)
    (_, found), (compiled_dx, compiled) = ms.jit(step)(x)
    pairs = [(expected, found), (dx, compiled_dx), *zip(gradients, compiled)]
    for each, other in pairs:
        atol = 1e-4 * np.abs(each.asnumpy()).max()
        np.testing.assert_allclose(other.asnumpy(), each.asnumpy(), rtol=0, atol=atol)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_the_next_precision_may_lack_the_parameters_of_a_quantizer(name):
    known = None
    for precision in ("fp32", "binary_act", "binary"):
        network = create_model("wave_mlp_nano", 10, precision, quantizer=name, **SMALL_WAVE)
        names = {p.name for p in network.get_parameters()}
        more = names if known is None else names ^ known
        assert known is None or all(each.endswith(QUANTIZER_PARAMETERS) for each in more)
        known = names


@pytest.mark.parametrize("name", ["rbnn", "recu", "fda", "irnet"])
def test_states_of_a_layer_are_not_trained(name):
    config = layer_config(quantizer=name, backend="plain")
    cell = BinaryConv2d(3, 8, 3, 1, 1, config=config)
    early, late = cell.state_of_epoch(0, 10), cell.state_of_epoch(9, 10)
    trained = {p.name for p in cell.trainable_params()}
    assert early and not {p.name for p, _ in early} & trained
    assert [p.name for p, _ in early] == [p.name for p, _ in late]
    assert all(np.shape(value) == tuple(p.shape) for p, value in late)
    assert all(not np.array_equal(a[1], b[1]) for a, b in zip(early, late) if "rotation" not in a[0].name)
    assert all(p.asnumpy() == np.float32(value) for p, value in early if p.name.endswith((".t", "tau", ".n")))


def test_matrices_of_rbnn_are_nearest_to_square():
    assert [matrix_shape(n) for n in (54, 7, 512, 1, 36)] == [(6, 9), (1, 7), (16, 32), (1, 1), (6, 6)]


def test_auto_is_the_networks_own_quantizer():
    default, chosen, other = (
        create_model("bimlp_t", 10, quantizer=name, **SMALL) for name in ("auto", "bimlp", "bireal")
    )
    assert own_quantizer("bimlp_t") == own_quantizer("resnet18") == "bimlp"
    names = [{p.name for p in network.get_parameters()} for network in (default, chosen, other)]
    assert names[0] == names[1] != names[2]
