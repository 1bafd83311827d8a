r"""Operations, parameters and bytes of a network, per layer and in total.

They are taken from the graph of the network for one image (src/graph).

One multiply-accumulate is one operation; only convolutions and FC layers are counted. A layer with one-bit inputs
and one-bit weights counts as BOPs, any other as FLOPs; OPs = FLOPs + BOPs / 64. Two conventions:

paper: with the additions of biases, as the paper's Table 1 has them. Full-precision layers have biases. BiMLP's
    binary layers have none, and are counted with those that their counterparts carry in Wave-MLP: phase FC,
    projection, both layers of the MLP and of the reweight MLP.
MACs: multiply-accumulates alone.

Other work is given as numbers of elements: `elementwise`.

The graph's nodes have notes for this: "bias", a bias of the paper's convention; "counted": false for a convolution that
stands for a shift of channels; "binary": true for real weights that stand for signs; "work", the kind of other work.
"""

import dataclasses
import math
import tempfile
from pathlib import Path

from src.checkpoint.file import save_checkpoint
from src.common.errors import InputError
from src.deploy import packed_size
from src.graph import trace

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
    that save_checkpoint writes; packed_bytes: that of export.py's PACKED format, or None for a network beyond its limits.
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
    """The Cost of a network for one image (1, 3, image_size, image_size). The network is traced once.

    variant, class_names: texts that a packed file holds.

    Raises InputError for a size at which the network cannot run, and for a network with layers that are not known.
    """
    network.set_train(False)
    try:
        graph = trace(network, image_size)
    except ValueError as error:
        raise InputError(
            f"image_size {image_size}: the network cannot run on such images, or has layers that are not known ({error})"
        ) from error
    layers = tuple(_layer(node) for node in graph.nodes if _is_counted(node))
    trained = [p for p in network.get_parameters() if p.requires_grad]
    params, binary = sum(p.size for p in trained), sum(layer.weights for layer in layers if layer.binary)
    size = packed_size(graph, variant, class_names)
    return Cost(layers, _elementwise(graph), params, binary, _checkpoint_bytes(network), size)


def _is_counted(node):
    return node.op in ("conv2d", "binary_conv2d") and node.notes.get("counted", True)


def _layer(node):
    """The LayerCost of a convolution; an FC is a convolution with kernel 1."""
    weights, positions = node.tensors["weight"].size, math.prod(node.shape[1:])
    return LayerCost(
        name=node.name,
        kind=node.op,
        output=node.shape,
        weights=weights,
        binary=node.op == "binary_conv2d" or node.notes.get("binary", False),
        macs=weights * positions,
        biases=math.prod(node.shape) * node.notes.get("bias", False),
    )


def _elementwise(graph):
    """Elements of other work by kind, in the order of KINDS. A sign is counted per number that it is taken of."""
    elements = dict.fromkeys(KINDS, 0)
    for node in graph.nodes:
        work = "sign" if node.op == "binarize" else node.notes.get("work")
        if work:
            elements[work] += math.prod(node.shape)
    return elements


def _checkpoint_bytes(network):
    """The size of the file that save_checkpoint writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.ckpt"
        save_checkpoint(path, network)
        return path.stat().st_size
