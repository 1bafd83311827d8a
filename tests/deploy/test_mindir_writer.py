"""MINDIR files from graphs: only classic primitives, the names of the network, and the logits of the graph."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mindspore.train.mind_ir_pb2 import AttributeProto

from src.deploy.mindir_file import load_mindir
from src.deploy.mindir_ops import PRIMITIVES, TRANSLATIONS
from src.deploy.mindir_parts import load_mindir_in_parts, rounded_values, with_outputs
from src.deploy.mindir_writer import message_of, write_mindir
from src.graph import run_reference
from src.graph.ir import GraphBuilder
from src.graph.ops import OPS
from tests.graph.random_graphs import images_for, random_graph

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(24)  # of graphs that are run
MORE_SEEDS = range(250)  # of graphs that are written alone


def file_of(graph):
    """ModelProto of a file for any number of images."""
    return message_of(graph, None)[0]


# --- the form ---


def test_every_operation_is_translated():
    assert TRANSLATIONS.keys() == OPS.keys()


def test_random_graphs_need_the_listed_primitives_and_no_others():
    found = set()
    for seed in MORE_SEEDS:
        message = file_of(random_graph(seed))
        assert message.mind_ir_version == 1
        found |= {primitive.op_type for primitive in message.primitives}
    assert found == set(PRIMITIVES)


def test_the_page_lists_the_primitives():
    page = (ROOT / "docs" / "deploy.md").read_text().partition("## Primitives")[2]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", page.partition("\n## ")[0], re.MULTILINE)
    assert [name for name, _ in rows] == list(TRANSLATIONS)
    assert {name for _, cells in rows for name in re.findall(r"`(\w+)`", cells)} == set(PRIMITIVES)


def test_attributes_belong_to_primitives_and_scalars_are_tensors():
    """Inputs are tensors, but for shapes, axes, bounds, and the type of a Cast."""
    for seed in SEEDS:
        message = file_of(random_graph(seed))
        kinds = {f"REF::{primitive.name}": primitive.op_type for primitive in message.primitives}
        constants = {node.output[0]: node for node in message.graph.node if node.op_type == "Constant"}
        for node in message.graph.node:
            for place, name in enumerate(node.input):
                value = constants[name].attribute[0] if name in constants else None
                if value is None:
                    continue
                if kinds[node.op_type] in ("Reshape", "ReduceMean", "StridedSlice", "Gather", "Cast"):
                    assert place > 0
                else:
                    assert value.type == AttributeProto.TENSORS and len(value.tensors[0].dims) == 4


def test_names_are_unique_and_made_before_they_are_read():
    for seed in SEEDS:
        graph = file_of(random_graph(seed)).graph
        known = {*(value.name for value in graph.input), *(tensor.name for tensor in graph.parameter)}
        for node in graph.node:
            assert set(node.input) <= known and node.output[0] not in known
            known.add(node.output[0])
        domains = [node.domain for node in graph.node if node.op_type != "Constant"]
        assert len(set(domains)) == len(domains)
        assert graph.output[0].name in known


# --- what it computes ---


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs_compute_what_the_reference_does(seed, tmp_path):
    graph = random_graph(seed)
    images, path = images_for(graph, seed), tmp_path / "graph.mindir"
    write_mindir(graph, None if seed % 2 else len(images), path)
    expected = run_reference(graph, images)
    atol = 1e-4 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(load_mindir(path)(images), expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("size", "stride", "taps", "padding", "kept"),
    [
        (1, 1, 7, 3, (3, 4)),
        (2, 1, 7, 3, (2, 5)),
        (4, 1, 7, 3, (0, 7)),
        (1, 2, 5, 3, (1, 4)),
        (3, 2, 5, 2, (0, 5)),
    ],
)
def test_taps_that_see_padding_alone_are_left_out(size, stride, taps, padding, kept, tmp_path):
    """Lite's depth-wise convolution would write beyond its memory."""
    random = np.random.default_rng(0)
    weight = random.normal(size=(3, 1, 1, taps)).astype(np.float32)
    builder = GraphBuilder((3, size, size))
    window = {"stride": stride, "padding": (0, padding, 0, padding), "groups": 3}
    builder.add("global_mean", builder.add("conv2d", 0, weight=weight, **window))
    graph, path = builder.graph(), tmp_path / "graph.mindir"
    (tensor,) = file_of(graph).graph.parameter
    written = np.frombuffer(tensor.raw_data, np.float32).reshape(tensor.dims)
    np.testing.assert_array_equal(written, weight[..., slice(*kept)])
    write_mindir(graph, 2, path)
    images = random.normal(size=(2, 3, size, size)).astype(np.float32)
    np.testing.assert_allclose(load_mindir(path)(images), run_reference(graph, images), atol=1e-5)


def test_padding_is_never_the_largest(tmp_path):
    builder = GraphBuilder((3, 4, 4))
    window = {"kernel": (3, 2), "stride": 2, "padding": (1, 1, 2, 0)}
    builder.add("global_mean", builder.add("pool", 0, kind="max", **window))
    graph, path = builder.graph(), tmp_path / "graph.mindir"
    write_mindir(graph, None, path)
    images = -1 - np.random.default_rng(0).random((2, 3, 4, 4), np.float32)
    np.testing.assert_allclose(load_mindir(path)(images), run_reference(graph, images), atol=1e-6)


# --- in parts ---


def test_a_file_tells_of_which_values_signs_and_phases_are_made(tmp_path):
    builder = GraphBuilder((3, 4, 4))
    x = builder.add("affine", 0, factor=[2], offset=[1])
    phase = builder.add("unary", x, function="cos")
    signs = builder.add("binarize", phase, levels=(-1, 0, 1), threshold=[0.25])
    builder.add("global_mean", signs)
    graph, path = builder.graph(), tmp_path / "graph.mindir"
    names, message = write_mindir(graph, 2, path), file_of(graph)
    found = rounded_values(message)
    assert list(found) == [names[x], names[phase]]
    comparisons = [(kind, np.frombuffer(tensor.raw_data, "<f4")) for kind, tensor in found[names[phase]]]
    assert found[names[x]] == [] and comparisons == [("Greater", 0.25), ("Less", -0.25)]
    images = images_for(graph, 0)[:2]
    with_outputs(message, list(found))
    (tmp_path / "probe.mindir").write_bytes(message.SerializeToString())
    logits, *values = load_mindir(tmp_path / "probe.mindir")(images)
    np.testing.assert_allclose(values[0], 2 * images + 1, rtol=1e-6)
    np.testing.assert_allclose(values[1], np.cos(2 * images + 1), atol=1e-6)
    parts = load_mindir_in_parts(path, list(found))
    own, again = parts(images, values)
    np.testing.assert_array_equal(own, logits)
    np.testing.assert_array_equal(again, values)
    assert np.abs(parts(images, [-value for value in values])[0] - logits).max() > 0.1


# --- bytes ---

WRITE = """
import sys
from pathlib import Path
from src.deploy.mindir_writer import write_mindir
from tests.graph.random_graphs import random_graph
write_mindir(random_graph(5), None, Path(sys.argv[1]))
"""


def test_files_of_two_processes_are_equal(tmp_path):
    paths = [tmp_path / f"{name}.mindir" for name in "ab"]
    for path in paths:
        subprocess.run([sys.executable, "-c", WRITE, str(path)], cwd=ROOT, check=True, capture_output=True)
    write_mindir(random_graph(5), None, tmp_path / "c.mindir")
    first, second, third = (path.read_bytes() for path in (*paths, tmp_path / "c.mindir"))
    assert first == second == third
