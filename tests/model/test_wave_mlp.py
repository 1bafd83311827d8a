"""Wave-MLP: its size by arithmetic, its formulas against numpy, its two backends against each other."""

import math
from dataclasses import asdict
from itertools import pairwise

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.model.config import layer_config
from src.model.layers.vision_mlp import MLP, VisionMLPOptions
from src.model.networks.wave_mlp import PATM, WaveMLP

WIDTHS = (64, 128, 320, 512)
T = (2, 2, 4, 2)
S = (2, 3, 10, 3)
TOKENS = (56 * 56, 28 * 28, 14 * 14, 7 * 7)  # per stage, of an image of 224 x 224
BATCH, CLASSES = 3, 5
TINY = VisionMLPOptions((16, 32, 64, 128), (1, 1, 1, 1), 0.3)


pytestmark = pytest.mark.usefixtures("pynative")


def fp32(backend="fast", norm="batch"):
    return layer_config("fp32", backend=backend, norm=norm, activation="gelu")


def full_size(depths):
    return WaveMLP(1000, VisionMLPOptions(WIDTHS, depths), fp32())


def tiny(norm="batch", backend="fast"):
    """The same seeded weights for every backend; nothing is left at 0 or 1, where a slip could hide."""
    network = WaveMLP(CLASSES, TINY, fp32(backend, norm))
    randomize(network)
    return network


def randomize(network):
    random = np.random.default_rng(7)
    for parameter in network.get_parameters():
        fan_in = math.prod(parameter.shape[1:])
        spread = 0.2 if parameter.ndim == 1 else 1 / math.sqrt(fan_in)
        values = random.normal(0, spread, parameter.shape)
        if parameter.name.endswith(("gamma", "moving_variance")):
            values = 1 + np.abs(values)
        parameter.set_data(Tensor(values.astype(np.float32)))


def images(size=64):
    return Tensor(np.random.default_rng(1).normal(size=(BATCH, 3, size, size)).astype(np.float32))


# --- size ---


def expected_parameters(depths):
    """Sum over the layers of the architecture, biases and the two vectors of every norm included."""
    total = 3 * 7 * 7 * 64 + 64 + 2 * 64  # stem
    for c, depth in zip(WIDTHS, depths):
        direction = (c * c + c) + 2 * c + c * c + 2 * c * 7  # phase FC, its norm, amplitude FC, local FC
        reweight = (c * (c // 4) + c // 4) + ((c // 4) * 3 * c + 3 * c)
        patm = 2 * direction + c * c + reweight + (c * c + c)  # channel FC, projection
        mlp = (c * 4 * c + 4 * c) + (4 * c * c + c)
        total += depth * (2 * c + patm + 2 * c + mlp)
    for c, o in pairwise(WIDTHS):
        total += 3 * 3 * c * o + o + 2 * o
    return total + 2 * 512 + 512 * 1000 + 1000


def expected_macs(depths):
    total = 3 * 7 * 7 * 64 * (56 * 56)
    for c, n, depth in zip(WIDTHS, TOKENS, depths):
        reweight = c * (c // 4) + (c // 4) * 3 * c  # on a 1x1 map
        patm = 6 * (c * c) * n + 2 * (2 * c * 7) * n + reweight  # six FCs, two local FCs
        total += depth * (patm + 2 * (c * 4 * c) * n)
    total += 3 * 3 * 64 * 128 * (28 * 28) + 3 * 3 * 128 * 320 * (14 * 14) + 3 * 3 * 320 * 512 * (7 * 7)
    return total + 512 * 1000


def counted_macs(network):
    """Entries of each weight times the positions of its output: only weights have two axes or more."""
    total = 0
    for parameter in network.get_parameters():
        if parameter.ndim > 1:
            total += parameter.size * positions(parameter.name)
    return total


def positions(name):
    place, index = name.split(".")[:2]
    if place == "head" or "reweight" in name:
        return 1
    if place == "stem":
        return TOKENS[0]
    return TOKENS[int(index)] if place == "stages" else TOKENS[int(index) + 1]


@pytest.mark.parametrize(
    ("depths", "parameters", "macs"),
    [(T, 17, 2.4), (S, 30, 4.5)],  # published, cut to so many digits
    ids=["T", "S"],
)
def test_size_is_the_published_one(depths, parameters, macs):
    network = full_size(depths)
    count = sum(p.size for p in network.trainable_params())
    assert count == expected_parameters(depths)
    assert math.floor(count / 1e6) == parameters
    assert counted_macs(network) == expected_macs(depths)
    assert math.floor(expected_macs(depths) / 1e8) / 10 == macs


# --- values ---


def test_patm_computes_its_formula():
    channels, h, w = 8, 5, 9
    patm = PATM(channels, fp32("plain"))
    randomize(patm)
    patm.set_train(False)
    x = np.random.default_rng(2).normal(size=(BATCH, channels, h, w)).astype(np.float32)
    weights = {p.name: p.asnumpy().astype(np.float64) for p in patm.get_parameters()}
    np.testing.assert_allclose(patm(Tensor(x)).asnumpy(), patm_by_numpy(x, weights), atol=1e-5)


def test_mlp_computes_its_formula_with_the_exact_gelu():
    """The tanh approximation is off by up to 5e-4."""
    mlp = MLP(2, 2, 2, fp32("plain"))
    for fc in (mlp.fc1, mlp.fc2):
        fc.weight.set_data(Tensor(np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1)))
        fc.bias.set_data(Tensor(np.array([0.5, -0.5], np.float32)))
    x = np.linspace(-4, 4, 98, dtype=np.float32).reshape(1, 2, 7, 7)
    shift = np.array([0.5, -0.5]).reshape(1, 2, 1, 1)
    np.testing.assert_allclose(mlp(Tensor(x)).asnumpy(), gelu(x + shift) + shift, atol=1e-6)


def test_layer_norm_replaces_all_norms_but_those_of_the_phases():
    names = [p.name for p in tiny("layer").get_parameters() if p.name.endswith("moving_mean")]
    assert len(names) == 2 * 4  # directions, blocks
    assert all("phase_norm" in name for name in names)


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def patm_by_numpy(x, weights):
    def fc(name, x):
        y = np.einsum("oc,bchw->bohw", weights[f"{name}.weight"][:, :, 0, 0], x)
        return y + weights.get(f"{name}.bias", np.zeros(y.shape[1])).reshape(1, -1, 1, 1)

    def norm(name, x):
        mean, variance, gamma, beta = (
            weights[f"{name}.{key}"].reshape(1, -1, 1, 1)
            for key in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def direction(name, axis):
        theta = np.maximum(norm(f"{name}.phase_norm", fc(f"{name}.phase_fc", x)), 0)
        z = fc(f"{name}.amplitude_fc", x)
        wave = np.concatenate((z * np.cos(theta), z * np.sin(theta)), 1)
        taps = weights[f"{name}.mix_fc.weight"].reshape(x.shape[1], 2, 7)
        size, padding = x.shape[axis], [(3, 3) if a == axis else (0, 0) for a in (2, 3)]
        out = np.zeros(x.shape)
        for c in range(x.shape[1]):
            for g in range(2):
                padded = np.pad(wave[:, 2 * c + g], [(0, 0), *padding])
                for k in range(7):
                    out[:, c] += taps[c, g, k] * np.take(padded, range(k, k + size), axis - 1)
        return out

    # (B, C, 3, H, W)
    branches = np.stack((direction("width", 3), direction("height", 2), fc("channel", x)), 2)
    pooled = branches.sum(2).mean((2, 3), keepdims=True)
    logits = fc("reweight.fc2", gelu(fc("reweight.fc1", pooled))).reshape(x.shape[0], x.shape[1], 3, 1, 1)
    a = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    return fc("projection", (branches * a).sum(2))


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_plain_and_fast_form_agree(norm):
    networks = [tiny(norm, backend) for backend in ("fast", "plain")]
    fast, plain = (network.set_train(False)(images()).asnumpy() for network in networks)
    assert fast.shape == (BATCH, CLASSES)
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    fast, plain = (gradients(network.set_train(True)) for network in networks)
    assert fast.keys() == plain.keys()
    for name, gradient in fast.items():
        np.testing.assert_allclose(gradient, plain[name], atol=2e-5, err_msg=name)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_every_parameter_receives_a_gradient(norm):
    """In evaluation: with statistics of the batch, a bias before a batch norm has none."""
    for name, gradient in gradients(tiny(norm).set_train(False)).items():
        assert np.abs(gradient).max() > 1e-3, name


def gradients(network):
    """Of the summed log probability of class 0, for every trainable parameter."""
    parameters = network.trainable_params()

    def objective(x):
        return ops.log_softmax(network(x), 1)[:, 0].sum()

    values = ms.value_and_grad(objective, None, parameters)(images())[1]
    return {p.name: value.asnumpy() for p, value in zip(parameters, values)}


def test_graph_mode_and_pynative_agree():
    network = tiny().set_train(False)
    expected = network(images(32)).asnumpy()
    ms.set_context(mode=ms.GRAPH_MODE)
    np.testing.assert_allclose(network(images(32)).asnumpy(), expected, atol=1e-5)


def test_drop_mask_scales_the_paths_of_its_block():
    network = tiny().set_train(False)
    assert network.drop_path_rates == pytest.approx((0, 0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3))
    x, ones = images(), np.ones((8, BATCH, 1, 1, 1), np.float32)
    whole = network(x).asnumpy()
    np.testing.assert_allclose(network(x, Tensor(ones)).asnumpy(), whole, atol=1e-6)
    first_dropped = ones.copy()
    first_dropped[:, 0] = 0
    part = network(x, Tensor(first_dropped)).asnumpy()
    np.testing.assert_allclose(part[1:], whole[1:], atol=1e-6)
    assert np.abs(part[0] - whole[0]).max() > 1e-3


# --- refusals ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depths": (1, 1)}, "depths: expected one per width, 4 in all, got (1, 1)"),
        ({"widths": (2, 4, 8, 16)}, "widths: expected at least 4 channels each, got (2, 4, 8, 16)"),
    ],
)
def test_refuses_what_it_cannot_build(change, message):
    with pytest.raises(ValueError) as caught:
        VisionMLPOptions(**{**asdict(TINY), **change})
    assert str(caught.value) == message
