"""larq-zoo's reduced networks with all weights (golden/cnn) and its full networks layer by layer (golden/larq_layers).

golden/cnn has images x, logits, maps out/* and parameters param/*, in the order in which larq creates its layers and with
kernels as (O, C, kh, kw). The networks of this project have the parameters of each kind in the same order.
"""

import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
from mindspore import Tensor

from src.graph import trace
from src.model.layers.norms import BatchNorm

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
KINDS = {"kernel": "weight", "depthwise_kernel": "weight", "alpha": "slope"}  # larq's word -> ours


def arrays_of(name):
    """Arrays of a file of golden/cnn, by name."""
    with np.load(GOLDEN / "cnn" / f"{name}.npz") as data:
        return {key: data[key] for key in data.files}


def load_in_order(network, arrays):
    """Give a network the parameters of a file of golden/cnn: of each kind the first to the first, and so on."""
    theirs, ours = {}, {}
    for name, array in _with_whole_groups(arrays).items():
        kind = name.rsplit("/", 1)[1]
        theirs.setdefault(KINDS.get(kind, kind), []).append(array)
    for p in network.get_parameters():
        constant = p.name.endswith(("gamma", "beta")) and not p.requires_grad  # larq stores none
        if not constant:
            ours.setdefault(p.name.rsplit(".", 1)[1], []).append(p)
    assert {kind: len(each) for kind, each in ours.items()} == {k: len(each) for k, each in theirs.items()}
    for kind, parameters in ours.items():
        for p, array in zip(parameters, theirs[kind]):
            assert p.shape[: array.ndim] == array.shape and p.size == array.size, p.name
            p.set_data(Tensor(array.reshape(p.shape)))


def _with_whole_groups(arrays):
    """The parameters, the kernels conv0, conv1, .. of a grouped convolution as one."""
    whole = {}
    for key, array in arrays.items():
        if key.startswith("param/"):
            name = re.sub(r"groupconv_conv\d+", "groupconv", key)
            whole[name] = np.concatenate([whole[name], array]) if name in whole else array
    return whole


def maps_of(network, x, cells):
    """(logits, maps by name) of a network on images; cells: name of a map -> name of the Cell that makes it."""
    maps, found = {}, dict(network.cells_and_names())

    def keeper(name):
        return lambda cell, inputs, y: maps.update({name: y.asnumpy()})

    handles = [found[cell].register_forward_hook(keeper(name)) for name, cell in cells.items()]
    logits = network(Tensor(x)).asnumpy()
    for handle in handles:
        handle.remove()
    return logits, maps


def layers_of_larq(name):
    """(windows, norms) of a network of golden/larq_layers, as of layers_of_ours."""
    layers = json.loads((GOLDEN / "larq_layers" / f"{name}.json").read_text())
    shapes = {each["name"]: each["output"] for each in layers}
    windows, groups = Counter(), set()
    for layer in layers:
        kind, output = layer["type"], layer["output"]
        group = re.sub(r"groupconv_conv\d+", "groupconv", layer["name"])
        if group != layer["name"]:  # one of some convolutions that are one here
            if group in groups:
                continue
            groups.add(group)
            output = shapes[f"{group}_concat"]
        if kind not in WINDOWS or output[1:3] == [1, 1]:
            continue
        sizes = _map_of(shapes, layer["from"][0])[1:3]
        kernel, stride = layer.get("kernel_size") or layer["pool_size"], layer["strides"]
        binary = bool(layer.get("input_quantizer"))
        padding = [0] * 4 if layer["padding"] == "valid" else _same(sizes, kernel, stride)
        pad_value = layer.get("pad_values", 0) if binary else 0
        row = (WINDOWS[kind], binary, *kernel, *padding, pad_value, stride[0], output[3], *output[1:3])
        windows[row] += 1
    norms = Counter(
        (each["output"][3], each["epsilon"], each["scale"], each["center"])
        for each in layers
        if each["type"] == "BatchNormalization"
    )
    return windows, norms


WINDOWS = {
    "Conv2D": "conv", "QuantConv2D": "conv", "DepthwiseConv2D": "conv", "QuantDepthwiseConv2D": "conv",
    "MaxPooling2D": "max", "AveragePooling2D": "average",
}  # fmt: skip


def _map_of(shapes, name):
    """Shape of the (first) map that a layer returns."""
    shape = shapes[name]
    return shape[0] if isinstance(shape[0], list) else shape


def _same(sizes, kernel, stride):
    """Padding SAME as TensorFlow's documentation has it: (top, left, bottom, right), what is odd at the end."""
    total = [
        max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, stride, strict=True)
    ]
    return [each // 2 for each in total] + [math.ceil(each / 2) for each in total]


def layers_of_ours(network, image_size):
    """(windows, norms) of a network: Counters of (kind, binary, kernel, padding, pad value, stride, output) and of
    (channels, eps, scale, center). Windows whose output is 1 x 1 are left out."""
    windows = Counter()
    for node in trace(network, image_size).nodes:
        if node.op in ("conv2d", "binary_conv2d", "pool") and node.shape[1:] != (1, 1):
            values = {**node.attributes, "binary": node.op == "binary_conv2d"}
            kernel = values.get("kernel") or node.tensors["weight"].shape[2:]
            kind = values.get("kind", "conv")
            row = (kind, values["binary"], *kernel, *values["padding"], values.get("pad_value", 0))
            windows[(*row, values["stride"], *node.shape)] += 1
    norms = Counter(
        (cell.num_features, cell.eps, cell.gamma.requires_grad, cell.beta.requires_grad)
        for _, cell in network.cells_and_names()
        if isinstance(cell, BatchNorm)
    )
    return windows, norms
