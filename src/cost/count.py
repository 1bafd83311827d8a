r"""Operations, parameters and bytes of a network, per layer and in total.

They are taken from the built network and the shapes that one image has on its way through it.

One multiply-accumulate is one operation; only convolutions and FC layers are counted. A layer with one-bit inputs
and one-bit weights counts as BOPs, any other as FLOPs; OPs = FLOPs + BOPs / 64. Two conventions:

paper: with the additions of biases, as the paper's Table 1 has them. Full-precision layers have biases. BiMLP's
    binary layers have none, and are counted with those that their counterparts carry in Wave-MLP: phase FC,
    projection, both layers of the MLP and of the reweight MLP.
MACs: multiply-accumulates alone.

What neither counts is given as numbers of elements: `elementwise`.
"""

import dataclasses
import math
import tempfile
from pathlib import Path

from src.checkpoint.file import save_checkpoint
from src.cost import cells as known
from src.deploy.packed import packed_size, unsupported_reason

BITS_PER_OP = 64  # binary operations that count as one
KINDS = ("normalisation", "activation", "sign", "trigonometry", "pooling")


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """One convolution or FC layer, for one image.

    output: (C, H, W); weights: numbers in its filters; binary: whether inputs and weights are one bit each;
    macs: weights times positions of the output; biases: bias additions that the paper's convention counts.
    """

    name: str
    kind: str
    output: tuple
    weights: int
    binary: bool
    macs: int
    biases: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """A network's cost for one image: its layers, elements of work that is not counted, parameters, bytes.

    params: trained numbers; params_binary: those of them that one bit holds; checkpoint_bytes: size of the file
    that save_checkpoint writes; packed_bytes: that of export.py's PACKED format, or None where it has none for the
    network.
    """

    layers: tuple
    elementwise: dict
    params: int
    params_binary: int
    checkpoint_bytes: int
    packed_bytes: int | None

    def totals(self):
        """The figures by their names in the JSON output."""
        flops_macs = sum(layer.macs for layer in self.layers if not layer.binary)
        bops_macs = sum(layer.macs for layer in self.layers if layer.binary)
        flops = flops_macs + sum(layer.biases for layer in self.layers if not layer.binary)
        bops = bops_macs + sum(layer.biases for layer in self.layers if layer.binary)
        return {
            "flops": flops,
            "bops": bops,
            "ops": flops + bops / BITS_PER_OP,
            "flops_macs": flops_macs,
            "bops_macs": bops_macs,
            "ops_macs": flops_macs + bops_macs / BITS_PER_OP,
            "params": self.params,
            "params_binary": self.params_binary,
            "checkpoint_bytes": self.checkpoint_bytes,
            "packed_bytes": self.packed_bytes,
            "elementwise": self.elementwise,
        }


def cost_of(network, image_size, variant="", class_names=()):
    """The Cost of a network for one image (1, 3, image_size, image_size). It is run once, in PyNative mode.

    variant, class_names: texts that a packed file holds.

    Raises InputError for a size at which the network cannot run.
    """
    network.set_train(False)
    cells = {name: cell for name, cell in network.cells_and_names() if name}
    counterparts = known.biased_in_wave_mlp(cells.values())
    layers, elementwise = [], dict.fromkeys(KINDS, 0)
    for name, (shape, output) in known.run_shapes(network, image_size).items():
        cell = cells[name]
        kind = known.kind_of(cell)
        if kind is not None:
            elementwise[kind] += math.prod(output)
        if known.is_linear(cell):
            layers.append(_layer(name, cell, output, cell in counterparts))
        if known.binary_input(cell):
            elementwise["sign"] += math.prod(shape)
    trained = [p for p in network.get_parameters() if p.requires_grad]
    params, binary = sum(p.size for p in trained), sum(layer.weights for layer in layers if layer.binary)
    packed = None if unsupported_reason(network) else packed_size(network, variant, class_names)
    return Cost(tuple(layers), elementwise, params, binary, _checkpoint_bytes(network), packed)


def _layer(name, cell, output, counterpart_has_bias):
    """The LayerCost of a linear Cell; positions are those of its output, a map or a vector of O channels."""
    channels = cell.weight.shape[0]
    positions = math.prod(output) // channels
    h, w = output[-2:] if len(output) == 4 else (1, 1)
    return LayerCost(
        name=name,
        kind=type(cell).__name__,
        output=(channels, h, w),
        weights=cell.weight.size,
        binary=known.binary_input(cell) and known.binary_weight(cell),
        macs=cell.weight.size * positions,
        biases=channels * positions * (counterpart_has_bias or known.has_bias(cell)),
    )


def _checkpoint_bytes(network):
    """The size of the file that save_checkpoint writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.ckpt"
        save_checkpoint(path, network)
        return path.stat().st_size
