"""CycleMLP and AS-MLP: their published sizes, their token mixing against NumPy, training, their backends and precisions."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.model import create_model
from src.model.config import layer_config
from src.model.networks.asmlp import AxialShift
from src.model.networks.cyclemlp import CycleFC
from tests.model.conftest import copy_parameters, images, scramble

pytestmark = pytest.mark.usefixtures("pynative")
SMALL = {
    "cyclemlp_b1": {"widths": (8, 16), "depths": (1, 1)},
    "asmlp_t": {"widths": (10, 15), "depths": (1, 1)},
}


@pytest.mark.parametrize("name,millions", [("cyclemlp_b1", 15.2), ("asmlp_t", 28.3)])
def test_parameters_are_the_published_ones(name, millions):
    """CycleMLP's Table 1 has 15 M, AS-MLP's 28 M; here to a digit more, from the layers."""
    count = sum(p.size for p in create_model(name, precision="fp32").trainable_params())
    assert round(count / 1e6, 1) == millions


def shifted(x, offsets, axis):
    """y[.., c, p] = x[.., c, p + offsets[c]] along an axis, 0 outside."""
    y = np.zeros_like(x)
    size = x.shape[axis]
    for channel, offset in enumerate(offsets):
        for p in range(size):
            if 0 <= p + offset < size:
                target = [slice(None), channel, slice(None), slice(None)]
                source = list(target)
                target[axis], source[axis] = p, p + offset
                y[tuple(target)] = x[tuple(source)]
    return y


def fc(cell, x):
    """An FC over channels with bias."""
    y = np.einsum("oc,bchw->bohw", cell.weight.asnumpy()[:, :, 0, 0], x)
    return y + cell.bias.asnumpy().reshape(1, -1, 1, 1)


@pytest.mark.parametrize("axis,index", [("width", 3), ("height", 2)])
def test_cycle_fc_reads_channels_at_0_1_and_minus_1(axis, index):
    cell = scramble(CycleFC(7, axis, layer_config("fp32", backend="plain")))
    x = np.random.default_rng(0).normal(size=(2, 7, 4, 5)).astype(np.float32)
    expected = fc(cell.fc, shifted(x, (0, 1, -1, 0, 1, -1, 0), index))
    np.testing.assert_allclose(cell(Tensor(x)).asnumpy(), expected, atol=1e-5)


def test_axial_shift_computes_its_formula():
    cell = scramble(AxialShift(7, layer_config("fp32", backend="plain", norm="layer", activation="relu")))
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 5)).astype(np.float32)

    def norm(cell, x):
        mean, std = x.mean((1, 2, 3), keepdims=True), np.sqrt(x.var((1, 2, 3), keepdims=True) + 1e-5)
        gamma, beta = (p.asnumpy().reshape(1, -1, 1, 1) for p in (cell.gamma, cell.beta))
        return (x - mean) / std * gamma + beta

    t = np.maximum(norm(cell.norm1, fc(cell.fc1, x)), 0)
    offsets = (2, 2, 1, 1, 0, 0, -1)  # groups of ceil(7 / 5) channels
    parts = [
        np.maximum(fc(branch[1], shifted(t, offsets, axis)), 0)
        for branch, axis in ((cell.width, 3), (cell.height, 2))
    ]
    expected = fc(cell.fc2, norm(cell.norm2, sum(parts)))
    np.testing.assert_allclose(cell(Tensor(x)).asnumpy(), expected, atol=2e-5)


@pytest.mark.parametrize("precision", ["fp32", "binary_act", "binary"])
@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient_and_backends_agree(name, precision):
    plain, fast = (
        create_model(name, 10, precision, backend=each, **SMALL[name]).set_train(False)
        for each in ("plain", "fast")
    )
    copy_parameters(scramble(plain), fast)
    x = Tensor(images(16, 32))
    np.testing.assert_allclose(fast(x).asnumpy(), plain(x).asnumpy(), rtol=1e-3, atol=2e-3)
    labels = Tensor(np.arange(16, dtype=np.int32) % 10)
    parameters = fast.trainable_params()
    gradients = ms.grad(lambda x: ops.cross_entropy(fast(x), labels), None, parameters)(x)
    assert not [p.name for p, g in zip(parameters, gradients) if not np.abs(g.asnumpy()).sum() > 0]
