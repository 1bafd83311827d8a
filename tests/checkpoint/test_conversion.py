"""Other programs' weights in this project's networks: the reference's values come out, and nothing is left out unsaid."""

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.checkpoint.foreign.conversion import convert
from src.checkpoint.foreign.reading import Foreign
from src.checkpoint.foreign.sources import SOURCES
from src.common.errors import InputError
from src.model import create_model

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cnn"
WIDTHS = {"widths": (8, 16, 32, 64)}
REACTNET_WIDTHS = {"widths": (4, 8, 16, 16, 32, 32, 64, 64, 64, 64, 64, 64, 128, 128)}
# golden file -> (source, our network, its options)
REFERENCES = {
    "bireal18": ("birealnet", "birealnet18", WIDTHS),
    "react_resnet18": ("reactnet", "react_resnet18", WIDTHS),
    "reactnet_a": ("reactnet", "reactnet_a", REACTNET_WIDTHS),
    "quicknet_small_reduced": (
        "larq",
        "quicknet_small",
        {"widths": (8, 16, 64, 128), "depths": (2, 3, 2, 2)},
    ),
}


@pytest.fixture(autouse=True, scope="module")
def pynative():
    before = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=before)


def reference(name):
    """(Foreign, input, logits) of a golden file."""
    data = np.load(GOLDEN / f"{name}.npz")
    arrays = {key.removeprefix("param/"): data[key] for key in data.files if key.startswith("param/")}
    return Foreign(arrays, [], False), data["x"], data["logits"]


def network_of(name):
    _, model, options = REFERENCES[name]
    return create_model(
        model, 10, backend="plain", **options, **SOURCES[REFERENCES[name][0]].options
    ).set_train(False)


def converted(name, network, foreign):
    source, model, _ = REFERENCES[name]
    target = {p.name: (p.shape, p.requires_grad) for p in network.get_parameters()}
    return convert(foreign, SOURCES[source].rules(model), target, "weights.pth")


@pytest.mark.parametrize("name", REFERENCES)
def test_converted_weights_give_the_reference_s_logits(name):
    foreign, x, logits = reference(name)
    network = network_of(name)
    conversion = converted(name, network, foreign)
    for parameter in network.get_parameters():
        if parameter.name in conversion.arrays:
            parameter.set_data(Tensor(conversion.arrays[parameter.name]))
    np.testing.assert_allclose(network(Tensor(x)).asnumpy(), logits, rtol=0, atol=1e-5 * np.abs(logits).max())
    told = [each for theirs in conversion.matched.values() for each in theirs] + list(conversion.aside)
    assert sorted(told) == sorted(foreign.arrays)
    assert {*conversion.matched, *conversion.kept} == {p.name for p in network.get_parameters()}
