"""FTBNN after its abstract: costs by arithmetic, units against NumPy, backends, refusals."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.cost.count import cost_of
from src.model import create_model
from src.model.config import layer_config
from src.model.layers.activations import ACTIVATIONS
from src.model.networks.ftbnn import PLACES, FTBNNOptions, ftbnn_unit
from tests.model.conftest import copy_parameters, images, scramble

TINY = {"widths": (8, 16), "depths": (1, 2), "stem_width": 4}


@pytest.fixture(autouse=True, scope="module")
def pynative():
    before = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=before)


def binary_macs_of_groups():
    """Binary MACs of ftbnn18_groups: 4 groups at twice the widths, 4-4-4-4 units of 3x3, 1x1 shortcuts at four places."""
    total, channels = 0, 64
    for width, side in zip((128, 256, 512, 1024), (56, 28, 14, 7)):
        total += side**2 * (channels * width // 4 * (9 + 1) + 3 * width * width // 4 * 9)
        channels = width
    return total


@pytest.mark.parametrize("name,flops,ops,bops", [
    ("ftbnn18", 1.3779, 1.6399, None),
    ("ftbnn18_binary", 1.1853, 1.4502, None),
    ("ftbnn18_groups", 1.1853 + 512_000 / 1e8, 1.4473, binary_macs_of_groups()),
])  # fmt: skip
def test_costs_are_those_of_the_specification(name, flops, ops, bops):
    totals = cost_of(create_model(name, backend="plain").set_train(False), 224).totals()
    assert abs(totals["flops_macs"] / 1e8 - flops) < 1e-4 and round(totals["ops_macs"] / 1e8, 4) == ops
    assert bops in (None, totals["bops_macs"])


FORMULAS = {
    "none": lambda x: x,
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "relu": lambda x: np.maximum(x, 0),
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "rprelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "two_slope": lambda x: np.where(x > 0, x, 0.25 * x),
}


def signs(x):
    return np.where(x > 0, 1.0, -1.0)


def convolution(x, weight, stride, groups):
    """Sums of a convolution in groups behind a channel shuffle, the side kept at stride 1."""
    count, channels, height, width = x.shape
    x = x.reshape(count, groups, channels // groups, height, width).swapaxes(1, 2).reshape(x.shape)
    pad = weight.shape[2] // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    y = np.zeros((count, len(weight), -(-height // stride), -(-width // stride)))
    out, size = len(weight) // groups, channels // groups
    for g in range(groups):
        part, filters = x[:, g * size : (g + 1) * size], weight[g * out : (g + 1) * out]
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                rows, columns = (slice(stride * k, stride * k + weight.shape[2]) for k in (i, j))
                y[:, g * out : (g + 1) * out, i, j] = np.einsum(
                    "bchw,ochw->bo", part[:, :, rows, columns], filters
                )
    return y


def scaled(x, layer, stride, groups):
    """Binary convolution of the signs of x, with the scale mean |w|."""
    w = layer.weight.asnumpy()
    return convolution(signs(x), signs(w), stride, groups) * np.abs(w).mean((1, 2, 3)).reshape(1, -1, 1, 1)


def normalised(x, norm):
    mean, variance, gamma, beta = (
        p.asnumpy().reshape(1, -1, 1, 1)
        for p in (norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta)
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("activation", FORMULAS)
def test_a_unit_computes_its_formula(activation, place, groups):
    config = layer_config(quantizer="bireal", activation=activation, backend="plain")
    options = FTBNNOptions(place=place, groups=groups, binary_shortcuts=True)
    unit = ftbnn_unit(4, 8, 2, options, config)
    for each in unit.get_parameters():
        if "slope" not in each.name and each.name.split(".")[-1] not in ("positive", "negative"):
            random = np.random.default_rng(len(each.name))
            each.set_data(Tensor(np.abs(random.normal(0.5, 0.3, each.shape)).astype(np.float32)))
            if each.ndim == 4:
                each.set_data(Tensor(random.normal(size=each.shape).astype(np.float32)))
            if each.name.endswith(("shift_in", "shift_out")):
                each.set_data(Tensor(np.zeros(each.shape, np.float32)))
    unit.set_train(False)
    x = np.random.default_rng(1).normal(size=(2, 4, 6, 6)).astype(np.float32)
    main = unit if place == "after" else unit.conv
    conv = normalised(scaled(x, main.fc, 2, groups), main.norm)
    pooled = x.reshape(2, 4, 3, 2, 3, 2).mean((3, 5))
    shortcut = normalised(scaled(pooled, unit.shortcut.conv, 1, groups), unit.shortcut.norm)
    act = FORMULAS[activation]
    expected = act(conv + shortcut) if place == "after" else act(conv) + shortcut
    np.testing.assert_allclose(unit(Tensor(x)).asnumpy(), expected, atol=1e-4)


def test_all_activations_of_the_switch_are_known():
    assert FORMULAS.keys() <= ACTIVATIONS.keys()


@pytest.mark.parametrize("precision", ["fp32", "binary_act", "binary"])
@pytest.mark.parametrize("options", [{"groups": 2, "binary_shortcuts": True}, {"place": "before"}])
def test_backends_agree(options, precision):
    plain, fast, fused = (
        create_model("ftbnn20", 10, precision, backend=backend, **{**TINY, "groups": 1, **options})
        for backend in ("plain", "fast", "fused")
    )
    scramble(plain)
    x = Tensor(images(4, 16))
    expected = plain.set_train(False)(x).asnumpy()
    assert expected.std(0).min() > 1e-3
    np.testing.assert_allclose(
        copy_parameters(plain, fast).set_train(False)(x).asnumpy(), expected, atol=2e-3
    )
    np.testing.assert_allclose(
        copy_parameters(plain, fused).set_train(False)(x).asnumpy(), expected, atol=2e-3
    )


@pytest.mark.parametrize("overrides,message", [
    ({"place": "around"}, "place: expected one of before, after, got 'around'"),
    ({"groups": 0}, "stem_width and groups: expected at least 1 each, got 16 and 0"),
    ({"groups": 3}, "groups: expected a divisor of 16 and 32 channels, got 3"),
])  # fmt: skip
def test_refusals(overrides, message):
    with pytest.raises(ValueError, match=message):
        create_model("ftbnn20", 10, **overrides)
