"""Number of values per channel that the norms of a network see in one image."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def norms_of_one_value(network, image_size):
    """Names of the BatchNorms that see one value per channel of an image, in order: those on 1 x 1 maps.

    The mean of one value is that value and the variance is 0. In training such a norm returns its offset for any input.
    The network must have the plain backend. It runs once on an image of zeros, in PyNative mode, and does not change.
    """
    found, hooks, mode = [], [], ms.get_context("mode")
    for name, cell in network.cells_and_names():
        if isinstance(cell, BATCH_NORMS):

            def note(cell, inputs, name=name):
                batch, channels, *sides = inputs[0].shape
                if batch * int(np.prod(sides)) == 1:
                    found.append(name)

            hooks.append(cell.register_forward_pre_hook(note))
    network.set_train(False)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        network(Tensor(np.zeros((1, 3, image_size, image_size), np.float32)))
    finally:
        ms.set_context(mode=mode)
        for hook in hooks:
            hook.remove()
    return found
