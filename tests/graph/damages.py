"""Random damages of packed files: of single words of nodes, whole nodes, tensors, texts, fields, and bytes anywhere."""

import random
import struct

from tests.graph.packed_files import HEADER, sealed

WORDS = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    100,
    2048,
    2049,
    65535,
    65536,
    65537,
    1 << 22,
)
WORDS += (
    0x3F800000,
    0x7F800000,
    0x7FC00000,
    0xFF7FFFFF,
    0x80000000,
    0x7FFFFFFF,
    0xFFFFFFFF,
    0xFFFFFFFE,
    0xFFFFFFFC,
)


def another(rng, word):
    """Another word: near this one, a small one, one that is a limit, or any."""
    new = rng.choice(
        (word + 1, word - 1, 2 * word, word ^ 1 << rng.randrange(32), rng.randrange(9), rng.choice(WORDS))
    )
    return new % (1 << 32)


def damage_word(parts, rng):
    """Another word of a node: its operation, an input, an attribute, a count."""
    node = rng.choice(parts.nodes)
    at = rng.randrange(len(node))
    node[at] = another(rng, node[at])


def damage_input(parts, rng):
    """Another value as an input."""
    i = rng.randrange(len(parts.nodes))
    if len(parts.nodes[i]) > parts.places[i]["inputs"]:
        parts.nodes[i][parts.places[i]["inputs"]] = rng.randrange(i + 2)


def move_node(parts, rng):
    """A node twice, elsewhere or not at all, with or without its tensors, and values by their old or new numbers."""
    i, j = rng.randrange(len(parts.nodes)), rng.randrange(len(parts.nodes))
    node, tensors, places = list(parts.nodes[i]), parts.tensors[i], parts.places[i]
    kind, step = rng.choice((("remove", -1), ("repeat", 1), ("move", 0)))
    if kind != "repeat":
        del parts.nodes[i], parts.places[i]
        tensors = parts.tensors.pop(i) if rng.random() < 0.8 else tensors
    if kind != "remove":
        parts.nodes.insert(j, node)
        parts.places.insert(j, places)
        parts.tensors.insert(j, tensors if rng.random() < 0.8 else b"")
    if step and rng.random() < 0.7:
        first = i if kind == "remove" else j
        for later, words in zip(parts.places[first + 1 :], parts.nodes[first + 1 :]):
            end = later.get(
                "filter", min((at for name, at in later.items() if name != "inputs"), default=len(words))
            )
            for at in range(later["inputs"], end):
                words[at] += step * (words[at] > first)


def damage_tensor(parts, rng):
    """Another word, or another number of words, of a node's tensors."""
    i = rng.choice([i for i, data in enumerate(parts.tensors) if data] or [None])
    if i is None:
        return
    data = parts.tensors[i]
    at = 4 * rng.randrange(len(data) // 4)
    (word,) = struct.unpack_from("<I", data, at)
    word = struct.pack("<I", another(rng, word))
    parts.tensors[i] = rng.choice(
        (data[:at] + word + data[at + 4 :], data[:at], data + word, data[:at] + word + data[at:])
    )


def damage_header(parts, rng):
    """Another field of the header, or other texts of the same length."""
    if rng.random() < 0.5 and parts.texts:
        at = rng.randrange(len(parts.texts))
        parts.texts = (
            parts.texts[:at]
            + bytes([rng.choice((0, 10, 31, 32, 127, 128, 0xC2, 0xED, 0xF4, 255))])
            + parts.texts[at + 1 :]
        )
        return
    at = rng.choice((4, 5, *range(6, 12), 13, 14))
    if at in range(6, 12):
        parts.header[at] = rng.choice(
            (0.0, -1.0, 1e-3, 1e3, -1e3, 1000.1, 1e-4, float("nan"), float("inf"), 5e-324)
        )
    else:
        parts.header[at] = another(rng, parts.header[at])


def damage_bytes(data, rng):
    """The bytes, of which some are others, gone or more."""
    data = bytearray(data)
    at = rng.randrange(len(data))
    kind = rng.randrange(5)
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[at] = rng.randrange(256)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data[at:at] = bytes([rng.randrange(256)]) * rng.choice((1, 4, 16))
    else:
        at = at // 4 * 4
        data[at : at + 4] = struct.pack("<I", rng.choice(WORDS))
    return bytes(data)


DAMAGES = (
    damage_word,
    damage_word,
    damage_word,
    damage_input,
    move_node,
    move_node,
    damage_tensor,
    damage_header,
)


def damaged(parts, seed):
    """Bytes of a damaged file, most of them with lengths and a checksum that fit. parts: of the whole one."""
    rng = random.Random(seed)
    parts = parts.copy()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if parts.nodes:
            rng.choice(DAMAGES)(parts, rng)
    data = parts.data()
    if rng.random() < 0.2:
        data = damage_bytes(data, rng)
        if rng.random() < 0.7 and len(data) > HEADER.size:
            data = sealed(data[:16] + struct.pack("<Q", len(data)) + data[24:])
    return data
