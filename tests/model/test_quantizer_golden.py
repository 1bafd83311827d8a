"""Values and gradients of quantizers against those that other implementations computed, in tests/golden/quantizers.npz.

There sign(0) is 0, or +1 in larq's, here -1: zeros are left out of the values.
"""

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.model.config import layer_config
from src.model.layers.layout import CNHW
from src.model.layers.quantizers import QUANTIZERS
from src.model.layers.quantizers.abc import ABCNet
from src.model.layers.quantizers.fda import strength_of, terms_of
from src.model.layers.quantizers.irnet import STEEPNESS
from src.model.layers.quantizers.rbnn import STEEPNESS as RBNN_STEEPNESS
from src.model.layers.quantizers.recu import tau_of

GOLDEN = dict(np.load(Path(__file__).parents[1] / "golden" / "quantizers.npz"))
ROTATION = {
    "rotation1": GOLDEN["rbnn/state_R1"],
    "rotation2": GOLDEN["rbnn/state_R2"],
    "angle": GOLDEN["rbnn/state_rotate"],
}
NOISE = {
    "weight1": GOLDEN["fda_noise_n9/state_weight_noise_fc1"],
    "weight2": GOLDEN["fda_noise_n9/state_weight_noise_fc2"],
}
ACTIVATION_NOISE = {
    "weight1": GOLDEN["fda_noise_n9/state_act_noise_fc1"],
    "weight2": GOLDEN["fda_noise_n9/state_act_noise_fc2"],
}


@pytest.fixture(autouse=True)
def eagerly(pynative):
    """Nothing is compiled."""


def fill(cell, values):
    """The cell with some of its parameters set, by the ends of their names; learned scales are 1."""
    for p in cell.get_parameters():
        if p.name.endswith("alpha"):
            p.set_data(Tensor(np.ones(p.shape, np.float32)))
        for name, value in values.items():
            if p.name.endswith(name):
                p.set_data(Tensor(np.asarray(value, np.float32).reshape(p.shape)))
    return cell


def weight_cell(quantizer, values, scaled=True):
    """(weight Cell with a state, function w -> w_b)."""
    row = QUANTIZERS[quantizer] if isinstance(quantizer, str) else quantizer
    cell = fill(row.weight((4, 6, 3, 3), layer_config(backend="plain")), values).set_train(True)
    return cell, lambda w: cell(w) * cell.scale(w).reshape(-1, 1, 1, 1) if scaled else cell(w)


def derivative(function, x, upstream):
    """Value of a function and the gradient of sum(upstream function(x)) by x."""

    def inner(x):
        y = function(x)
        return (y * Tensor(upstream)).sum(), y

    (_, y), dx = ms.value_and_grad(inner, 0, None, has_aux=True)(Tensor(x))
    return y.asnumpy(), dx.asnumpy()


# name in the file, quantizer, states of the weight Cell, whether w_b has the scale
WEIGHTS = [
    ("bireal", "bireal", {}, True),
    ("reactnet", "reactnet", {}, True),
    ("dorefa_pytorch", "dorefa", {}, True),
    ("abc_M1", "abc", {}, True),
    ("irnet_t0.1", "irnet", {"t": 0.1}, True),
    ("irnet_t0.5", "irnet", {"t": 0.5}, True),
    ("irnet_t3.0", "lcr", {"t": 3.0}, True),
    ("rbnn_t0.05_noupdate", "rbnn_reference", {"t": 0.05, **ROTATION}, True),
    ("rbnn_t2_noupdate", "rbnn_reference", {"t": 2.0, **ROTATION}, True),
    ("recu_tau0.85_train", "recu", {"tau": 0.85}, True),
    ("recu_tau0.99_train", "recu", {"tau": 0.99}, True),
    ("fda_signonly_n9", "fda", {"n": 9, "strength": 0}, False),
    ("fda_signonly_n18", "fda", {"n": 18, "strength": 0}, False),
    ("bihalf", "bihalf", {}, True),
    ("larq_ste_sign_1p25", "quicknet", {}, True),
    ("larq_ste_sign_1p3", "meliusnet", {}, True),
]


@pytest.mark.parametrize("key,quantizer,values,scaled", WEIGHTS, ids=[case[0] for case in WEIGHTS])
def test_weights_and_their_gradient(key, quantizer, values, scaled):
    w, u = GOLDEN["in/w"], GOLDEN["in/u"]
    found, gradient = derivative(weight_cell(quantizer, values, scaled)[1], w, u)
    expected = GOLDEN[f"{key}/w_b"]
    known = (w != 0) & (expected != 0)
    assert known.sum() >= known.size - 1
    np.testing.assert_allclose(found[known], expected[known], rtol=2e-6)
    expected = GOLDEN[f"{key}/dw"]
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


def test_noise_of_fda_on_weights():
    cell, function = weight_cell("fda", {"n": 9, "strength": 0.1})
    cell.sign.noise = type(cell.sign.noise)(54, 13)
    fill(cell, NOISE)
    w = GOLDEN["in/w"].copy()
    found, gradient = derivative(function, w, GOLDEN["in/u"])
    known = w != 0
    np.testing.assert_allclose(found[known], GOLDEN["fda_noise_n9/w_b"][known], rtol=0, atol=2e-6)
    np.testing.assert_allclose(gradient, GOLDEN["fda_noise_n9/dw"], rtol=0, atol=1e-5)
    signs = np.where(w > 0, 1.0, -1.0)
    np.testing.assert_array_equal(cell.set_train(False)(Tensor(w)).asnumpy(), signs)


# name in the file, quantizer, states of the activation Cell, in training, numbers left out of the gradient
ACTIVATIONS = [
    ("bireal", "bireal", {}, True, None),
    ("reactnet", "reactnet", {"bias": GOLDEN["reactnet/state_shift"]}, True, None),
    ("irnet_t0.1", "irnet", {"t": 0.1}, True, None),
    ("irnet_t3.0", "irnet", {"t": 3.0}, True, None),
    ("rbnn_t0.05_noupdate", "rbnn", {"t": 0.05}, True, None),
    ("rbnn_t2_noupdate", "rbnn", {"t": 2.0}, False, None),
    ("recu_tau0.85_train", "recu", {}, True, None),
    ("recu_tau0.85_eval", "recu", {}, False, None),
    ("fda_signonly_n9", "fda", {"n": 9, "strength": 0}, True, None),
    ("fda_signonly_n18", "fda", {"n": 18, "strength": 0}, True, None),
    ("fda_noise_n9", "fda", {"n": 9, "strength": 0.1, **ACTIVATION_NOISE}, True, None),
    ("bihalf", "bihalf", {}, True, 1.0),  # there the window is open
    ("larq_ste_sign_1p25", "quicknet", {}, True, None),
    ("larq_ste_sign_1p3", "meliusnet", {}, True, None),
]


@pytest.mark.parametrize("backend", ["plain", "fast"])
@pytest.mark.parametrize("key,quantizer,values,training,border", ACTIVATIONS, ids=[a[0] for a in ACTIVATIONS])
def test_activations_and_their_gradient(key, quantizer, values, training, border, backend):
    config = layer_config(quantizer=quantizer, backend=backend)
    swap = (1, 0, 2, 3) if config.axis == CNHW else (0, 1, 2, 3)
    cell = fill(QUANTIZERS[quantizer].activation(6, config), values).set_train(training)
    x, v = GOLDEN["in/x"], GOLDEN["in/v"]
    found, gradient = (
        a.transpose(swap) for a in derivative(cell, x.transpose(swap).copy(), v.transpose(swap).copy())
    )
    expected = GOLDEN[f"{key}/x_b"]
    known = (x != 0) & (expected != 0)
    np.testing.assert_allclose(found[known], expected[known], rtol=0, atol=2e-6)
    expected, known = GOLDEN[f"{key}/dx"], np.abs(x) != border
    np.testing.assert_allclose(gradient[known], expected[known], rtol=0, atol=3e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["rbnn", "rbnn_reference"])
def test_angles_of_rbnn_get_their_gradient(name):
    cell, function = weight_cell(name, {"t": 0.05, **ROTATION})
    w, u = Tensor(GOLDEN["in/w"]), Tensor(GOLDEN["in/u"])
    (found,) = ms.grad(lambda: (function(w) * u).sum(), None, [cell.angle])()
    expected = GOLDEN["rbnn_t0.05_noupdate/drotate"].ravel()
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-4)


def test_the_gradient_of_rbnn_goes_straight_through_the_weights():
    """That of the authors' code has the factor 1 - |sin(r)| for each filter."""
    w, u = GOLDEN["in/w"], GOLDEN["in/u"]
    found = derivative(weight_cell("rbnn", {"t": 0.05, **ROTATION})[1], w, u)[1]
    reference = GOLDEN["rbnn_t0.05_noupdate/dw"]
    factor = 1 - np.abs(np.sin(GOLDEN["rbnn/state_rotate"]))
    np.testing.assert_allclose(found * factor, reference, rtol=0, atol=3e-6 * np.abs(reference).max())


def test_rotations_move_as_in_the_reference():
    cell, _ = weight_cell("rbnn", {"t": 0.05, **ROTATION})
    state = dict((p.name, value) for p, value in cell.epoch_state(0, 10, GOLDEN["in/w"]))
    for name, key in (("rotation1", "R1"), ("rotation2", "R2")):
        np.testing.assert_allclose(state[name], GOLDEN[f"rbnn_t0.05_update/state_{key}_after"], atol=2e-6)
        np.testing.assert_allclose(state[name] @ state[name].T, np.eye(len(state[name])), atol=1e-6)


@pytest.mark.parametrize("bases", [1, 3, 5])
def test_weight_bases_of_abc(bases):
    cell, function = weight_cell(type("Abc", (ABCNet,), {"weight_bases": bases}), {})
    b, alpha = (each.asnumpy() for each in cell.parts(Tensor(GOLDEN["in/w"])))
    np.testing.assert_array_equal(b.reshape(bases, 4, 6, 3, 3), GOLDEN[f"abc_M{bases}/B"])
    np.testing.assert_allclose(alpha, GOLDEN[f"abc_M{bases}/alpha"], rtol=2e-5)
    found, gradient = derivative(function, GOLDEN["in/w"], GOLDEN["in/u"])
    np.testing.assert_allclose(found, GOLDEN[f"abc_M{bases}/w_b"], atol=1e-5)
    np.testing.assert_allclose(gradient, GOLDEN[f"abc_M{bases}/dw"], rtol=2e-5)


def test_activation_bases_of_abc():
    row = type("Abc", (ABCNet,), {"activation_bases": 3})
    beta = np.array([0.5, -0.25, 1.5], np.float32)
    cell = fill(
        row.activation(6, layer_config(backend="plain")),
        {"shift": GOLDEN["abc_act/state_shift"], "beta": beta},
    )
    found, gradient = derivative(cell, GOLDEN["in/x"], GOLDEN["in/v"])
    np.testing.assert_allclose(found, np.tensordot(beta, GOLDEN["abc_act/A"], 1), atol=1e-6)
    expected = np.tensordot(beta, GOLDEN["abc_act/dx_per_shift"], 1)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


SCHEDULES = [
    ("schedule/irnet_adabin_t_total120", STEEPNESS),
    ("schedule/rbnn_t_total120", RBNN_STEEPNESS),
    ("schedule/recu_tau_total120", tau_of),
    ("fda/schedule_alpha_of_epoch_total100", strength_of),
    ("fda/schedule_n_of_epoch_total100", terms_of),
]


@pytest.mark.parametrize("key,schedule", SCHEDULES, ids=[key for key, _ in SCHEDULES])
def test_schedules(key, schedule):
    expected = GOLDEN[key]
    found = [schedule(epoch, len(expected)) for epoch in range(len(expected))]
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)
