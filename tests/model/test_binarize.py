"""sign, its gradients, RSign and the weight scale against closed forms."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.model.config import layer_config
from src.model.layers.binarize import BinarizeActivation, BinarizeShifted
from src.model.layers.gradients import GRADIENTS, sign
from src.model.layers.quantizers import weight_scale

POINTS = np.array([-2, -1, -0.75, -0.25, -1e-45, -0.0, 0.0, 1e-45, 0.25, 0.75, 1, 2, np.nan], np.float32)


def test_sign_is_one_above_zero_and_minus_one_elsewhere(mode):
    expected = [-1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, -1]
    np.testing.assert_array_equal(sign(Tensor(POINTS)).asnumpy(), expected)


CLOSED_FORMS = {
    "ste": lambda x, d: d * (np.abs(x) <= 1),
    "ste_quicknet": lambda x, d: d * (np.abs(x) <= 1.25),
    "ste_meliusnet": lambda x, d: d * (np.abs(x) <= 1.3),
    "approx_sign": lambda x, d: (
        d * np.where((x >= -1) & (x < 0), 2 + 2 * x, np.where((x >= 0) & (x < 1), 2 - 2 * x, 0))
    ),
    "clip_grad": lambda x, d: np.clip(d, -1, 1),
    "dorefa": lambda x, d: d * ((x >= 0) & (x <= 1)),
    # s tanh(k x) with s tanh(k) = 1 and tanh(k) = 0.8
    "dsq": lambda x, d: (
        d * np.where(np.abs(x) <= 1, np.arctanh(0.8) / 0.8 * (1 - np.tanh(np.arctanh(0.8) * x) ** 2), 0)
    ),
    # by the logistic function s, of 2 s(5x) (1 + 5x (1 - s(5x))) - 1
    "swish_sign": lambda x, d: d * derivative_of_swish_sign(x.astype(np.float64)),
}


def derivative_of_swish_sign(x):
    """From its definition, by central differences in double precision."""

    def swish_sign(x):
        s = 1 / (1 + np.exp(-5 * x))
        return 2 * s * (1 + 5 * x * (1 - s)) - 1

    return (swish_sign(x + 1e-5) - swish_sign(x - 1e-5)) / 2e-5


def test_every_gradient_has_its_closed_form_here():
    assert CLOSED_FORMS.keys() == GRADIENTS.keys()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("gradient", CLOSED_FORMS)
def test_gradient_of_sign_is_its_closed_form(gradient, axis):
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1.2, (3, 4, 5, 2)).astype(np.float32)
    b = rng.normal(0, 0.3, x.shape[axis]).astype(np.float32)
    dout = rng.normal(0, 1.5, x.shape).astype(np.float32)
    cell = BinarizeShifted(sign, gradient, axis)
    dx, db = _vjp(cell, x, b, dout)
    shift = b.reshape((1, -1, 1, 1) if axis else (-1, 1, 1, 1))
    expected = CLOSED_FORMS[gradient](x + shift, dout)
    np.testing.assert_allclose(dx, expected, atol=1e-5)
    np.testing.assert_allclose(db, expected.sum((1 - axis, 2, 3)), atol=1e-4)


def test_gradients_stay_finite_far_from_zero():
    x = np.array([-1e4, -20.0, 20.0, 1e4], np.float32)
    for gradient, function in GRADIENTS.items():
        assert np.isfinite(function(Tensor(x), Tensor(np.ones(4, np.float32))).asnumpy()).all(), gradient


def _vjp(cell, x, b, dout):
    def inner(x, b, dout):
        return (cell(x, b) * dout).sum()

    return [g.asnumpy() for g in ms.grad(inner, (0, 1))(Tensor(x), Tensor(b), Tensor(dout))]


@pytest.mark.parametrize("shape", [(5, 3, 1, 1), (4, 1, 1, 7), (4, 2, 7, 1)])
def test_scale_is_one_number_per_output_channel_over_the_whole_filter(shape):
    w = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    scale = weight_scale(Tensor(w)).asnumpy()
    assert scale.shape == shape[:1]
    np.testing.assert_allclose(scale, [np.abs(f).sum() / f.size for f in w], rtol=1e-6)


def test_scale_is_a_constant_in_the_backward_pass():
    w = Tensor(np.random.default_rng(3).normal(size=(2, 3, 1, 1)).astype(np.float32))

    def total(w):
        return (weight_scale(w) * 2.0).sum()

    assert not ms.grad(total)(w).asnumpy().any()


def test_rsign_shifts_each_channel_before_the_sign():
    cell = BinarizeActivation(2, layer_config(backend="plain"))
    assert cell.bias.shape == (2,) and not cell.bias.asnumpy().any()
    cell.bias.set_data(Tensor(np.array([0.5, -0.5], np.float32)))
    x = np.array([-0.5, -0.4, 0.5, 0.6], np.float32).reshape(1, 1, 1, 4).repeat(2, axis=1)
    np.testing.assert_array_equal(cell(Tensor(x)).asnumpy()[0, :, 0], [[-1, 1, 1, 1], [-1, -1, -1, 1]])
