"""Graphs in the engine: its operations and readers are those of Python and FORMAT.md, its logits those of the reference."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from scripts.fuzz_graphs import PLANS, THREADS, compare, open_bytes
from scripts.fuzz_readers import disagreement, whole_files
from src.common.errors import InputError
from src.deploy import packed_file
from src.engine.library import library
from src.graph.attributes import Choice, Integers, Real
from src.graph.ir import MAX_INPUTS, Graph, GraphBuilder
from src.graph.limits import MAX_NODES
from src.graph.meanings import FUNCTIONS
from src.graph.ops import OPS
from tests.graph.damages import damaged
from tests.graph.packed_faults import FAULTS, GRAPH, NAMES, WHOLE
from tests.graph.packed_files import packed, sealed
from tests.graph.random_graphs import images_for, random_graph

WORDS = "words in the rows that a binary convolution's window covers"
FORMAT = Path(packed_file.__file__).with_name("FORMAT.md").read_text()


def kind_in_words(kind):
    """Limits of an attribute as bimlp_ops has them."""
    if isinstance(kind, Integers):
        return f"{kind.count} x {kind.low}..{kind.high}" if kind.count > 1 else f"{kind.low}..{kind.high}"
    if isinstance(kind, Real):
        return f"{kind.low:g} to {kind.high:g}"
    assert isinstance(kind, Choice)
    return f"0..{len(kind.values) - 1}"


def line_of(name, row):
    """Line of an operation as bimlp_ops has it."""
    parts = [f"{row.number} {name}: {row.inputs or f'1..{MAX_INPUTS}'}"]
    attributes = [f"{key} {kind_in_words(kind)}" for key, kind in row.attributes.items()]
    tensors = [f"{key} {kind}" for key, kind in row.tensors.items()]
    return "; ".join(parts + [", ".join(each) for each in (attributes, tensors) if each])


def names_in(cell):
    """Names of a cell of FORMAT.md's table, without what it says of them in brackets."""
    return [name.strip() for name in re.sub(r"\([^)]*\)", "", cell).split(",") if name.strip()]


def test_the_engine_has_the_operations_of_python():
    *lines, functions = library().bimlp_ops().decode().splitlines()
    assert lines == [line_of(name, row) for name, row in OPS.items()]
    assert functions == f"functions: {' '.join(FUNCTIONS)}"


def test_the_format_describes_the_operations():
    rows = [
        line.strip("| ").split("|") for line in FORMAT.splitlines() if re.match(r"\| \d+ \| [a-z]+", line)
    ]
    rows = [row for row in rows if row[1].strip() in OPS]
    found = [
        (int(number), name.strip(), names_in(attributes), names_in(tensors))
        for number, name, attributes, tensors, _ in rows
    ]
    assert found == [(row.number, name, list(row.attributes), list(row.tensors)) for name, row in OPS.items()]
    sentence = re.search(r"^Functions: (.*?)\.$", FORMAT, re.M | re.S).group(1)
    assert names_in(sentence.replace("\n", " ")) == [f"{i} {name}" for i, name in enumerate(FUNCTIONS)]


@pytest.mark.parametrize("seeds", [range(0, 15), range(15, 30)], ids=str)
def test_logits_are_those_of_the_reference(instruction_set, seeds):
    ways = [(instruction_set, plan, threads) for plan in PLANS for threads in THREADS]
    for seed in seeds:
        graph = random_graph(seed)
        largest, faults = compare(graph, images_for(graph, seed), ways)
        assert not faults and largest < 1e-5, (seed, faults)


def test_whole_files_are_read():
    with open_bytes(WHOLE) as engine:
        found = engine.description
    assert (found["variant"], found["image_size"], found["resize"], found["classes"]) == ("small", 8, 9, 3)
    assert found["class_names"] == list(NAMES) and found["nodes"] == len(GRAPH.nodes)


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_a_file_is_named(name):
    damage, said, *_ = FAULTS[name]
    with pytest.raises(InputError, match=f"^packed file: .*{said}") as error:
        open_bytes(damage())
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_off_is_refused_wherever_it_was_cut():
    for end in range(len(WHOLE)):
        resized = sealed(WHOLE[:16] + struct.pack("<Q", end) + WHOLE[24:end]) if end > 24 else b""
        for data in (WHOLE[:end], resized):
            with pytest.raises(InputError, match="packed file: "):
                open_bytes(data)


def test_both_readers_accept_the_same_files():
    files, accepted = whole_files(0)[:100], 0
    for seed in range(1500):
        python, engine, differ = disagreement(damaged(files[seed % len(files)], seed))
        assert not differ, (seed, python, engine)
        accepted += not python
    assert 50 < accepted < 500


def many_nodes():
    """Graph of a node too many."""
    builder = GraphBuilder((3, 1, 1))
    builder.add("global_mean", 0)
    return Graph(builder.graph().shape, builder.graph().nodes * (MAX_NODES + 1))


def large_maps():
    """Graph of 2^26 numbers and a few."""
    builder = GraphBuilder((3, 2048, 2048))
    builder.add("global_mean", 0)
    return builder.graph()


def much_work():
    """Graph of 16 pools of 2^36 multiplications each, and a mean."""
    builder, value = GraphBuilder((3, 1024, 1024)), 0
    value = builder.add("concat", *[value] * 5)
    for _ in range(18):
        value = builder.add("pool", value, kind="max", kernel=(64, 64), stride=1, padding=(31, 31, 32, 32))
    builder.add("global_mean", value)
    return builder.graph()


def wide_window(size, levels):
    """Graph with a depth-wise binary convolution of 2048 channels whose window covers 64 rows of `size` positions."""
    builder, value = GraphBuilder((3, size, size)), 0
    conv = {"stride": 1, "padding": (0,) * 4, "groups": 1}
    for height in (*(64,) * ((size - 1) // 63), (size - 1) % 63 + 1):  # down to one row
        value = builder.add("pool", value, kind="max", kernel=(height, 1), stride=1, padding=(0,) * 4)
    value = builder.add("conv2d", value, weight=np.zeros((2048, 3, 1, 1)), **conv)
    value = builder.add("binarize", value, levels=levels, threshold=[0])
    conv = {**conv, "padding": (63, 0, 0, 0), "groups": 2048, "pad_value": 0}
    value = builder.add("binary_conv2d", value, weight=np.zeros((2048, 1, 64, 2), bool), **conv)
    builder.add("global_mean", value)
    return builder.graph()


@pytest.mark.parametrize(
    "graph,said",
    [
        (many_nodes, "nodes: expected at most 65536, got 65537"),
        (large_maps, "numbers alive at once: expected at most 67108864, got 67108880"),
        (much_work, "multiplications: expected at most 1099511627776, got"),
        (lambda: wide_window(513, (-1, 1)), f"{WORDS}: expected at most 67108864, got {64 * 513 * 2048}"),
        (
            lambda: wide_window(257, (-1, 0, 1)),
            f"{WORDS}: expected at most 67108864, got {2 * 64 * 257 * 2048}",
        ),
    ],
)
def test_graphs_beyond_the_limits_are_refused_by_both_readers(graph, said, monkeypatch):
    graph = graph()
    with pytest.raises(ValueError, match="packed file: expected "):
        packed(graph)
    with monkeypatch.context() as patch:
        patch.setattr(packed_file, "violations", lambda graph: [])
        data = packed(graph)
    with pytest.raises(InputError, match=f"packed file: {said}"):
        open_bytes(data)
    with pytest.raises(InputError, match="packed file: expected "):
        packed_file.decode(data)
