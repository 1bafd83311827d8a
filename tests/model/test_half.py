"""model.compute_type=float16: what is in half precision and what is not. MindSpore's CPU has no half convolutions, so
these compute in float32 here, on operands and results rounded to float16."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.learn.loss import cross_entropy
from src.learn.optimizer import AdamW
from src.model import binary_layers, create_model
from src.model.config import layer_config
from src.model.layers.conv import BinaryConv2d, Conv2d

EXACT = 2048  # all integers up to it are float16 numbers


def summed(signs):
    """The sum of +1 and -1 one by one in float16."""
    total = np.float16(0)
    for sign in signs:
        total = np.float16(total + np.float16(sign))
    return total


def test_sums_of_2048_signs_are_exact_in_float16_and_of_more_are_not():
    chance = np.random.default_rng(0)
    for signs in (np.ones(EXACT), -np.ones(EXACT), chance.choice([-1, 1], EXACT)):
        assert summed(signs) == signs.sum()
    assert summed(np.ones(EXACT + 1)) == EXACT != EXACT + 1
    assert np.float16(EXACT + 1) != EXACT + 1  # no order of adding helps


def test_no_sum_of_the_papers_networks_has_more_terms():
    """Those of the second layers of the last stage's channel MLPs, over 4 x 512 channels, have as many."""
    for name in ("bimlp_s", "wave_mlp_t"):  # bimlp_m is deeper, and as wide
        layers = binary_layers(create_model(name, 10, "binary"))
        assert max(layer.weight.size // layer.weight.shape[0] for _, layer in layers) == EXACT


class Rounded(nn.Cell):
    """A convolution in float16: it notes the types of its operands."""

    def __init__(self, linear, types):
        super().__init__()
        self.linear, self.types = linear, types

    def construct(self, x, weight):
        self.types += [x.dtype, weight.dtype]
        return ops.cast(self.linear(ops.cast(x, ms.float32), ops.cast(weight, ms.float32)), ms.float16)


def test_the_scale_follows_the_sum_in_float32(pynative):
    """Sums of 2048 signs times alpha, to the bit of float32."""
    config = layer_config(backend="plain", compute_type="float16")
    layer, types = BinaryConv2d(EXACT, 3, 1, config=config), []
    layer.conv = Rounded(layer.conv, types)
    x = np.random.default_rng(0).normal(size=(2, EXACT, 1, 2)).astype(np.float32)
    found = layer(Tensor(x)).asnumpy()
    signs, weights = np.where(x > 0, 1, -1), np.where(layer.weight.asnumpy()[..., 0, 0] > 0, 1, -1)
    sums = np.einsum("bchw,oc->bohw", signs, weights).astype(np.float32)
    alpha = layer.scale().asnumpy()
    assert types == [ms.float16, ms.float16] and found.dtype == alpha.dtype == np.float32
    np.testing.assert_array_equal(found, sums * alpha[:, None, None])


def half_network(types, norms):
    """A small network whose convolutions and norms note the types of what they get."""
    small = {"widths": (8,), "depths": (1,), "stem": (3, 2, 1), "backend": "plain", "compute_type": "float16"}
    network = create_model("bimlp_t", 10, "binary", **small)
    for _, cell in list(network.cells_and_names()):
        if isinstance(cell, BinaryConv2d):
            cell.conv = Rounded(cell.conv, types)
        elif isinstance(cell, Conv2d):
            cell.conv.conv = Rounded(cell.conv.conv, types)
        if isinstance(cell, nn.BatchNorm2d):
            cell.register_forward_pre_hook(lambda cell, inputs: norms.append(inputs[0].dtype))
    return network


def test_norms_loss_gradients_and_optimizer_are_in_float32(pynative):
    types, norms = [], []
    network = half_network(types, norms)
    images = Tensor(np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32))
    labels = Tensor(np.eye(10, dtype=np.float32)[:2])
    parameters = network.trainable_params()
    step = ms.value_and_grad(lambda: cross_entropy(network(images), labels), None, parameters)
    loss, gradients = step()
    optimizer = AdamW(parameters, (0.9, 0.999), 1e-8, 0.05, False, 5.0, fused=False)
    assert set(types) == {ms.float16} and len(types) == 2 * (1 + len(binary_layers(network)))
    assert set(norms) == {ms.float32} and len(norms) > 10
    held = (loss, *gradients, *network.get_parameters(), *optimizer.state().values())
    assert {each.dtype for each in held} == {ms.float32}
    assert np.isfinite(loss.asnumpy()) and any((g.asnumpy() != 0).any() for g in gradients)
