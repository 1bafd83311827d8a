"""Packed files of version 3: the bytes that FORMAT.md describes, and what is read of them, whole or damaged."""

import re
import struct
import zlib

import numpy as np
import pytest

from src.common.errors import InputError
from src.deploy.packed_file import Description, decode, encode
from src.graph.ir import Graph, GraphBuilder
from tests.graph.packed_faults import FAULTS, GRAPH, NAMES, WHOLE
from tests.graph.packed_files import Parts, packed, same_graph, sealed, tensor_bytes, words_of
from tests.graph.random_graphs import random_graph

COLOURS = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
DESCRIPTION = Description("größe", 4, 9, **COLOURS, class_names=("ant", "b"))


def two_classes():
    """Graph of five nodes, 3 x 4 x 4 to two classes, of numbers that one can find again."""
    builder = GraphBuilder((3, 4, 4))
    x = builder.add("binarize", 0, levels=(-1, 0, 1), threshold=[0.25, 0.5, 0.75])
    bits = np.zeros((2, 3, 3, 2), bool)
    bits[0, 0, 0, 1] = bits[1, 2, 2, 1] = bits[1, 2, 1, 0] = True  # bits 1, 35 and 32
    x = builder.add(
        "binary_conv2d", x, weight=bits, stride=1, padding=(2, 1, 0, 0), groups=1, pad_value=-0.75
    )
    x = builder.add("affine", builder.add("concat", x, x, x), factor=[2], offset=[1, 2, 3, 4, 5, 6])
    x = builder.add("permute", x, order=[5, 0, 1, 2, 3, 4])
    x = builder.add("slice", builder.add("global_mean", x), start=1, step=3, count=2)
    builder.add("layer_norm", x, epsilon=0.5, factor=[1, 2], offset=[0])
    return builder.graph()


def test_bytes_are_at_the_documented_places():
    data = encode(DESCRIPTION, two_classes())
    assert data[:8] == bytes.fromhex("8942694D4C500D0A")
    assert struct.unpack_from("<IIQII", data, 8) == (3, 112, len(data), 4, 9)
    assert struct.unpack_from("<6d", data, 32) == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    texts = "größeant\nb\n".encode()
    assert struct.unpack_from("<4I", data, 80) == (39, 7, 6, 0)
    assert data[96:112] == texts + bytes(16 - len(texts))
    nodes = [
        (2, 0, 2, 1),  # binarize of the image, three levels, a threshold for each channel
        (
            3,
            1,
            2,
            3,
            2,
            1,
            2,
            1,
            0,
            0,
            1,
            0xBF400000,
        ),  # 2 filters 3 x 2; stride, top, left, bottom, right, groups, -0.75 outside in 32 bits
        (9, 3, 2, 2, 2),
        (4, 3, 0, 1),  # one factor, an offset for each channel
        (11, 4),
        (14, 5),
        (10, 6, 1, 3, 2),
        (16, 7, 0x3F000000, 1, 0),  # 0.5 in 32 bits
    ]
    words = [word for node in nodes for word in node]
    assert list(struct.unpack_from("<39I", data, 112)) == words


def test_tensors_are_at_the_documented_places():
    data = encode(DESCRIPTION, two_classes())
    at = struct.unpack_from("<I", data, 12)[0] + 4 * struct.unpack_from("<I", data, 80)[0]
    assert struct.unpack_from("<3f", data, at) == (0.25, 0.5, 0.75)
    assert struct.unpack_from("<2I", data, at + 12) == (1 << 1, 1 << 0 | 1 << 3)
    assert struct.unpack_from("<7f", data, at + 20) == (2, 1, 2, 3, 4, 5, 6)
    assert struct.unpack_from("<6I", data, at + 48) == (5, 0, 1, 2, 3, 4)
    assert struct.unpack_from("<3f", data, at + 72) == (1, 2, 0)
    assert len(data) == at + 84 + 4
    assert struct.unpack_from("<I", data, at + 84) == (zlib.crc32(data[:-4]),)


def test_what_is_read_is_what_was_written():
    description, graph = decode(encode(DESCRIPTION, two_classes()))
    assert description == DESCRIPTION and same_graph(graph, two_classes())
    for seed in range(60):
        graph = random_graph(seed)
        data = packed(graph)
        found = decode(data)
        assert same_graph(found[1], graph) and encode(*found) == data
        assert {node.name for node in found[1].nodes} == {""}


def test_graphs_that_differ_are_told_apart():
    graph = random_graph(3)
    for seed in (4, 5):
        assert not same_graph(graph, random_graph(seed))
    *rest, last = graph.nodes
    tensors = {name: np.nextafter(array, np.float32(9), dtype=np.float32) if array.dtype == np.float32 else ~array
               for name, array in last.tensors.items()}  # fmt: skip
    assert tensors and not same_graph(
        graph, Graph(graph.shape, (*rest, type(last)(**{**vars(last), "tensors": tensors})))
    )


@pytest.mark.parametrize("seed", range(0, 30, 3))
def test_a_file_is_as_long_as_its_parts(seed):
    graph = random_graph(seed)
    words = sum(words_of(node)[1] for node in graph.nodes)
    tensors = sum(map(tensor_bytes, graph.nodes))
    for variant, names, header in (
        ("", (), 96),
        ("v" * 16, (), 112),
        ("v" * 17, ("",) * graph.nodes[-1].shape[0], None),
    ):
        header = header or -(-(96 + 17 + len(names)) // 16) * 16
        assert len(packed(graph, variant=variant, class_names=names)) == header + 4 * words + tensors + 4


def test_parts_are_put_together_again():
    parts = Parts(WHOLE)
    assert parts.data() == WHOLE == sealed(WHOLE)
    assert len(parts.nodes) == len(GRAPH.nodes)


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_a_file_is_named(name):
    damage, engine_says, *python_says = FAULTS[name]
    data = damage()
    assert data != WHOLE
    with pytest.raises(InputError, match=f"some.packed: .*{(python_says or [engine_says])[0]}") as error:
        decode(data, "some.packed")
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_off_is_refused_wherever_it_was_cut():
    decode(WHOLE)
    for end in range(len(WHOLE)):
        with pytest.raises(InputError, match="packed file: "):
            decode(WHOLE[:end])
        if end > 24:  # with length and checksum that fit
            with pytest.raises(InputError, match="packed file: "):
                decode(sealed(WHOLE[:16] + struct.pack("<Q", end) + WHOLE[24:end]))


@pytest.mark.parametrize(
    "fields,said",
    [
        ({"class_names": ("a",)}, "one class name per class, or none"),
        (
            {"class_names": ("a", "b\nc", "d")},
            r"names that are UTF-8 without control characters \(class 1 is 'b\\nc'\)",
        ),
        ({"class_names": ("a", "\udcff", "d")}, r"names that are UTF-8"),
        ({"variant": "a\tb"}, r"without control characters \(the variant is 'a\\tb'\)"),
        ({"variant": "é" * 33}, "a variant's name of at most 64 bytes"),
        ({"resize": 7}, "resize from the image size"),
        ({"std": (0.0, 1.0, 1.0)}, "stds of 0.001"),
        ({"mean": (np.nan, 0.0, 0.0)}, "means of at most 1000"),
        ({"image_size": 4}, r"a graph for images \(3, 4, 4\)"),
    ],
)
def test_a_description_that_the_format_cannot_hold_is_not_written(fields, said):
    with pytest.raises(ValueError, match=f"packed file: expected .*{said}"):
        packed(GRAPH, **fields)


def test_graphs_that_the_format_cannot_hold_are_not_written():
    with pytest.raises(ValueError, match="packed file: expected an output of 1 x 1"):
        packed(Graph(GRAPH.shape, GRAPH.nodes[:2]))
    builder = GraphBuilder((3, 1, 1))
    builder.add("affine", 0, factor=[np.inf], offset=[0], name="stem.norm")
    with pytest.raises(ValueError, match="packed file: stem.norm: factor: expected finite numbers"):
        packed(builder.graph())


def test_class_names_are_read_as_they_were_written():
    names = ('say "a\\b"', "größer ≥ 猫 🐈", "")
    assert decode(packed(GRAPH, class_names=names, variant='"'))[0].class_names == names
    assert decode(WHOLE)[0].class_names == NAMES and re.search(b"ant\n", WHOLE)
