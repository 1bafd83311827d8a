"""Fixtures of the deploy room's tests: tiny networks whose parameters are all away from 0 and 1."""

import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.model import create_model

TINY = {"widths": (8,), "depths": (1,), "backend": "plain"}
IMAGE_SIZE, CLASSES = 32, 10


@pytest.fixture(autouse=True)
def graph_mode():
    """The mode that the entry scripts choose."""
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.GRAPH_MODE)
    yield
    ms.set_context(mode=mode)


@pytest.fixture(scope="session")
def randomize():
    """randomize(network): seeded numbers for every parameter, of a size that keeps activations near 1."""

    def fill(network):
        random = np.random.default_rng(7)
        for parameter in network.get_parameters():
            fan_in = math.prod(parameter.shape[1:])
            values = random.normal(0, 0.2 if parameter.ndim == 1 else 1 / math.sqrt(fan_in), parameter.shape)
            if parameter.name.endswith(("gamma", "moving_variance")):
                values = 1 + np.abs(values)
            parameter.set_data(Tensor(values.astype(np.float32)))
        return network.set_train(False)

    return fill


@pytest.fixture(scope="session")
def tiny(randomize):
    """tiny(name="bimlp_t", precision="binary", **overrides): a network of one block, the same on every call."""

    def make(name="bimlp_t", precision="binary", **changes):
        return randomize(create_model(name, CLASSES, precision, **{**TINY, **changes}))

    return make


@pytest.fixture(scope="session")
def images():
    """images(count, size=32): seeded normal images."""

    def make(count, size=IMAGE_SIZE):
        return np.random.default_rng(3).normal(size=(count, 3, size, size)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def logits(images):
    """logits(network, images): computed eagerly."""

    def run(network, x):
        mode = ms.get_context("mode")
        ms.set_context(mode=ms.PYNATIVE_MODE)
        try:
            return network(Tensor(x)).asnumpy()
        finally:
            ms.set_context(mode=mode)

    return run
