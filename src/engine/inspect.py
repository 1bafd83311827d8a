"""Inside of the engine, for tests and benchmarks: the bits that its layers read, and single layers."""

import ctypes
from ctypes import POINTER, c_float, c_int, c_int32, c_uint32, c_void_p

import numpy as np

from .engine import check, pointer
from .library import library

TENSORS = ("shift", "weight", "factor", "offset", "slope", "shift_out")  # of a binary layer, as in FORMAT.md
TRACE = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_int, c_int, POINTER(c_uint32), POINTER(c_uint32))


def trace(engine, image):
    """The signs that each binary layer reads of an image.

    Args:
        image: numbers, float32 (3, S, S).

    Returns:
        (bits, logits): per binary layer, in the order of the file, booleans (tokens, inputs), true for +1; float32 (K,).

    Raises:
        InputError: as Engine.logits.
    """
    handle, orders, words = engine.handle, {}, {}

    def order_of(layer, group):
        if (layer, group) not in orders:
            order, slots = POINTER(c_int32)(), c_int()
            check(library().bimlp_layer_order(handle, layer, group, ctypes.byref(order), ctypes.byref(slots)))
            orders[layer, group] = np.ctypeslib.as_array(order, (slots.value,)).copy()
        return orders[layer, group]

    def record(user, layer, token, count, bits, odd):
        for group, group_bits in enumerate((bits, odd) if odd else (bits,)):
            width = len(order_of(layer, group)) // 32
            rows = np.ctypeslib.as_array(group_bits, (count, width)).copy()
            words.setdefault((layer, group), {}).update(zip(range(token, token + count), rows))

    logits = np.empty(engine.description["classes"], np.float32)
    image = np.ascontiguousarray(image)
    engine.require(image[None], ("float32",))
    to = pointer(logits, c_float)
    check(library().bimlp_trace(handle, pointer(image, c_float), TRACE(record), None, to))
    layers = []
    for layer in range(engine.description["binary_layers"]):
        groups = [group for found, group in words if found == layer]
        inputs = max(order_of(layer, group).max() for group in groups) + 1
        bits = np.zeros((len(words[layer, 0]), inputs), bool)
        for group in groups:
            rows = np.array([words[layer, group][token] for token in range(len(bits))])
            slots = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little").astype(bool)
            order = order_of(layer, group)
            bits[:, order[order >= 0]] = slots[:, order >= 0]
        layers.append(bits)
    return layers, logits


class Layer(ctypes.Structure):
    """bimlp_layer of inspect.h."""

    _fields_ = [(name, POINTER(c_uint32 if name == "weight" else c_float)) for name in TENSORS]


def _layer(tensors):
    """The Layer of name -> array, and what keeps its memory alive."""
    arrays = {name: np.ascontiguousarray(tensors[name], np.float32) for name in TENSORS if name != "weight"}
    rows, columns = tensors["weight"].shape
    bits = np.zeros((rows, -(-columns // 32) * 32), bool)
    bits[:, :columns] = tensors["weight"]
    arrays["weight"] = np.packbits(bits, axis=1, bitorder="little").view(np.uint32)
    pointers = {
        name: pointer(array, c_uint32 if name == "weight" else c_float) for name, array in arrays.items()
    }
    return Layer(**pointers), arrays


def channel_layer(instruction_set, tensors, x, shortcut):
    """Output of a channel FC for x (tokens, I): RPReLU(factor * sum + offset + shortcut), float32 (tokens, O).

    tensors: name -> array for TENSORS, weight as booleans (O, I); shortcut: (tokens, O).
    """
    layer, arrays = _layer(tensors)
    outputs, inputs = tensors["weight"].shape
    sizes = (inputs, outputs, len(x))
    return _computed(library().bimlp_channel_layer, instruction_set, layer, sizes, x, shortcut, arrays)


def local_layer(instruction_set, tensors, axis, x, shortcut):
    """Output of a local FC along an axis, "height" or "width", for a map x (S, S, G C): float32 (S, S, C).

    tensors: name -> array for TENSORS, weight as booleans (7 G, C); shortcut: (S, S, C).
    """
    layer, arrays = _layer(tensors)
    rows, channels = tensors["weight"].shape
    sizes = (rows // 7, channels, len(x), int(axis == "height"))
    return _computed(library().bimlp_local_layer, instruction_set, layer, sizes, x, shortcut, arrays)


def _computed(function, instruction_set, layer, sizes, x, shortcut, alive):
    x, shortcut = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(shortcut, np.float32)
    out = np.empty_like(shortcut)
    arrays = [pointer(array, c_float) for array in (x, shortcut, out)]
    check(function(instruction_set.encode(), ctypes.byref(layer), *sizes, *arrays))
    return out
