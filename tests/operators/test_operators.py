"""Every fused operator against the standard operations that it stands for: values and all gradients."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src import operators
from src.model import create_model
from src.model.backends import BACKENDS
from src.model.config import layer_config
from src.model.layers.activations import RPReLU
from src.model.layers.binarize import BinarizeActivation, BinarizeShifted
from src.model.layers.binary_fc import channel_binary_fc, spatial_binary_fc
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.norms import BatchNorm
from src.model.layers.padding import half_padding
from src.model.layers.quantizers import QUANTIZERS
from src.model.layers.shortcuts import no_shortcut
from src.model.networks.bimlp import MBBBlock1, MBBBlock2
from tests.operators.agreement import assert_same, everything, pair, random

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.usefixtures("pynative")


@pytest.fixture
def graph(pynative):
    """Graph mode, for what holds operators of several maps."""
    ms.set_context(mode=ms.GRAPH_MODE)


WIDTHS = [(1, 1), (4, 4), (31, 31), (33, 33), (8, 32), (32, 8), (65, 130), (320, 64)]


@pytest.mark.parametrize("precision", ["fp32", "binary_act", "binary"])
@pytest.mark.parametrize("channels,out", WIDTHS)
def test_channel_binary_fc(channels, out, precision):
    cells = pair(lambda a: channel_binary_fc(channels, out, a), precision)
    assert_same(cells, random(channels, 3, 5, 7))


@pytest.mark.parametrize("images", [(1, 4, 4), (64, 1, 1), (7, 3, 3), (2, 16, 16)])
def test_channel_binary_fc_on_any_number_of_positions(images):
    assert_same(pair(lambda a: channel_binary_fc(12, 24, a)), random(12, *images))


@pytest.mark.parametrize("gradient", ["ste", "approx_sign", "clip_grad"])
def test_gradients_of_sign(gradient):
    for make in (lambda a: channel_binary_fc(8, 8, a), lambda a: spatial_binary_fc(8, 8, "width", a)):
        assert_same(pair(make, "binary", gradient), random(8, 4, 5, 5))


@pytest.mark.parametrize("precision", ["fp32", "binary_act", "binary"])
@pytest.mark.parametrize("axis", ["width", "height"])
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (4, 4), (7, 3), (9, 8), (16, 14)])
def test_spatial_binary_fc(size, group, axis, precision):
    cells = pair(lambda a: spatial_binary_fc(5 * group, 5, axis, a), precision)
    assert_same(cells, random(5 * group, 3, *size), tolerance=2e-4)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("own", [{"norm_eps": 1e-1}, {"same_padding": True}, {"pad_value": 1}], ids=str)
def test_other_windows_and_eps_are_those_of_the_backend_fast(own, stride):
    """Of a layer with them the operators know nothing."""
    own = dict(own)
    pad_value = own.pop("pad_value", 0)

    def make(config):
        config = replace(config, shortcut=no_shortcut, **own)
        padding = half_padding(3, config)
        conv = BinaryConv2d(4, 6, 3, stride, padding, pad_value=pad_value, config=config)
        return config.backend.shortcut_conv(conv, 4, config)

    assert_same(pair(make), random(4, 3, 6, 6))
    if "norm_eps" in own:
        assert_same(pair(lambda config: channel_binary_fc(4, 8, replace(config, **own))), random(4, 3, 6, 6))


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_move_in_training_alone(training):
    for make in (lambda a: channel_binary_fc(6, 6, a), lambda a: spatial_binary_fc(6, 6, "height", a)):
        assert_same(pair(make), random(6, 4, 5, 5), training=training)
    cells = pair(lambda a: BatchNorm(6, a))
    before = cells[1].moving_mean.asnumpy().copy()
    assert_same(cells, 3 + random(6, 4, 5, 5), training=training)
    assert (cells[1].moving_mean.asnumpy() != before).all() == training


SHARED = QUANTIZERS[
    "sign"
].activation.__func__  # of the quantizers that have no Cell of their own for activations


def has_operator(row):
    """Whether there is an operator for a quantizer's activations."""
    return row.activation.__func__ is SHARED and row.activation_ste in operators.GRADIENTS


@pytest.mark.parametrize("name", [n for n, row in QUANTIZERS.items() if has_operator(row)])
def test_binarized_activations_of_every_quantizer(name):
    """Far from 0 as well, where exp must not overflow."""
    cells = [
        BinarizeActivation(7, layer_config(quantizer=name, backend=backend)) for backend in ("fast", "fused")
    ]
    assert [isinstance(cell.binarize, BinarizeShifted) for cell in cells] == [True, False]
    x = 2 * random(7, 3, 4, 9)
    x[0, 0, 0] = np.array([-1000, -30, -1, -0.0, 0, 0.5, 1, 30, 1000])
    assert_same(cells, x, outliers=0)


@pytest.mark.parametrize("name", ["uni", "same_shape", "none"])
def test_other_shortcuts(name):
    for out in (8, 16, 4):
        cells = [
            channel_binary_fc(8, out, layer_config(backend=backend, shortcut=name))
            for backend in ("fast", "fused")
        ]
        # shifts off 0: without a shortcut many outputs of a channel are equal, and must not lie on RPReLU's edge
        for ours, theirs in zip(*(cell.get_parameters() for cell in cells)):
            value = random(*ours.shape, seed=out)
            value = value if ours.ndim > 1 else 1 + 0.3 * np.abs(value)
            ours.set_data(Tensor(value.astype(np.float32)))
            theirs.set_data(Tensor(value.astype(np.float32)))
        assert_same(cells, random(8, 3, 5, 7))


class Made(nn.Cell):
    """Cell that a backend makes, under a name of its own."""

    def __init__(self, make, config):
        super().__init__()
        self.made = make(config.backend)

    def construct(self, *inputs):
        return self.made(*inputs)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (7, 3, 4, 9), (9, 2, 5, 3), (4, 8, 16, 16)], ids=str)
@pytest.mark.parametrize("make,vectors", [
    (lambda backend: backend.scale(), 1),
    (lambda backend: backend.two_slope(), 2),
], ids=["scale", "two slopes"])  # fmt: skip
def test_functions_with_numbers_per_channel(make, vectors, shape):
    x = random(*shape)
    x.reshape(-1)[:3] = [0, 1, -1][: x.size]
    cells = [Made(make, layer_config(backend=backend)) for backend in ("fast", "fused")]
    assert_same(cells, x, *(random(shape[0], seed=seed) for seed in range(2, 2 + vectors)), outliers=0)


@pytest.mark.parametrize("gradient", operators.GRADIENTS)
@pytest.mark.parametrize("alpha,beta", [(1, 0), (0.7, -0.3), (-1.2, 0.1)])
def test_sign_with_two_values_of_its_own(alpha, beta, gradient):
    x = 2 * random(5, 3, 4, 9)
    x[0, 0, 0, 0] = beta
    cells = [
        Made(lambda a: a.affine_sign(gradient), layer_config(backend=backend))
        for backend in ("fast", "fused")
    ]
    assert isinstance(cells[1].made.operator, operators.FusedAffineSign)
    assert_same(cells, x, np.float32([alpha]), np.float32([beta]), outliers=0)


def test_rprelu():
    assert_same(pair(lambda a: RPReLU(9, a)), random(9, 2, 5, 3))


@pytest.mark.parametrize("kernel,stride,padding", [(1, 1, 0), (7, 4, 2), (3, 2, 1)])
def test_full_precision_convolution(kernel, stride, padding):
    assert_same(pair(lambda a: Conv2d(3, 10, kernel, stride, padding, config=a)), random(3, 2, 16, 20))


@pytest.mark.parametrize("groups,out", [(2, 6), (3, 12), (12, 12), (12, 24)])
@pytest.mark.parametrize(
    "kernel,stride,padding", [(1, 1, 0), (3, 1, 1), (3, 2, 1), ((1, 7), 1, (0, 3))], ids=str
)
def test_full_precision_convolution_in_groups(kernel, stride, padding, groups, out):
    cells = pair(lambda a: Conv2d(12, out, kernel, stride, padding, groups, config=a))
    assert isinstance(cells[1].conv.operator, operators.FusedConv)
    assert_same(cells, random(12, 2, 9, 10))


class Waved(nn.Cell):
    def __init__(self, config):
        super().__init__()
        self.wave = config.backend.wave()

    def construct(self, theta, z):
        return self.wave(theta, z)


def test_wave():
    theta = np.concatenate(
        [random(2, 3, 4, 5), 1000 * random(2, 3, 4, 5, seed=2), np.zeros((1, 3, 4, 5), np.float32)]
    )
    assert_same(
        [Waved(layer_config(backend=backend)) for backend in ("fast", "fused")],
        theta,
        random(5, 3, 4, 5, seed=3),
    )


WINDOWS = [(1, 2, 0), (2, 1, 0), (2, 2, 0), (2, 2, 1), (3, 1, 0), (3, 2, 0), (3, 2, 1), (5, 1, 2), (5, 3, 2)]
WINDOWS += [(kernel, stride, "same") for kernel in (2, 3) for stride in (1, 2)] + [(7, 2, "same")]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(5, 5), (8, 7), (6, 41), (33, 64)])
def test_max_pool(window, size):
    """The first of equal numbers gets the gradient."""
    x = random(3, 2, *size)
    x[1], x[2] = np.round(x[1]), 1
    assert_same([BACKENDS[backend].max_pool(*window) for backend in ("plain", "fused")], x, outliers=0)


@pytest.mark.parametrize("size", [1, 2])
def test_max_pool_of_a_map_that_is_smaller_than_the_window(size):
    for window in ((3, 2, 1), (3, 1, "same"), (5, 1, 2), (7, 2, "same")):
        cells = [BACKENDS[backend].max_pool(*window) for backend in ("plain", "fused")]
        assert_same(cells, random(3, 2, size, size), outliers=0)


@pytest.mark.parametrize("window", [(3, 2, 1), (3, 1, 1), (5, 1, 2)], ids=str)
def test_max_pool_of_infinities_and_nans(window):
    """The padding is not the maximum of numbers of -inf, and the last nan is the maximum."""
    x, draw = random(2, 3, 19, 39), random(2, 3, 19, 39, seed=1)
    x[draw < 0.8], x[draw > 2], x[1, 0] = -np.inf, np.nan, -np.inf
    plain, fused = (
        everything(BACKENDS[backend].max_pool(*window), [Tensor(x)], {}) for backend in ("plain", "fused")
    )
    assert np.isnan(plain["y"]).any() and np.isneginf(plain["y"]).any()
    for name, expected in plain.items():
        np.testing.assert_allclose(fused[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_max_pool_refuses_a_padding_that_holds_a_window():
    with pytest.raises(ValueError, match=r"padding: expected same or 0 \.\. 1, half of the kernel, got 2"):
        operators.FusedMaxPool(3, 2, 2)


POOLED = ["react_resnet18", "real_to_binary18", "adabin20", "xnornet_alexnet", "meliusnet22", "quicknet_nano"]


@pytest.mark.parametrize("name", POOLED)
def test_networks_take_the_operator_of_their_max_pools(name):
    found = [type(cell) for _, cell in create_model(name, 10, backend="fused").cells_and_names()]
    assert operators.FusedMaxPool in found and nn.MaxPool2d not in found


class MultiPooled(nn.Cell):
    def __init__(self, backend):
        super().__init__()
        self.pool = BACKENDS[backend].multi_max_pool()

    def construct(self, x):
        return self.pool(x)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 4), (7, 7), (8, 8), (5, 14), (56, 56)])
def test_mean_of_max_pools(size):
    assert_same([MultiPooled("plain"), MultiPooled("fused")], random(3, 2, *size), outliers=0)


@pytest.mark.parametrize("spatial,channel", [(0, 1), pytest.param(0, 2, marks=pytest.mark.thorough), (2, 1)])
def test_blocks_with_their_merges(spatial, channel, graph):
    for block in (MBBBlock1, MBBBlock2):
        cells = pair(partial(build_block, block, spatial, channel), "fp32")
        assert_same(cells, random(8, 9, 4, 6), tolerance=1e-3, outliers=0)


def build_block(block, spatial, channel, config):
    mixing = ("patm",) if block is MBBBlock1 else ()
    return block(8, spatial, channel, *mixing, config)


def test_sums_are_the_exact_integers():
    for precision in ("binary_act", "binary"):
        fast, fused = pair(lambda a: channel_binary_fc(37, 37, a), precision)
        x = Tensor(random(37, 2, 3, 3))
        act, norm = fused.act, fused.norm
        sums = fused.operator(
            x, fused.fc.rsign.bias, fused.fc.weight, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance,
            act.shift_in, act.slope, act.shift_out,
        )[1]  # fmt: skip
        expected = fast.fc.accumulate(x).asnumpy()
        if precision == "binary":
            np.testing.assert_array_equal(sums.asnumpy(), expected)
        else:
            np.testing.assert_allclose(sums.asnumpy(), expected, atol=1e-5)


DIGEST = """
import hashlib, numpy as np, mindspore as ms
from mindspore import Tensor
from src.model import create_model
ms.set_context(mode=ms.GRAPH_MODE); ms.set_seed(1)
net = create_model(%r, 10, "binary", backend="fused", **%r); net.set_train(True)
x = Tensor(np.random.default_rng(0).normal(size=(5, 3, 32, 32)).astype(np.float32))
grads = ms.grad(net, None, net.trainable_params())(x)
print(hashlib.sha256(b"".join(g.asnumpy().tobytes() for g in grads)).hexdigest())
"""


@pytest.mark.parametrize(
    "network,options", [("bimlp_t", {"widths": (16, 32), "depths": (1, 1)}), ("birealnet20", {})]
)
def test_results_do_not_depend_on_the_number_of_threads(network, options):
    digests = []
    for cores in (1, 2):
        available = sorted(os.sched_getaffinity(0))[:cores]
        done = subprocess.run(
            [sys.executable, "-c", DIGEST % (network, options)], cwd=ROOT, capture_output=True, text=True, check=True,
            preexec_fn=lambda cores=available: os.sched_setaffinity(0, cores),
        )  # fmt: skip
        digests.append(done.stdout.split()[-1])
    assert digests[0] == digests[1]
