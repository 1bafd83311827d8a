"""Each binarization method against its formulas (section 2.1, Table 7), in numpy."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.model import create_model
from src.model.config import layer_config
from src.model.layers.binarize import BinarizeActivation, BinarizeWeight
from src.model.layers.conv import BinaryConv2d, local_fc
from src.model.layers.layout import to_layout
from src.model.layers.quantizers import QUANTIZERS
from tests.model.test_binarize import CLOSED_FORMS


def gradient(cell, x, dout):
    """Of sum(dout cell(x)) by x."""

    def inner(x):
        return (cell(x) * Tensor(dout)).sum()

    return ms.grad(inner)(Tensor(x)).asnumpy()


def scale_per_filter(w):
    return np.abs(w).reshape(len(w), -1).mean(1)


def shaped(alpha):
    return alpha.reshape(-1, 1, 1, 1)


def centred(w):
    return w - w.mean(1, keepdims=True) if w.shape[1] > 1 else w


def signs(w):
    return np.where(w > 0, 1.0, -1.0)


def upper_half(w):
    """+1 for the upper half of each filter's weights by rank, the larger half of an odd number."""
    flat = w.reshape(len(w), -1)
    ranks = flat.argsort(1).argsort(1)
    return np.where(ranks >= flat.shape[1] // 2, 1.0, -1.0).reshape(w.shape)


def equal_scale(w):
    return np.sqrt(2 / np.prod(w.shape[1:]))


def inside(w, bound=1):
    return np.abs(w) <= bound


# w -> (signs, alpha), (w, gradient of w_b = alpha sign) -> gradient of w
FORMULAS = {
    "bimlp": (
        lambda w: (signs(w), scale_per_filter(w)),
        lambda w, d: shaped(scale_per_filter(w)) * d * inside(w),
    ),
    "sign": (lambda w: (signs(w), np.ones(len(w))), lambda w, d: d * inside(w)),
    "xnor": (
        lambda w: (signs(centred(w)), scale_per_filter(np.clip(centred(w), -1, 1))),
        lambda w, d: shaped(scale_per_filter(np.clip(centred(w), -1, 1))) * d * inside(centred(w)),
    ),
    "dorefa": (lambda w: (signs(w), np.full(len(w), np.abs(w).mean())), lambda w, d: d),
    "reactnet": (lambda w: (signs(w), scale_per_filter(w)), lambda w, d: d * inside(w)),
    "bireal": (lambda w: (signs(w), scale_per_filter(w)), lambda w, d: d * inside(w)),
    "uad": (
        lambda w: (signs(w), scale_per_filter(w)),
        lambda w, d: shaped(scale_per_filter(w)) * d * inside(w),
    ),
    "bihalf": (
        lambda w: (upper_half(w), np.full(len(w), equal_scale(w))),
        lambda w, d: d * equal_scale(w),
    ),
    "meliusnet": (lambda w: (signs(w), np.ones(len(w))), lambda w, d: d * inside(w, 1.3)),
    "quicknet": (lambda w: (signs(w), np.ones(len(w))), lambda w, d: d * inside(w, 1.25)),
    "dsq": (lambda w: (signs(w), np.ones(len(w))), CLOSED_FORMS["dsq"]),
    "bnn_plus": (lambda w: (signs(w), np.ones(len(w))), CLOSED_FORMS["swish_sign"]),
}
LAYERS = {
    "fc": lambda config: BinaryConv2d(6, 4, 1, config=config),
    "depth-wise": lambda config: local_fc(5, 5, "width", config),
    "grouped": lambda config: local_fc(8, 4, "height", config),
}


WITH_CELLS = {"abc", "rbnn", "rbnn_reference", "recu", "fda", "irnet", "lcr"}  # in test_quantizer_golden.py


def test_every_method_has_its_formula_here():
    assert FORMULAS.keys() | WITH_CELLS | {"adabin"} == QUANTIZERS.keys()  # adabin: in test_adabin.py


@pytest.mark.parametrize("backend", ["plain", "fast"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", FORMULAS)
def test_weights_and_their_gradient_are_the_formula(name, layer, backend):
    """The layer is linear in w_b: fed with ones it gives sums of w_b, whose gradient under w_b is that of a real layer."""
    config = layer_config(quantizer=name, backend=backend)
    cell = LAYERS[layer](config)
    rng = np.random.default_rng(4)
    w = rng.normal(0, 0.8, cell.weight.shape).astype(np.float32)
    cell.weight.set_data(Tensor(w))
    operand, alpha = FORMULAS[name][0](w.astype(np.float64))
    np.testing.assert_array_equal(cell.weight_quantizer(cell.weight).asnumpy(), operand)
    np.testing.assert_allclose(cell.scale().asnumpy(), alpha, rtol=1e-5)
    dout = rng.normal(size=w.shape).astype(np.float32)  # of sign(c), that is alpha times that of w_b
    sign = BinarizeWeight(config.quantization.quantizer)
    found = gradient(sign, w, dout)
    np.testing.assert_allclose(found, FORMULAS[name][1](w, dout / shaped(alpha)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_scale_stays_outside_of_an_integer_sum(name):
    config = layer_config(quantizer=name, backend="fast")
    cell = BinaryConv2d(33, 5, 1, config=config)
    x = np.random.default_rng(5).normal(0.3, 0.6, (2, 33, 3, 4)).astype(np.float32)
    values = (x > 0.5) * 1.0 if name == "dorefa" else signs(x - 0.1 * (name == "uad"))
    total = to_layout(cell.accumulate(to_layout(Tensor(x), config.axis)), config.axis).asnumpy()
    operand, alpha = FORMULAS[name][0](cell.weight.asnumpy())
    np.testing.assert_array_equal(total, np.einsum("bchw,oc->bohw", values, operand[:, :, 0, 0]))
    y = to_layout(cell(to_layout(Tensor(x), config.axis)), config.axis).asnumpy()
    np.testing.assert_allclose(y, total * alpha.reshape(1, -1, 1, 1), rtol=1e-5)


@pytest.mark.parametrize("name,closed_form", [
    ("bimlp", "ste"), ("sign", "ste"), ("xnor", "ste"), ("reactnet", "approx_sign"),
    ("dsq", "dsq"), ("bnn_plus", "swish_sign"), ("dorefa", "dorefa"), ("bireal", "approx_sign"), ("bihalf", "ste"),
])  # fmt: skip
def test_activations_have_the_methods_gradient(name, closed_form):
    cell = BinarizeActivation(3, layer_config(quantizer=name, backend="plain"))
    x = np.random.default_rng(6).normal(0, 1, (2, 3, 4, 5)).astype(np.float32)
    d = np.random.default_rng(7).normal(0, 1, x.shape).astype(np.float32)
    np.testing.assert_allclose(gradient(cell, x, d), CLOSED_FORMS[closed_form](x, d), atol=1e-5)
    assert bool(cell.trainable_params()) == (name in ("bimlp", "reactnet"))


def test_uad_shifts_every_sign_by_one_threshold():
    cell = BinarizeActivation(3, layer_config(quantizer="uad", backend="plain"))
    x = np.random.default_rng(6).normal(0, 1, (2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(cell(Tensor(x)).asnumpy(), signs(x - np.float32(0.1)))
    np.testing.assert_array_equal(gradient(cell, x, x), x * inside(x - np.float32(0.1)))
    network = create_model(
        "wave_mlp_nano", 10, quantizer="uad", activation_threshold=-0.25, widths=(8,), depths=(1,)
    )
    cells = [cell for _, cell in network.cells_and_names() if isinstance(cell, BinarizeActivation)]
    assert len(cells) > 5 and {float(cell.bias[0]) for cell in cells} == {0.25}


@pytest.mark.parametrize("quantizer,value,expected", [
    ("sign", 0.1, "expected auto with quantizer sign, got 0.1"),
    ("uad", "0.1", "expected a number or auto, got '0.1'"),
])  # fmt: skip
def test_other_thresholds_are_refused(quantizer, value, expected):
    with pytest.raises(ValueError, match=f"activation_threshold: {expected}"):
        layer_config(quantizer=quantizer, activation_threshold=value)


@pytest.mark.parametrize("name", ["bimlp", "sign", "xnor", "reactnet", "bireal", "uad", "bihalf"])
@pytest.mark.parametrize("choice", ["ste", "approx_sign", "clip_grad"])
def test_gradient_of_activations_can_be_chosen(name, choice):
    assert layer_config(quantizer=name, activation_gradient=choice).quantization.gradient == choice


@pytest.mark.parametrize("name", ["dorefa", "dsq", "bnn_plus", *sorted(WITH_CELLS)])
def test_methods_that_are_their_gradient_refuse_another(name):
    with pytest.raises(
        ValueError, match=f"expected auto with quantizer {name}, whose gradient is fixed, got 'ste'"
    ):
        layer_config(quantizer=name, activation_gradient="ste")


@pytest.mark.parametrize("name", QUANTIZERS)
def test_a_layer_of_zeros_has_no_infinite_gradient(name, pynative):
    zeros = np.zeros((2, 3, 1, 1), np.float32)
    sign = QUANTIZERS[name].weight(zeros.shape, layer_config(quantizer=name, backend="plain"))
    assert np.isfinite(
        gradient(lambda w: sign(w) * sign.scale(w).reshape(-1, 1, 1, 1), zeros, zeros + 1)
    ).all()


@pytest.mark.parametrize("name", ["recu", "rbnn"])
def test_a_sample_of_zeros_has_no_infinite_gradient(name):
    zeros = np.zeros((2, 3, 1, 1), np.float32)
    cell = QUANTIZERS[name].activation(3, layer_config(quantizer=name, backend="plain")).set_train(True)
    assert np.isfinite(gradient(cell, zeros, zeros + 1)).all()
