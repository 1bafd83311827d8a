"""Freezing: exact weights, constant scales, the same logits to the last bit."""

import mindspore as ms
import numpy as np
import pytest

from src.deploy.freeze import freeze
from src.model import binary_layers
from src.model.layers.quantizers import QUANTIZERS
from src.model.networks.released import BatchNorm, Block, scaled_sign


def values(network):
    return {parameter.name: parameter.asnumpy().copy() for parameter in network.get_parameters()}


def test_weights_become_signs_and_scales_one_number_per_output_channel(tiny):
    network = tiny()
    names = [name for name, _ in binary_layers(network)]
    before = values(network)
    count = freeze(network)
    after = values(network)
    assert count == len(names) == 14
    for name in names:
        latent, scale = before[f"{name}.weight"], after[f"{name}.scale"]
        np.testing.assert_array_equal(after[f"{name}.weight"], np.where(latent > 0, 1, -1))
        assert scale.shape == (1, latent.shape[0], 1, 1)
        expected = np.abs(latent).reshape(latent.shape[0], -1).mean(axis=1)
        np.testing.assert_allclose(scale.ravel(), expected, rtol=1e-6)


def test_all_other_parameters_keep_name_and_value(tiny):
    network = tiny()
    weights = {f"{name}.weight" for name, _ in binary_layers(network)}
    before = values(network)
    freeze(network)
    after = values(network)
    assert set(before) == {name for name in after if not name.endswith(".scale")}
    for name in set(before) - weights:
        np.testing.assert_array_equal(after[name], before[name])


def test_logits_are_the_same_to_the_last_bit(tiny, images, logits):
    network, x = tiny(), images(2)
    expected = logits(network, x)
    freeze(network)
    np.testing.assert_array_equal(logits(network, x), expected)


@pytest.mark.parametrize(
    "name,quantizer",
    [*(("bimlp_t", name) for name in QUANTIZERS), ("wave_mlp_nano", "xnor"), ("wave_mlp_nano", "uad")],
)
def test_every_quantizer_freezes_to_signs_and_the_same_logits(name, quantizer, tiny, images, logits):
    network = tiny(name, quantizer=quantizer)
    names, x = [each for each, _ in binary_layers(network)], images(2)
    expected = logits(network, x)
    assert freeze(network) == len(names) > 0
    np.testing.assert_array_equal(logits(network, x), expected)
    after = values(network)
    filters = [each for name in names for each in after[f"{name}.weight"]]
    if quantizer == "adabin":  # two values of each filter's own
        assert all(len(np.unique(each)) <= 2 for each in filters)
    else:
        assert all(set(np.unique(each)) <= {-1.0, 1.0} for each in filters)


def test_a_weight_of_zero_becomes_minus_one(tiny):
    network = tiny()
    _, layer = binary_layers(network)[0]
    layer.weight.set_data(ms.ops.zeros_like(layer.weight))
    freeze(network)
    assert (layer.weight.asnumpy() == -1).all()


def test_a_frozen_network_is_frozen_once(tiny, images, logits):
    network = tiny()
    freeze(network)
    expected = logits(network, images(1))
    assert freeze(network) == 0
    np.testing.assert_array_equal(logits(network, images(1)), expected)


@pytest.mark.parametrize("precision", ["fp32", "binary_act"])
def test_real_weights_stay(tiny, precision):
    network = tiny(precision=precision)
    before = values(network)
    assert freeze(network) == 0
    after = values(network)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_a_block_of_the_released_network_keeps_its_values(randomize, logits):
    block = randomize(Block(8, BatchNorm))
    x = np.random.default_rng(2).normal(size=(2, 8, 4, 4)).astype(np.float32)
    before, expected = values(block), logits(block, x)
    assert freeze(block) == 14
    np.testing.assert_array_equal(logits(block, x), expected)
    after = values(block)
    assert before.keys() == after.keys()
    name = "attn.tfc_h.weight"
    np.testing.assert_array_equal(after[name], scaled_sign(ms.Tensor(before[name])).asnumpy())
    assert not np.array_equal(after[name], before[name])
    assert freeze(block) == 0
