"""Frozen networks: binary layers whose signs and scales, else computed from the latent weights in every call, are stored.

A frozen network gives the same logits. Its file holds no sign, absolute value or mean over weights any more.
"""

from mindspore import Parameter, nn

from src.model import binary_layers
from src.model.layers.layout import per_channel
from src.model.networks.released import BinaryConv2d, scaled_sign, three_valued

from .modes import eager


class FrozenLayer(nn.Cell):
    """Binary convolution whose weight is exactly -1 or +1 and whose scale alpha is a constant vector.

    y = accumulate(x) * alpha_o: the scale stays behind the convolution, whose sums are integers in [-K, K] and
    so exact in float16 up to K = 2048.
    """

    def __init__(self, layer):
        super().__init__()
        self.scale = Parameter(per_channel(layer.scale(), layer.axis), requires_grad=False)
        layer.weight.set_data(layer.weight_quantizer(layer.weight))
        layer.weight_quantizer, layer.scaled = nn.Identity(), False
        self.layer = layer

    def construct(self, x):
        return self.layer.add_bias(self.layer.accumulate(x) * self.scale)


class FrozenReleasedConv(nn.Cell):
    """A binary convolution of the published checkpoints' network, its weight alpha sign(W) computed once.

    Their scale is one number per tap, not per output channel, so that it cannot move behind the convolution.
    """

    def __init__(self, layer):
        super().__init__()
        layer.weight.set_data(scaled_sign(layer.weight))
        self.layer, self.shortcut = layer, layer.shortcut

    def construct(self, x):
        return self.layer.conv(three_valued(x, 0.5), self.layer.weight)


def freeze(network):
    """Freeze a network's binary layers in place and return their number; layers with real weights stay.

    Parameters keep their names, and the scale of layer "x" is "x.scale". The network must not have been compiled
    before: a compiled graph would not notice.
    """
    cells = dict(network.cells_and_names())
    names = [(parameter, parameter.name) for parameter in network.get_parameters()]
    with eager():
        frozen = {name: FrozenLayer(layer) for name, layer in binary_layers(network) if layer.scaled}
        frozen.update({name: FrozenReleasedConv(layer) for name, layer in _released_layers(cells)})
    for name, layer in frozen.items():
        parent, _, attribute = name.rpartition(".")
        setattr(cells[parent], attribute, layer)  # which renames the parameters below
    names += [
        (layer.scale, f"{name}.scale") for name, layer in frozen.items() if isinstance(layer, FrozenLayer)
    ]
    for parameter, name in names:
        parameter.name = name
    return len(frozen)


def _released_layers(cells):
    """(name, layer) of the released network's binary convolutions that are not frozen yet."""
    inner = [cell.layer for cell in cells.values() if isinstance(cell, FrozenReleasedConv)]
    return [
        (name, cell)
        for name, cell in cells.items()
        if isinstance(cell, BinaryConv2d) and not any(cell is layer for layer in inner)
    ]
