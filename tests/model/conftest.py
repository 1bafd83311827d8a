"""Fixtures of the tests of the networks."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.model import create_model
from tests.model.reference import Reference

REDUCED = {"widths": (8, 16, 32), "depths": (1, 2, 1), "stem": (7, 4, 2), "branches": (2, 1, 2, 1)}


@pytest.fixture(params=["graph", "pynative"])
def mode(request):
    """Both execution modes, one after the other."""
    ms.set_context(mode={"graph": ms.GRAPH_MODE, "pynative": ms.PYNATIVE_MODE}[request.param])
    yield request.param
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture(autouse=True)
def graph_mode():
    """Graph mode unless a test asks otherwise."""
    ms.set_context(mode=ms.GRAPH_MODE)


def scramble(network, seed=0):
    """Give every parameter of a network values of a realistic size that are not its initial ones."""
    rng = np.random.default_rng(seed)
    for p in network.get_parameters():
        value = p.asnumpy()
        if p.name.endswith("moving_variance"):
            value = rng.uniform(0.5, 1.5, value.shape)
        elif value.ndim == 1:
            value = value + rng.normal(0, 0.2, value.shape)
        p.set_data(Tensor(value.astype(np.float32)))
    return network


def reduced(name="bimlp_t", precision="binary", seed=0, **overrides):
    """A narrow BiMLP with scrambled parameters and the running statistics of real inputs, in evaluation mode.

    Without such statistics a random network's activations grow from layer to layer and prove nothing.
    """
    settings = {**REDUCED, **overrides}
    network = scramble(create_model(name, 10, precision, **settings), seed)
    network.set_train(False)
    statistics = reference_of(network, precision, settings).calibrate(images(8, 32, seed=9))
    for name, value in statistics.items():
        network.parameters_dict()[name].set_data(Tensor(value.astype(np.float32)))
    return network


def reference_of(network, precision, settings):
    """The Reference with a network's parameters."""
    parameters = {name: p.asnumpy() for name, p in network.parameters_dict().items()}
    return Reference(parameters, precision, settings["depths"], settings["stem"], settings["branches"])


def copy_parameters(source, target):
    """Set target's parameters to source's."""
    for name, p in source.parameters_dict().items():
        target.parameters_dict()[name].set_data(Tensor(p.asnumpy()))
    return target


def images(count, size, seed=0):
    """Random images (count, 3, size, size)."""
    return np.random.default_rng(seed).normal(size=(count, 3, size, size)).astype(np.float32)
