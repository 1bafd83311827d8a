"""Packed files, bytes and back, as FORMAT.md describes them."""

import math
import struct
import zlib
from dataclasses import dataclass, replace

import numpy as np

from src.common.errors import InputError
from src.common.files import PACKED_SIGNATURE
from src.graph.ir import MAX_INPUTS, GraphBuilder
from src.graph.limits import MAX_NODES, violations
from src.graph.ops import BITS, INDEX, OPS, VECTOR

VERSION = 3
ALIGNMENT = 16
HEADER = struct.Struct("<8sIIQII6d4I")
CHECKSUM = struct.Struct("<I")
WORD = 32  # bits
MAX_IMAGE, MAX_CLASSES, MAX_NAME, MAX_BYTES = 2048, 1_000_000, 64, 1 << 31
MAX_COLOUR, MIN_STD = 1000.0, 0.001
NAMES = {row.number: name for name, row in OPS.items()}


@dataclass(frozen=True)
class Description:
    """A packed network's description, the header of FORMAT.md.

    image_size, resize: pixels; mean, std: per channel, of pixels in [0, 1]; class_names: one per class, or none.
    """

    variant: str
    image_size: int
    resize: int
    mean: tuple
    std: tuple
    class_names: tuple = ()


def description_violations(d):
    """Violations of the format's limits by a Description, in words: a list, empty for a good one."""
    conditions = {
        f"an image of 1 to {MAX_IMAGE} pixels": 1 <= d.image_size <= MAX_IMAGE,
        f"resize from the image size to {2 * MAX_IMAGE}": d.image_size <= d.resize <= 2 * MAX_IMAGE,
        f"names that are UTF-8 without control characters{_odd_name(d)}": not _odd_name(d),
        f"a variant's name of at most {MAX_NAME} bytes": len(d.variant.encode(errors="replace")) <= MAX_NAME,
        f"means of at most {MAX_COLOUR:g} and stds of {MIN_STD:g} to {MAX_COLOUR:g}": (
            all(abs(mean) <= MAX_COLOUR for mean in d.mean)
            and all(MIN_STD <= std <= MAX_COLOUR for std in d.std)
        ),
    }
    return [condition for condition, holds in conditions.items() if not holds]


def _odd_name(d):
    """The first name that is no text for the format, in brackets, with its class; "" where all are."""
    for label, name in (
        ("the variant", d.variant),
        *((f"class {i}", n) for i, n in enumerate(d.class_names)),
    ):
        if not _is_text(name):
            return f" ({label} is {name!r})"
    return ""


def _is_text(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not any(character < " " or character == "\x7f" for character in name)


# --- writing ---


def encode(description, graph):
    """The bytes of a packed file.

    Raises ValueError beyond the format's limits, and for tensors that are not finite in 32 bits.
    """
    size, classes = description.image_size, graph.shape_of(len(graph.nodes))[0]
    broken = description_violations(description) + violations(graph)
    if graph.shape != (3, size, size):
        broken.append(f"a graph for images {(3, size, size)}")
    if len(description.class_names) not in (0, classes):
        broken.append("one class name per class, or none")
    if broken:
        raise ValueError(f"packed file: expected {broken[0]}")
    whole = packed_bytes(graph, description.variant, description.class_names)
    if whole > MAX_BYTES:
        raise ValueError(f"packed file: expected at most {MAX_BYTES} bytes, got {whole}")
    words = np.array([word for node in graph.nodes for word in _node_words(node)], "<u4")
    body = words.tobytes() + b"".join(_tensor(node, name) for node in graph.nodes for name in node.tensors)
    texts = _texts(description.variant, description.class_names)
    length = _header_length(texts)
    header = HEADER.pack(
        PACKED_SIGNATURE, VERSION, length, whole, size, description.resize, *description.mean, *description.std,
        len(words), *map(len, texts), 0,
    )  # fmt: skip
    data = (header + b"".join(texts)).ljust(length, b"\0") + body
    return data + CHECKSUM.pack(zlib.crc32(data))


def packed_bytes(graph, variant, class_names=()):
    """Length in bytes of a graph's packed file. It depends on nothing else, and not on the numbers in the graph's tensors."""
    words = sum(len(_node_words(node)) + _tensor_words(node) for node in graph.nodes)
    return _header_length(_texts(variant, class_names)) + 4 * words + CHECKSUM.size


def _texts(variant, class_names):
    return [variant.encode(), "".join(f"{name}\n" for name in class_names).encode()]


def _header_length(texts):
    return -(-(HEADER.size + sum(map(len, texts))) // ALIGNMENT) * ALIGNMENT


def _tensor_words(node):
    kinds = OPS[node.op].tensors
    return sum(-(-a.size // WORD) if kinds[name] == BITS else a.size for name, a in node.tensors.items())


def _node_words(node):
    row = OPS[node.op]
    words = [row.number, *([len(node.inputs)] if row.inputs is None else []), *node.inputs]
    if "weight" in row.tensors:
        filters, _, *kernel = node.tensors["weight"].shape
        words += [filters, *kernel]
    for name, kind in row.attributes.items():
        words += kind.to_words(node.attributes[name])
    words += [int(node.tensors[name].size > 1) for name, kind in row.tensors.items() if kind == VECTOR]
    return words


def _tensor(node, name):
    kind, array = OPS[node.op].tensors[name], node.tensors[name]
    if kind == BITS:
        bits = np.zeros(-(-array.size // WORD) * WORD, bool)
        bits[: array.size] = array.ravel()
        return np.packbits(bits, bitorder="little").tobytes()
    if kind == INDEX:
        return array.astype("<u4").tobytes()
    if not np.isfinite(array).all():
        raise ValueError(f"packed file: {node.name}: {name}: expected finite numbers")
    return array.astype("<f4").tobytes()


# --- reading ---


def decode(data, name="packed file"):
    """(Description, Graph) of a packed file's bytes.

    Raises InputError, naming the file, for anything but a whole packed file of this version.
    """
    try:
        return _decode(data)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def _decode(data):
    least = HEADER.size + CHECKSUM.size
    _require(least <= len(data) <= MAX_BYTES, f"{least} to {MAX_BYTES} bytes", len(data))
    signature, version, length, whole, size, resize, *rest = HEADER.unpack_from(data)
    mean, std, (words, *text_bytes, reserved) = tuple(rest[:3]), tuple(rest[3:6]), rest[6:]
    _require(signature == PACKED_SIGNATURE, "the signature of a packed file", "other bytes")
    if 1 <= version < VERSION:
        raise ValueError(f"version: expected {VERSION}, got {version}; export the network again")
    _require(version == VERSION, f"version {VERSION}", version)
    _require(whole == len(data), f"{whole} bytes, as its header says", len(data))
    _require(reserved == 0, "zero in the reserved field", reserved)
    _require(text_bytes[0] <= MAX_NAME, f"a variant's name of at most {MAX_NAME} bytes", text_bytes[0])
    texts_end = HEADER.size + sum(text_bytes)
    _require(
        length == -(-texts_end // ALIGNMENT) * ALIGNMENT, "the header's length that its texts take", length
    )
    nodes_end = length + 4 * words
    _require(nodes_end + CHECKSUM.size <= whole, "nodes within the file", f"{words} numbers")
    description = Description("", size, resize, mean, std)
    _expect_none(description_violations(description))
    if CHECKSUM.unpack_from(data, whole - CHECKSUM.size)[0] != zlib.crc32(memoryview(data)[: -CHECKSUM.size]):
        raise ValueError("its checksum does not match: the file is damaged")
    _require(not any(data[texts_end:length]), "zeros behind the texts", "others")
    numbers = _Words(np.frombuffer(data, "<u4", words, length).tolist())
    graph = _graph(size, numbers, _Tensors(data, nodes_end, whole - CHECKSUM.size))
    _expect_none(violations(graph))
    classes = graph.nodes[-1].shape[0]
    description = _with_texts(description, data[HEADER.size : texts_end], text_bytes[0], classes)
    _expect_none(description_violations(description))
    return description, graph


def _require(holds, expected, got, name=""):
    if not holds:
        raise ValueError(f"{name}{': ' if name else ''}expected {expected}, got {got}")


def _expect_none(broken):
    if broken:
        raise ValueError(f"expected {broken[0]}")


def _with_texts(description, texts, variant_bytes, classes):
    """The Description with its texts: the variant's name, and a line for each class or none at all."""
    try:
        variant, names = texts[:variant_bytes].decode(), texts[variant_bytes:].decode()
    except UnicodeDecodeError as error:
        raise ValueError("texts: expected UTF-8, got other bytes") from error
    *class_names, rest = names.split("\n")
    _require(len(class_names) in (0, classes), f"none or {classes}", len(class_names), "class names")
    _require(not rest, "a line feed behind the last one", "none", "class names")
    return replace(description, variant=variant, class_names=tuple(class_names))


class _Words:
    """The numbers of the nodes, one after the other."""

    def __init__(self, numbers):
        self.numbers, self.at = numbers, 0

    def more(self):
        """True before the end."""
        return self.at < len(self.numbers)

    def take(self, count):
        """The next `count` numbers."""
        at, self.at = self.at, self.at + count
        _require(self.at <= len(self.numbers), "more numbers of a node", "the end of the nodes")
        return self.numbers[at : self.at]


def _node(words):
    """(op, inputs, filters, attributes, varies) of the next node. filters: (O, kh, kw) or (); varies: of each vector."""
    (number,) = words.take(1)
    _require(number in NAMES, f"an operation of 1 to {len(NAMES)}", number)
    op = NAMES[number]
    row = OPS[op]
    inputs = row.inputs or words.take(1)[0]
    _require(1 <= inputs <= MAX_INPUTS, f"1 to {MAX_INPUTS} inputs", inputs)
    inputs = tuple(words.take(inputs))
    filters = tuple(words.take(3)) if "weight" in row.tensors else ()
    attributes = {
        name: _attribute(name, kind, words.take(kind.count)) for name, kind in row.attributes.items()
    }
    varies = words.take(sum(kind == VECTOR for kind in row.tensors.values()))
    _require(set(varies) <= {0, 1}, "0 or 1 for a vector", varies)
    return op, inputs, filters, attributes, varies


def _attribute(name, kind, numbers):
    try:
        return kind.from_words(numbers)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


class _Tensors:
    """The file's tensors, one after the other."""

    def __init__(self, data, at, end):
        self.data, self.at, self.end = data, at, end

    def take(self, kind, count):
        """The next `count` words as numbers of a type."""
        at, self.at = self.at, self.at + 4 * count
        _require(self.at <= self.end, "more bytes of tensors", "the end of the file")
        return np.frombuffer(self.data, kind, count, at)

    def floats(self, count):
        """The next numbers, finite."""
        numbers = self.take("<f4", count)
        _require(np.isfinite(numbers).all(), "finite numbers", "others")
        return numbers

    def bits(self, shape):
        """The next bits as booleans."""
        count = math.prod(shape)
        words = self.take("<u4", -(-count // WORD))
        bits = np.unpackbits(words.view(np.uint8), bitorder="little")
        _require(not bits[count:].any(), "zeros behind the last bit", "ones")
        return bits[:count].astype(bool).reshape(shape)


def _graph(size, words, tensors):
    builder = GraphBuilder((3, size, size))
    while words.more():
        number = len(builder.nodes) + 1
        _require(number <= MAX_NODES, f"at most {MAX_NODES} nodes", "more")
        try:
            op, inputs, filters, attributes, varies = _node(words)
            arguments = _node_tensors(OPS[op], builder, inputs, filters, attributes, varies, tensors)
            builder.add(op, *inputs, **attributes, **arguments)
        except ValueError as error:
            raise ValueError(f"node {number}: {str(error).removeprefix(': ')}") from error
    left = tensors.end - tensors.at
    _require(left == 0, "tensors up to the checksum", f"{left} bytes more")
    return builder.graph()


def _node_tensors(row, builder, inputs, filters, attributes, varies, tensors):
    _require(max(inputs) < len(builder.shapes), "values that are made before", inputs)
    channels, arguments = builder.shapes[inputs[0]][0], {}
    for name, kind in row.tensors.items():
        if kind == VECTOR:
            arguments[name] = tensors.floats(channels if varies.pop(0) else 1)
        elif kind == INDEX:
            arguments[name] = tensors.take("<u4", channels)
        else:
            groups = attributes["groups"]
            _require(groups > 0 and channels % groups == 0, f"groups that divide {channels} channels", groups)
            shape = (filters[0], channels // groups, *filters[1:])
            numbers = tensors.bits(shape) if kind == BITS else tensors.floats(math.prod(shape))
            arguments[name] = numbers.reshape(shape)
    return arguments
