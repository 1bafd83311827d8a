"""Networks whose norms have the statistics of real maps, so that a random network's signs are no accident of rounding."""

import numpy as np
from mindspore import Tensor

from src.model import create_model
from src.model.layers.layout import NCHW


def images(count, size, seed=0):
    """Random images (B, 3, S, S)."""
    return np.random.default_rng(seed).normal(size=(count, 3, size, size)).astype(np.float32)


def calibrated(name, size, precision="binary", **overrides):
    """Network by name in evaluation, calibrated."""
    return calibrate(create_model(name, 10, precision, **overrides).set_train(False), size)


def calibrate(network, size):
    """The network with weights of its own, its vectors scrambled, its batch norms with the statistics of the maps of some images.

    The numbers are the same in every run: among those of the initializers some make a sign that rounding turns.
    """
    rng = np.random.default_rng(1)
    for p in network.get_parameters():
        value = p.asnumpy()
        if value.ndim > 1 and p.requires_grad and value.any():
            value = rng.normal(0, (2 / value[0].size) ** 0.5, value.shape)
        elif value.ndim == 1 and not p.name.endswith("moving_variance"):
            value = value + rng.normal(0, 0.1, value.shape)
        p.set_data(Tensor(value.astype(np.float32)))

    def take(cell, inputs):
        x = inputs[0].asnumpy()
        axes = tuple({0, 1, 2, 3} - {getattr(cell, "axis", NCHW)})
        cell.moving_mean.set_data(Tensor(x.mean(axes)))
        cell.moving_variance.set_data(Tensor(np.maximum(x.var(axes), 1e-3)))

    norms = [cell for _, cell in network.cells_and_names() if hasattr(cell, "moving_mean")]
    handles = [cell.register_forward_pre_hook(take) for cell in norms]
    network(Tensor(images(8, size, seed=9)))
    for handle in handles:
        handle.remove()
    return network
