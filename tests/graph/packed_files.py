"""Packed files in parts, which tests change and put together again."""

import copy
import struct
import zlib
from types import SimpleNamespace

import numpy as np

from src.deploy.packed_file import Description, decode, encode
from src.graph.ops import BITS, OPS, VECTOR

HEADER = struct.Struct(
    "<8sIIQII6d4I"
)  # signature, version, header, file, S, resize, mean, std, words, name, names, 0
ALIGNMENT = 16
COLOURS = SimpleNamespace(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def packed(graph, **fields):
    """Bytes of a graph's packed file; fields: of its Description."""
    size = graph.shape[1]
    usual = {
        "variant": "random",
        "image_size": size,
        "resize": size,
        "mean": COLOURS.mean,
        "std": COLOURS.std,
    }
    return encode(Description(**{**usual, **fields}), graph)


def pixels_of(images):
    """Pixels, uint8 (B, S, S, 3), of normalised images (B, 3, S, S) of a `packed` file."""
    planes = images.transpose(0, 2, 3, 1) * np.array(COLOURS.std) + np.array(COLOURS.mean)
    return np.round(255 * planes).astype(np.uint8)


def same_graph(a, b):
    """True where two graphs have the same shape, nodes and numbers, to the bit."""
    if a.shape != b.shape or len(a.nodes) != len(b.nodes):
        return False
    for x, y in zip(a.nodes, b.nodes):
        if (x.op, x.inputs, x.shape, x.attributes) != (y.op, y.inputs, y.shape, y.attributes):
            return False
        if x.tensors.keys() != y.tensors.keys():
            return False
        pairs = [(x.tensors[name], y.tensors[name]) for name in x.tensors]
        if any(v.dtype != w.dtype or v.shape != w.shape or v.tobytes() != w.tobytes() for v, w in pairs):
            return False
    return True


def sealed(data):
    """The bytes with the checksum that fits."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def words_of(node):
    """(place of the inputs, of a filter, of each attribute by name, of the vectors; their number) among a node's words."""
    row = OPS[node.op]
    places, at = {"inputs": 1 + (row.inputs is None)}, 1 + (row.inputs is None) + len(node.inputs)
    if "weight" in row.tensors:
        places["filter"], at = at, at + 3
    for name, kind in row.attributes.items():
        places[name], at = at, at + kind.count
    places["vectors"], at = at, at + sum(kind == VECTOR for kind in row.tensors.values())
    return places, at


def tensor_bytes(node):
    """Bytes of a node's tensors."""
    kinds = OPS[node.op].tensors
    return sum(
        4 * (-(-array.size // 32) if kinds[name] == BITS else array.size)
        for name, array in node.tensors.items()
    )


class Parts:
    """Parts of a packed file. header: its values in order; texts: bytes; nodes: words of each; tensors: bytes of each node's;
    places: of each node's words, as words_of."""

    def __init__(self, data):
        self.header = list(HEADER.unpack_from(data))
        length, name, names = self.header[2], *self.header[-3:-1]
        self.texts = data[HEADER.size : HEADER.size + name + names]
        words = list(struct.unpack_from(f"<{self.header[-4]}I", data, length))
        at, self.nodes, self.tensors, self.places = length + 4 * len(words), [], [], []
        for node in decode(data)[1].nodes:
            places, count = words_of(node)
            size = tensor_bytes(node)
            self.nodes.append(words[:count])
            self.tensors.append(data[at : at + size])
            self.places.append(places)
            words, at = words[count:], at + size

    def copy(self):
        """Parts that can be changed without these."""
        return copy.deepcopy(self)

    def data(self):
        """The file's bytes, with lengths and checksum that fit the parts."""
        words = [word % (1 << 32) for node in self.nodes for word in node]
        length = -(-(HEADER.size + len(self.texts)) // ALIGNMENT) * ALIGNMENT
        body = struct.pack(f"<{len(words)}I", *words) + b"".join(self.tensors)
        self.header[2], self.header[3], self.header[-4] = length, length + len(body) + 4, len(words)
        return sealed((HEADER.pack(*self.header) + self.texts).ljust(length, b"\0") + body + bytes(4))
