"""A packed file, and damages of it with what the two readers say to each."""

import struct

import numpy as np

from src.graph.ir import GraphBuilder
from tests.graph.packed_files import HEADER, Parts, packed, sealed

NAMES = ("ant", "ç d", "")
NONE, ZERO_ONE, THREE = (0,) * 4, (0, 1), (-1, 0, 1)


def sample():
    """Graph of operations with every kind of attribute and tensor: 3 x 8 x 8 to three classes."""
    rng, builder = np.random.default_rng(0), GraphBuilder((3, 8, 8))
    window = {"stride": 2, "padding": (1, 1, 1, 1), "groups": 1}
    x = builder.add("conv2d", 0, weight=rng.normal(size=(6, 3, 3, 3)), **window)
    x = builder.add("binarize", x, levels=(-1, 0, 1), threshold=rng.uniform(0, 1, 6))
    x = builder.add("binary_conv2d", x, weight=rng.random((6, 3, 1, 3)) < 0.5, stride=1, padding=(0, 1, 0, 1), groups=2,
                    pad_value=-0.375)  # fmt: skip
    x = builder.add("affine", x, factor=rng.normal(size=6), offset=[0.5])
    x = builder.add("prelu", x, positive=[1], negative=rng.normal(size=6))
    x = builder.add("unary", x, function="silu")
    x = builder.add("permute", x, order=[5, 3, 1, 0, 2, 4])
    x = builder.add("slice", x, start=1, step=2, count=3)
    x = builder.add("concat", x, x)
    x = builder.add("group_mean", x, group=2)
    x = builder.add("pool", x, kind="average", kernel=(2, 2), stride=2, padding=NONE)
    x = builder.add("layer_norm", x, epsilon=1e-5, factor=[1], offset=[0])
    y = builder.add("global_mean", x)
    x = builder.add("add", builder.add("mul", x, y), y)
    x = builder.add("softmax", builder.add("global_mean", x), group=3)
    builder.add("conv2d", x, weight=rng.normal(size=(3, 3, 1, 1)), stride=1, padding=NONE, groups=1)
    return builder.graph()


GRAPH = sample()
WHOLE = packed(GRAPH, class_names=NAMES, variant="small", resize=9)
PARTS = Parts(WHOLE)
NODE = {node.op: i for i, node in reversed(list(enumerate(GRAPH.nodes)))}  # the first of an operation
FLOAT = {
    name: struct.unpack("<I", struct.pack("<f", float(name)))[0]
    for name in ("nan", "inf", "-inf", "1e-13", "1.5", "65537", "-65537")
}


def field(at, value, kind="I"):
    """A damage: another value at a place of the header."""

    def damage():
        data = bytearray(WHOLE)
        struct.pack_into(f"<{kind}", data, at, value)
        return sealed(bytes(data))

    return damage


def word(op, name, value, further=0):
    """A damage: another word of the first node of an operation, by the name of its place."""

    def damage():
        parts = PARTS.copy()
        place = 0 if name == "op" else parts.places[NODE[op]][name]
        parts.nodes[NODE[op]][place + further] = value
        return parts.data()

    return damage


def tensor(op, value, at=0):
    """A damage: another word of the tensors of the first node of an operation."""

    def damage():
        parts = PARTS.copy()
        data = bytearray(parts.tensors[NODE[op]])
        struct.pack_into("<I", data, at if at >= 0 else len(data) + at, value)
        parts.tensors[NODE[op]] = bytes(data)
        return parts.data()

    return damage


def text(old, new):
    """A damage of the texts, as long as they were."""
    return lambda: sealed(WHOLE[: HEADER.size] + WHOLE[HEADER.size :].replace(old, new, 1))


def nodes(change):
    """A damage of the list of all nodes' words."""

    def damage():
        parts = PARTS.copy()
        change(parts)
        return parts.data()

    return damage


def _resized(change):
    """A damage of the whole file, whose length in the header follows."""

    def damage():
        data = change(WHOLE)
        return sealed(data[:16] + struct.pack("<Q", len(data)) + data[24:])

    return damage


def _no_nodes(parts):
    parts.nodes, parts.tensors = [], []


def _no_end(parts):
    parts.nodes[-1].pop()


def _another_size(parts):
    del parts.nodes[-3:], parts.tensors[-3:]


LENGTH = PARTS.header[2]
# name -> damage, what the engine says, what Python's reader says if that is something else
FAULTS = {
    "empty": (lambda: b"", "size: expected at least 100 bytes, got 0", "expected 100 to 2147483648 bytes, got 0"),
    "no checksum": (lambda: WHOLE[:99], "size: expected at least 100 bytes, got 99", "expected 100 to"),
    "signature": (lambda: sealed(b"\x89PNG" + WHOLE[4:]), "expected the signature of a packed file, got other bytes"),
    "line ends": (lambda: WHOLE.replace(b"\r\n", b"\n", 1) + b"\0", "signature"),
    "oldest": (field(8, 1), "version: expected 3, got 1; export the network again"),
    "older": (field(8, 2), "version: expected 3, got 2; export the network again"),
    "newer": (field(8, 4), "version: expected 3, got 4", "expected version 3, got 4"),
    "no version": (field(8, 0), "version: expected 3, got 0", "expected version 3, got 0"),
    "a byte": (lambda: WHOLE[:200] + bytes([WHOLE[200] ^ 4]) + WHOLE[201:], "checksum does not match: the file is damaged"),
    "checksum": (lambda: WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]), "checksum does not match"),
    "bytes behind": (lambda: WHOLE + b"\0", f"expected {len(WHOLE)} bytes, as its header says, got {len(WHOLE) + 1}"),
    "length": (field(16, 2**64 - 1, "Q"), f"expected {2**64 - 1} bytes, as its header says"),
    "more bytes": (_resized(lambda data: data + bytes(4)), "expected tensors up to the checksum, got 4 bytes more"),
    "an odd byte": (_resized(lambda data: data + b"\0"), "multiple of 4 bytes", "up to the checksum, got 1 bytes more"),
    "fewer bytes": (_resized(lambda data: data[:-4]), "expected more bytes of tensors, got the end of the file"),
    "longer header": (field(12, LENGTH + 16), f"header: expected what its texts take, got {LENGTH + 16}", "header's length that its texts take"),
    "shorter header": (field(12, LENGTH - 16), "header: expected what its texts take", "header's length that its texts take"),
    "image": (field(24, 0), "image size: expected 1 to 2048 pixels, got 0", "an image of 1 to 2048 pixels"),
    "large image": (field(24, 2049), "image size: expected 1 to 2048", "an image of 1 to 2048 pixels"),
    "resize": (field(28, 7), "resize: expected at least the image size, got 7", "resize from the image size to 4096"),
    "large resize": (field(28, 4097), "resize: expected", "resize from the image size to 4096"),
    "mean": (field(32, 1e300, "d"), "mean: expected at most 1000", "means of at most 1000"),
    "no mean": (field(48, np.nan, "d"), "mean: expected at most 1000", "means of at most 1000"),
    "std": (field(56, 0.0, "d"), "std: expected 0.001 to 1000", "stds of 0.001 to 1000"),
    "no std": (field(72, np.nan, "d"), "std: expected 0.001 to 1000", "stds of 0.001 to 1000"),
    "words": (field(80, 1 << 20), "nodes: expected to end within the file, got 1048576", "expected nodes within the file"),
    "variant's name": (field(84, 65), "variant's name: expected at most 64 bytes, got 65", "name of at most 64 bytes"),
    "class names": (field(88, 2**32 - 1), "header: expected what its texts take", "header's length that its texts take"),
    "reserved": (field(92, 1), "reserved field: expected 0, got 1", "zero in the reserved field, got 1"),
    "filling": (field(LENGTH - 1, 1, "B"), "filling: expected zeros", "expected zeros behind the texts, got others"),
    "not UTF-8": (text(b"\xc3\xa7", b"\xc3\x28"), "texts: expected UTF-8"),
    "longer than UTF-8": (text(b"\xc3\xa7", b"\xc1\xa7"), "texts: expected UTF-8"),
    "cut UTF-8": (text(b"d\n", b"\xc3\n"), "texts: expected UTF-8"),
    "UTF-8 across texts": (text(b"small", b"smal\xc3"), "texts: expected UTF-8"),
    "control character": (text(b"t\n", b"\x1b\n"), "without control characters"),
    "two lines": (text(b"small", b"sma\nl"), "without control characters"),
    "a name too few": (text(b"t\n", b"tt"), "class names: expected none or 3, got 2"),
    "a name too many": (text(b"t\n", b"\n\n"), "class names: expected none or 3, got 4"),
    "no last line feed": (text(b" d\n\n", b"\n\ndd"), "class names: expected a line feed behind the last one"),
    "no nodes": (nodes(_no_nodes), "nodes: expected 1 or more, got 0", "expected 1 to 65536 nodes"),
    "half a node": (nodes(_no_end), "node 18: expected more numbers of a node, got the end of the nodes"),
    "map as output": (nodes(_another_size), "positions of the output: expected 1, got 4", "expected an output of 1 x 1"),
    "operation": (word("add", "op", 17), "node 15: operation: expected 1 to 16, got 17", "node 15: .* operation of 1 to 16, got 17"),
    "no operation": (word("conv2d", "op", 0), "node 1: operation: expected 1 to 16, got 0", "node 1: .* got 0"),
    "later value": (word("add", "inputs", 15), "node 15: value: expected 0 to 14, got 15", "node 15: expected values that are made before, got"),
    "no value": (word("add", "inputs", 2**32 - 1), "node 15: value: expected 0 to 14", "node 15: expected values that are made"),
    "no inputs": (word("concat", "inputs", 0, -1), "node 9: inputs: expected 1 to 64, got 0", "node 9: expected 1 to 64 inputs, got 0"),
    "many inputs": (word("concat", "inputs", 65, -1), "node 9: inputs: expected 1 to 64, got 65", "node 9: expected 1 to 64 inputs"),
    "no bits": (word("binary_conv2d", "inputs", 1), "node 3: input: expected a value that binarize makes", "node 3: .* an input made by binarize"),
    "bits of an image": (word("binary_conv2d", "inputs", 0), "node 3: input: expected a value that binarize makes", "node 3: "),
    "other maps": (word("mul", "inputs", 8, 1), "node 14: second input: expected a map that broadcasts over", "node 14: .* broadcasts over"),
    "other sizes": (word("concat", "inputs", 0), "node 9: inputs: expected maps of one size", "node 9: .* maps of one size"),
    "filters": (word("conv2d", "filter", 0), "node 1: filters: expected 1 to 65536, got 0", "node 1: .* 1 to 65536 channels, got 0"),
    "many filters": (word("conv2d", "filter", 65537), "node 1: filters: expected 1 to 65536", "node 1: expected more bytes of tensors"),
    "no kernel": (word("conv2d", "filter", 0, 1), "node 1: kernel: expected 1 to 64, got 0", "node 1: .* a kernel of 1 to 64"),
    "kernel": (word("conv2d", "filter", 65, 2), "node 1: kernel: expected 1 to 64, got 65", "node 1: expected more bytes"),
    "stride": (word("conv2d", "stride", 0), "node 1: stride: expected 1 to 64, got 0", "node 1: .*stride: .* from 1 to 64, got 0"),
    "padding": (word("conv2d", "padding", 3), "node 1: padding: expected less than the kernel, got 3", "node 1: .* padding below the kernel"),
    "large padding": (word("conv2d", "padding", 64, 3), "node 1: padding: expected 0 to 63, got 64", "node 1: .*padding: .* from 0 to 63"),
    "no groups": (word("conv2d", "groups", 0), "node 1: groups: expected 1 to 65536, got 0", "node 1: .* groups that divide"),
    "groups": (word("conv2d", "groups", 2), "node 1: groups: expected a divisor of 3 channels, got 2", "node 1: expected groups that divide 3 channels, got 2"),
    "value outside": (word("binary_conv2d", "pad_value", FLOAT["65537"]), "node 3: pad_value: expected -65536 to 65536", "node 3: .*pad_value: expected a number from -65536"),
    "small value outside": (word("binary_conv2d", "pad_value", FLOAT["-65537"]), "node 3: pad_value: expected -65536 to 65536", "node 3: .*pad_value: expected"),
    "no value outside": (word("binary_conv2d", "pad_value", FLOAT["nan"]), "node 3: pad_value: expected -65536 to 65536", "node 3: .*pad_value: expected"),
    "levels": (word("binarize", "levels", 3), "node 2: levels: expected 0 to 2, got 3"),
    "function": (word("unary", "function", 10), "node 6: function: expected 0 to 9, got 10"),
    "slice": (word("slice", "count", 4), "node 8: last channel of a slice: expected less than 6, got 7", "node 8: .* channels of 6"),
    "no step": (word("slice", "step", 0), "node 8: step: expected 1 to 65536, got 0", "node 8: .*step: .* from 1 to 65536"),
    "large slice": (word("slice", "step", 65537), "node 8: step: expected 1 to 65536", "node 8: .*step: "),
    "group": (word("group_mean", "group", 4), "node 10: group: expected a divisor of 6 channels, got 4", "node 10: .* a divisor of 6 channels"),
    "no group": (word("softmax", "group", 0), "node 17: group: expected 1 to 65536, got 0", "node 17: .*group: .* from 1 to 65536"),
    "kind": (word("pool", "kind", 2), "node 11: kind: expected 0 to 1, got 2"),
    "pool's kernel": (word("pool", "kernel", 5), "node 11: height: expected at least the kernel's 5, got 4", "node 11: .* a map that holds the kernel"),
    "epsilon": (word("layer_norm", "epsilon", FLOAT["1e-13"]), "node 12: epsilon: expected 1e-12 to 1", "node 12: .*epsilon: expected a number from 1e-12 to 1"),
    "large epsilon": (word("layer_norm", "epsilon", FLOAT["1.5"]), "node 12: epsilon: expected 1e-12 to 1", "node 12: .*epsilon: "),
    "no epsilon": (word("layer_norm", "epsilon", FLOAT["nan"]), "node 12: epsilon: expected 1e-12 to 1", "node 12: .*epsilon: "),
    "vector": (word("affine", "vectors", 2), "node 4: factor: expected 0 to 1, got 2", "node 4: expected 0 or 1 for a vector"),
    "NaN": (tensor("conv2d", FLOAT["nan"]), "node 1: expected finite numbers, got one that is not", "node 1: expected finite numbers"),
    "infinity": (tensor("affine", FLOAT["inf"]), "node 4: expected finite numbers", "node 4: expected finite numbers"),
    "minus infinity": (tensor("prelu", FLOAT["-inf"], -4), "node 5: expected finite numbers", "node 5: expected finite numbers"),
    "bits": (tensor("binary_conv2d", 1 << 31, -4), "node 3: expected zeros behind the last bit, got ones"),
    "order": (tensor("permute", 3), "node 7: order: expected each channel once", "node 7: .* an order of 6 channels"),
    "large order": (tensor("permute", 6), "node 7: order: expected each channel once", "node 7: .* an order of 6 channels"),
}  # fmt: skip
