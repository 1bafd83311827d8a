"""Calls of a network's binary layers on real images."""


def watch_binary_layers(network, batches, note):
    """Run a network on batches of images (B, 3, H, W); note(name, layer, x, y) is called with each binary layer's x and y.

    x and y are tensors in the layer's layout. The network runs in evaluation mode, in PyNative mode.
    Returns the (name, layer) of all binary layers, in order.
    """
    import mindspore as ms
    from mindspore import Tensor

    from src.model import binary_layers

    layers = binary_layers(network)
    network.set_train(False)
    handles = [layer.register_forward_hook(_hook(name, layer, note)) for name, layer in layers]
    before = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        for images in batches:
            network(Tensor(images))
    finally:
        for handle in handles:
            handle.remove()
        ms.set_context(mode=before)
    return layers


def channels_first(x, axis):
    """NumPy array (C, B, H, W) of a feature map whose channel axis is `axis`."""
    return x.asnumpy() if axis == 0 else x.asnumpy().swapaxes(0, 1)


def _hook(name, layer, note):
    def hook(cell, inputs, output):
        note(name, layer, inputs[0], output)

    return hook
