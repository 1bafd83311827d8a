"""Layers: integer sums, borders, Uni-shortcut, RPReLU, pools; and each fast operation against the plain one."""

import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.model.backends import BACKENDS
from src.model.config import layer_config
from src.model.layers.activations import ACTIVATIONS, RPReLU
from src.model.layers.conv import BinaryConv2d, Conv2d, local_fc
from src.model.layers.layout import shuffle_channels, shuffled_order, to_layout
from src.model.layers.norms import BatchNorm, LayerNorm
from src.model.layers.pools import MultiMaxPool
from src.model.layers.shortcuts import SHORTCUTS, uni_shortcut
from src.model.layers.token_mixing import Shift, axial_offsets, cycle_offsets
from src.model.layers.wave import PolynomialCosSin
from tests.model import reference

PLAIN, FAST = layer_config("binary", backend="plain"), layer_config("binary", backend="fast")
SIZES = (1, 31, 32, 33, 63, 64, 65, 127, 320)  # straddle the word


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def run(cell, x, axis):
    """The cell on NCHW numpy images in the layout of `axis`."""
    return to_layout(cell(to_layout(Tensor(x), axis)), axis).asnumpy()


@pytest.mark.parametrize("config", [PLAIN, FAST], ids=["plain", "fast"])
@pytest.mark.parametrize("channels", SIZES)
def test_accumulator_is_an_integer_with_the_parity_of_the_channel_count(channels, config, pynative):
    layer, x = BinaryConv2d(channels, 3, 1, config=config), random(2, channels, 4, 5)
    total = to_layout(layer.accumulate(to_layout(Tensor(x), config.axis)), config.axis).asnumpy()
    weight = reference.sign(layer.weight.asnumpy()[:, :, 0, 0])
    np.testing.assert_array_equal(total, np.einsum("bchw,oc->bohw", reference.sign(x), weight))
    assert not ((total - channels) % 2).any() and np.abs(total).max() <= channels


@pytest.mark.parametrize("config", [PLAIN, FAST], ids=["plain", "fast"])
def test_zero_counts_as_minus_one(config, pynative):
    layer = BinaryConv2d(5, 2, 1, config=config)
    weight = reference.sign(layer.weight.asnumpy()).sum(axis=(1, 2, 3))
    total = run(layer.accumulate, np.zeros((1, 5, 1, 1), np.float32), config.axis)
    np.testing.assert_array_equal(total[0, :, 0, 0], -weight)


@pytest.mark.parametrize("config", [PLAIN, FAST], ids=["plain", "fast"])
@pytest.mark.parametrize("axis", ["width", "height"])
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 3), (9, 8)])
def test_local_sum_is_exact_and_padding_contributes_nothing(size, group, axis, config, pynative):
    layer = local_fc(3 * group, 3, axis, config)
    x = random(2, 3 * group, *size)
    total = run(layer.accumulate, x, config.axis)
    oracle = reference.Reference(
        {"l.weight": layer.weight.asnumpy(), "l.rsign.bias": np.zeros(3 * group)}, "binary", (), ()
    )
    scale = np.abs(layer.weight.asnumpy()).mean(axis=(1, 2, 3)).reshape(1, -1, 1, 1)
    np.testing.assert_array_equal(total, np.rint(oracle.local_fc(x, "l") / scale))
    np.testing.assert_allclose(run(layer, x, config.axis), oracle.local_fc(x, "l"), rtol=1e-5)


CONVOLUTIONS = {  # weight (O, C / groups, kh, kw), stride, padding, groups
    "stem": ((5, 3, 7, 7), 4, (2, 2), 1),
    "3x3": ((5, 3, 3, 3), 2, (1, 1), 1),
    "fc": ((5, 3, 1, 1), 1, (0, 0), 1),
    "fc with stride": ((5, 3, 1, 1), 2, (0, 0), 1),
    "grouped": ((6, 2, 3, 3), 1, (1, 1), 3),
    "depth-wise": ((6, 1, 3, 3), 2, (1, 1), 6),
    "rectangle": ((4, 3, 1, 5), 1, (0, 2), 1),
    "local, width": ((3, 2, 1, 7), 1, (0, 3), 3),
    "local, height": ((3, 2, 7, 1), 1, (3, 0), 3),
    "local with stride": ((3, 1, 1, 7), 2, (0, 3), 3),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_fast_convolution_is_the_plain_one(name):
    shape, stride, padding, groups = CONVOLUTIONS[name]
    x, w = random(2, shape[1] * groups, 13, 12), random(*shape, seed=1)

    def outputs(backend):
        cell, axis = BACKENDS[backend].conv(shape, stride, padding, groups), BACKENDS[backend].axis

        def inner(x, w):
            y = to_layout(cell(to_layout(x, axis), w), axis)
            return (y * y).sum(), y

        (_, y), grads = ms.value_and_grad(inner, (0, 1), has_aux=True)(Tensor(x), Tensor(w))
        return [t.asnumpy() for t in (y, *grads)]

    for plain, fast in zip(outputs("plain"), outputs("fast"), strict=True):
        assert fast.shape == plain.shape
        np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("layer", [Conv2d, BinaryConv2d])
def test_convolution_refuses_groups_that_do_not_divide_the_channels(layer):
    with pytest.raises(ValueError, match="groups: expected a divisor of 6 and 4 channels, got 3"):
        layer(6, 4, 3, groups=3, config=PLAIN)


def test_polynomial_cos_and_sin_and_their_gradients():
    theta = np.concatenate([np.linspace(-20, 20, 4001), [0, 1000, -1000, np.pi, -np.pi]]).astype(np.float32)
    cell = PolynomialCosSin()
    cos, sin = (t.asnumpy() for t in cell(Tensor(theta)))
    np.testing.assert_allclose(cos, np.cos(theta.astype(np.float64)), atol=5e-7)
    np.testing.assert_allclose(sin, np.sin(theta.astype(np.float64)), atol=5e-7)

    def inner(t):
        cos, sin = cell(t)
        return (2 * cos + 3 * sin).sum()

    exact = -2 * np.sin(theta.astype(np.float64)) + 3 * np.cos(theta.astype(np.float64))
    np.testing.assert_allclose(ms.grad(inner)(Tensor(theta)).asnumpy(), exact, atol=3e-6)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("out", [6, 18, 3, 2])
def test_uni_shortcut_copies_or_averages_adjacent_channels(out, axis):
    x = random(2, 6, 3, 2)
    cell = uni_shortcut(6, out, axis)
    np.testing.assert_allclose(run(cell, x, axis), reference.uni_shortcut(x, out), rtol=1e-6, atol=1e-7)

    def inner(x):
        return (to_layout(cell(to_layout(x, axis)), axis) * Tensor(weights)).sum()

    weights = random(2, out, 3, 2, seed=1)
    gradient = ms.grad(inner)(Tensor(x)).asnumpy()
    unit = reference.uni_shortcut(np.eye(6).reshape(6, 6, 1, 1), out)[
        :, :, 0, 0
    ]  # (input channel, output channel)
    np.testing.assert_allclose(gradient, np.einsum("bohw,co->bchw", weights, unit), rtol=1e-5, atol=1e-6)


def test_uni_shortcut_by_hand():
    x = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)
    np.testing.assert_array_equal(run(uni_shortcut(4, 2, 1), x, 1)[0, :, 0, 0], [0.5, 2.5])
    np.testing.assert_array_equal(run(uni_shortcut(4, 8, 1), x, 1)[0, :, 0, 0], [0, 1, 2, 3, 0, 1, 2, 3])


def test_uni_shortcut_refuses_widths_of_which_none_divides_the_other():
    with pytest.raises(ValueError, match=r"Uni-shortcut.*4 -> 6"):
        uni_shortcut(4, 6, 1)


@pytest.mark.parametrize("config", [PLAIN, FAST], ids=["plain", "fast"])
def test_rprelu_and_its_gradients(config):
    x, dout = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    cell, axis = RPReLU(3, config), config.axis
    assert set(cell.slope.asnumpy()) == {0.25}
    b1, w, b2 = (random(3, seed=s) for s in (2, 3, 4))
    for parameter, value in ((cell.shift_in, b1), (cell.slope, w), (cell.shift_out, b2)):
        parameter.set_data(Tensor(value))
    wide = {k: v.reshape(1, -1, 1, 1) for k, v in (("b1", b1), ("w", w), ("b2", b2))}
    t = x + wide["b1"]
    expected = np.where(t > 0, t, wide["w"] * t) + wide["b2"]
    np.testing.assert_allclose(run(cell, x, axis), expected, rtol=1e-6, atol=1e-6)

    def inner(x):
        return (to_layout(cell(to_layout(x, axis)), axis) * Tensor(dout)).sum()

    dx, (db1, dw, db2) = ms.grad(inner, 0, [cell.shift_in, cell.slope, cell.shift_out])(Tensor(x))
    slope = np.where(t > 0, 1, wide["w"])
    np.testing.assert_allclose(dx.asnumpy(), dout * slope, rtol=1e-5, atol=1e-6)
    for got, full in ((db1, dout * slope), (dw, dout * np.minimum(t, 0)), (db2, dout)):
        np.testing.assert_allclose(got.asnumpy(), full.sum((0, 2, 3)), rtol=1e-4, atol=1e-5)


OTHER_ACTIVATIONS = {
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "relu": lambda x: np.maximum(x, 0),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "none": lambda x: x,
    "two_slope": lambda x: np.where(x > 0, x, 0.25 * x),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
}


@pytest.mark.parametrize("backend", ["plain", "fast", "fused"])
@pytest.mark.parametrize("name", OTHER_ACTIVATIONS)
def test_activations_of_table_4(name, backend):
    x = random(2, 3, 4, 5, seed=8)
    x[0, 0, 0, 0] = 0
    config = layer_config(backend=backend, activation=name)
    cell = config.activation(3, config)
    np.testing.assert_allclose(run(cell, x, config.axis), OTHER_ACTIVATIONS[name](x), atol=1e-6)
    learned = {"prelu": ["slope"], "two_slope": ["positive", "negative"]}
    assert [p.name.split(".")[-1] for p in cell.get_parameters()] == learned.get(name, [])


@pytest.mark.parametrize("config", [PLAIN, FAST], ids=["plain", "fast"])
def test_two_slopes_and_their_gradients(config):
    x, dout = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    cell, axis = ACTIVATIONS["two_slope"](3, config), config.axis
    p, n = random(3, seed=2), random(3, seed=3)
    cell.positive.set_data(Tensor(p))
    cell.negative.set_data(Tensor(n))
    slope = np.where(x > 0, p.reshape(-1, 1, 1), n.reshape(-1, 1, 1))
    np.testing.assert_allclose(run(cell, x, axis), slope * x, rtol=1e-6)

    def inner(x):
        return (to_layout(cell(to_layout(x, axis)), axis) * Tensor(dout)).sum()

    dx, (dp, dn) = ms.grad(inner, 0, [cell.positive, cell.negative])(Tensor(x))
    np.testing.assert_allclose(dx.asnumpy(), dout * slope, rtol=1e-5, atol=1e-6)
    for got, part in ((dp, np.maximum(x, 0)), (dn, np.minimum(x, 0))):
        np.testing.assert_allclose(got.asnumpy(), (dout * part).sum((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_every_activation_is_tested():
    assert {"rprelu", *OTHER_ACTIVATIONS} == ACTIVATIONS.keys()


@pytest.mark.parametrize("backend", ["plain", "fast"])
def test_layer_norm_takes_statistics_of_whole_images(backend):
    x = 1 + 2 * random(3, 4, 5, 6)
    config = layer_config(backend=backend)
    norm = LayerNorm(4, config)
    gamma, beta = random(4, seed=1), random(4, seed=2)
    norm.gamma.set_data(Tensor(gamma))
    norm.beta.set_data(Tensor(beta))
    expected = np.stack([(image - image.mean()) / np.sqrt(image.var() + 1e-5) for image in x])
    expected = expected * gamma.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1)
    np.testing.assert_allclose(run(norm, x, config.axis), expected, atol=1e-5)


@pytest.mark.parametrize("name,there", [
    ("uni", (True, True, True)), ("same_shape", (True, False, False)), ("none", (False, False, False)),
])  # fmt: skip
def test_shortcuts_of_table_5(name, there):
    made = [SHORTCUTS[name](8, out, 1) for out in (8, 16, 4)]
    assert tuple(shortcut is not None for shortcut in made) == there


def shifted(x, offsets, axis):
    """y[c, p] = x[c, p + d(c)], zeros outside, by loops over channels and positions."""
    y = np.zeros_like(x)
    size = x.shape[axis]
    for c, d in enumerate(offsets):
        for p in range(size):
            if 0 <= p + d < size:
                if axis == 2:
                    y[:, c, p] = x[:, c, p + d]
                else:
                    y[:, c, :, p] = x[:, c, :, p + d]
    return y


@pytest.mark.parametrize("backend", ["plain", "fast"])
@pytest.mark.parametrize("axis,number", [("height", 2), ("width", 3)])
def test_shift_moves_each_channel_by_its_offset(axis, number, backend):
    offsets = [0, 1, -1, 2, -2, 0, 1]
    x = random(2, 7, 4, 5)
    cell = Shift(offsets, 2, axis, BACKENDS[backend])
    np.testing.assert_array_equal(run(cell, x, BACKENDS[backend].axis), shifted(x, offsets, number))


def test_offsets_by_hand():
    np.testing.assert_array_equal(cycle_offsets(7), [0, 1, -1, 0, 1, -1, 0])
    # five groups of ceil(12 / 5) = 3; group g reads p - (g - 2)
    np.testing.assert_array_equal(axial_offsets(12), [2, 2, 2, 1, 1, 1, 0, 0, 0, -1, -1, -1])


@pytest.mark.parametrize("groups,order", [(2, (0, 3, 1, 4, 2, 5)), (3, (0, 2, 4, 1, 3, 5))])
@pytest.mark.parametrize("axis", [0, 1])
def test_shuffled_groups_take_turns(axis, groups, order):
    assert shuffled_order(6, groups) == order
    x = random(2, 6, 3, 4)
    shuffled = shuffle_channels(to_layout(Tensor(x), axis), groups, axis)
    np.testing.assert_array_equal(to_layout(shuffled, axis).asnumpy(), x[:, order])


def test_pooling_windows_are_asymmetric():
    """A single bright pixel at position p lights output i iff p is in i's window, per kernel."""
    windows = {2: (0, 1), 3: (0, 2), 5: (-1, 3), 7: (-2, 4)}
    pool = MultiMaxPool()
    for p in range(8):
        x = np.zeros((1, 1, 8, 8), np.float32)
        x[0, 0, p, p] = 4.0
        expected = np.zeros((4, 4))
        for low, high in windows.values():
            lit = [2 * i + low <= p <= 2 * i + high for i in range(4)]
            expected += np.outer(lit, lit)
        np.testing.assert_array_equal(pool(Tensor(x)).asnumpy()[0, 0], expected)


@pytest.mark.parametrize("size", [7, 8, 2, 1])
def test_pooling_of_negative_maps_ignores_the_padding(size):
    x = -1 - np.abs(random(2, 3, size, size))
    expected = sum(reference.max_pool_same(x, k) for k in (2, 3, 5, 7)) / 4
    np.testing.assert_allclose(MultiMaxPool()(Tensor(x)).asnumpy(), expected, rtol=1e-6)


def test_batch_norm_is_the_same_in_both_layouts():
    x = random(4, 3, 5, 2)
    results = []
    for config in (FAST, PLAIN):
        norm = BatchNorm(3, config)
        norm.set_train(True)
        results.append(
            (run(norm, x, config.axis), norm.moving_mean.asnumpy(), norm.moving_variance.asnumpy())
        )
    for first, second in zip(*results):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[0][1], 0.1 * x.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", ["plain", "fast", "fused"])
def test_batch_norm_has_its_own_eps_and_constants(backend):
    """In training and in evaluation: the fused operator has one eps alone. The variance of x is of the size of eps."""
    config, x = layer_config("fp32", backend=backend), 0.03 * random(4, 3, 5, 2)
    norm = BatchNorm(3, config, eps=1e-3, scale=False)
    assert [p.name for p in norm.trainable_params()] == ["beta"]
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    norm.set_train(True)
    np.testing.assert_allclose(
        run(norm, x, config.axis), (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-5
    )
    norm.moving_variance.set_data(Tensor(np.full(3, 2e-3, np.float32)))
    norm.moving_mean.set_data(Tensor(np.zeros(3, np.float32)))
    norm.set_train(False)
    np.testing.assert_allclose(run(norm, x, config.axis), x / np.sqrt(3e-3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["plain", "fast"])
def test_synchronized_batch_norm_of_one_worker_is_batch_norm(backend):
    """Output, gradients, running statistics after two steps, and evaluation; of several workers: tests/faults."""
    ms.set_context(mode=ms.GRAPH_MODE)
    x, factors = random(4, 3, 5, 2), Tensor(random(4, 3, 5, 2, seed=1))
    found = []
    for sync in (False, True):
        config = layer_config("fp32", backend=backend, sync_bn=sync)
        norm = BatchNorm(3, config)
        norm.gamma.set_data(Tensor(np.array([0.5, 1, 2], np.float32)))
        norm.set_train(True)

        class Loss(nn.Cell):
            def __init__(self, norm, axis):
                super().__init__()
                self.norm, self.axis = norm, axis

            def construct(self, x):
                return (to_layout(self.norm(to_layout(x, self.axis)), self.axis) * factors).sum()

        step = ms.value_and_grad(Loss(norm, config.axis), 0, list(norm.trainable_params()))
        value, (dx, dweights) = step(Tensor(x + 3))
        step(Tensor(x))
        norm.set_train(False)
        y = run(norm, x, config.axis)
        tensors = (value, dx, *dweights, norm.moving_mean, norm.moving_variance)
        found.append([t.asnumpy() for t in tensors] + [y])
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
