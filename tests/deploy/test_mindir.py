"""MINDIR files by MindSpore: what is in them, and that they compute what the network does."""

import subprocess
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from mindspore.train.mind_ir_pb2 import ModelProto

from src.common.errors import InputError
from src.deploy import export_network
from src.deploy.mindir_file import load_mindir, write_by_framework
from src.deploy.modes import reports_in
from src.model import binary_layers
from tests.deploy.fed import feeding
from tests.deploy.mindir_graph import add_outputs, read_graph

ROOT = Path(__file__).resolve().parents[2]
SIZE = 32
TWO_STAGES = {"widths": (8, 16), "depths": (1, 1)}
ORDERING = {"MakeTuple", "UpdateState", "Depend"}  # they keep the reads of parameters in order


@pytest.fixture(scope="module")
def exported(tiny, images, logits, tmp_path_factory):
    """A binary network of two stages exported for any batch size: (Exported, logits of 5 images)."""
    network = tiny(**TWO_STAGES)
    expected = logits(network, images(5))
    path = tmp_path_factory.mktemp("mindir") / "tiny.mindir"
    return export_network(network, "MINDIR", None, feeding(SIZE), path, "framework"), expected


def test_the_file_takes_batches_of_any_size(exported, images, logits):
    result, expected = exported
    run = load_mindir(result.path)
    for count in (1, 2, 5):
        np.testing.assert_allclose(run(images(5)[:count]), expected[:count], rtol=0, atol=1e-5)


def test_the_result_tells_what_was_written_and_compared(exported):
    result, _ = exported
    assert result.size == result.path.stat().st_size
    assert result.frozen == 2 * 14
    assert result.batches == (1, 3)
    assert result.comparison.difference <= 1e-4


def test_the_file_is_alone_and_everyone_may_read_it(exported):
    path = exported[0].path
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_computed_from_weights_alone(exported):
    """No sign, absolute value or mean over weights: only other shapes of them."""
    graph = read_graph(exported[0].path)
    constant = set(graph.constants)
    computed = set()
    for node in graph.nodes:
        if all(name in constant for name in node.inputs):
            constant.add(node.output)
            computed.add(node.op)
    assert computed - ORDERING <= {"Load", "Reshape", "StridedSlice"}  # of channel vectors and merge scalars
    ops_of_graph = {node.op for node in graph.nodes}
    assert "Greater" in ops_of_graph  # of activations
    assert not ops_of_graph & {"Sign", "Abs", "ReduceMean"}


def test_an_unfrozen_network_does_compute_from_weights(tiny, tmp_path):
    """So the test before would notice."""
    path = tmp_path / "latent.mindir"
    write_by_framework(tiny(), 1, SIZE, path)
    assert {"Abs", "ReduceMean"} <= {node.op for node in read_graph(path).nodes}


def test_the_weights_in_the_file_are_signs(exported, tiny):
    graph = read_graph(exported[0].path)
    arrays = {graph.parameters[name]: graph.constants[name] for name in graph.parameters}
    for name, layer in binary_layers(tiny(**TWO_STAGES)):
        latent = layer.weight.asnumpy()
        np.testing.assert_array_equal(arrays[f"{name}.weight"], np.where(latent > 0, 1, -1))
        assert arrays[f"{name}.scale"].shape == (1, len(latent), 1, 1)


def test_the_scale_follows_the_convolution(exported):
    """Then sums of signs are integers, which float16 holds exactly up to 2048."""
    graph = read_graph(exported[0].path)
    sources = {node.output: node for node in graph.nodes}
    scaled = 0
    for node in graph.nodes:
        origins = [sources[name] for name in node.inputs if name in sources]
        names = [graph.parameters.get(origin.inputs[0], "") for origin in origins if origin.op == "Load"]
        if node.op not in ORDERING and any(name.endswith("fc.scale") for name in names):
            assert node.op == "Mul" and "Conv2D" in {origin.op for origin in origins}
            scaled += 1
    assert scaled == 28


def test_the_file_holds_convolutions_and_waves(exported):
    counts = {}
    for node in read_graph(exported[0].path).nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    assert counts["Conv2D"] == 28 + 2  # stem, downsampling
    assert counts["Cos"] == counts["Sin"] == 2 * 2


def test_further_outputs_are_the_values_asked_for(exported, images, tmp_path):
    path = exported[0].path
    graph = read_graph(path)
    signs = [node for node in graph.nodes if node.op == "Greater"]
    waves = [node for node in graph.nodes if node.op == "Cos"]
    add_outputs(path, [signs[0].output, waves[0].output], tmp_path / "more.mindir")
    logits, sign, wave = load_mindir(tmp_path / "more.mindir")(images(2))
    np.testing.assert_array_equal(logits, load_mindir(path)(images(2)))
    assert sign.dtype == bool and sign.shape[0] == 2
    assert np.abs(wave).max() <= 1


def test_a_network_that_cannot_be_compiled_is_refused_without_a_trace(tmp_path, monkeypatch):
    class Misshapen(nn.Cell):
        def construct(self, x):
            return ops.reshape(x, (7, 7))

    monkeypatch.chdir(tmp_path)
    reports = tmp_path / "reports"
    reports.mkdir()
    with (
        reports_in(reports),
        pytest.raises(InputError, match="Misshapen: MindSpore cannot export it for batches of 1"),
    ):
        write_by_framework(Misshapen(), 1, 8, tmp_path / "out.mindir")
    assert list(tmp_path.iterdir()) == [reports]
    assert ms.get_context("mode") == ms.GRAPH_MODE


def test_a_constant_and_a_parameter_are_read_with_their_numbers(tmp_path):
    class Affine(nn.Cell):
        def __init__(self):
            super().__init__()
            self.weight = ms.Parameter(Tensor(np.array([1, 2, 3], np.float32)), name="weight")

        def construct(self, x):
            return x.mean((2, 3)) * self.weight > 0.25

    write_by_framework(Affine(), None, 4, tmp_path / "affine.mindir")
    graph = read_graph(tmp_path / "affine.mindir")
    assert graph.input_type.shape == (-1, 3, 4, 4)
    assert graph.output_type.shape == (-1, 3) and graph.output_type.dtype is np.bool_
    nodes = [node for node in graph.nodes if node.op in ("ReduceMean", "Mul", "Greater")]
    assert [node.op for node in nodes] == ["ReduceMean", "Mul", "Greater"]
    assert [graph.constants[name] for name in nodes[0].inputs[1:]] == [(2, 3), False]
    assert list(graph.parameters.values()) == ["weight"]
    (weight,) = (graph.constants[name] for name in graph.parameters)
    np.testing.assert_array_equal(weight, np.array([1, 2, 3], np.float32))
    assert graph.constants[nodes[2].inputs[1]] == np.float32(0.25)


WRITE = """
import sys, numpy as np, mindspore as ms
from mindspore import nn
from pathlib import Path
from src.deploy.mindir_file import write_by_framework
network = nn.SequentialCell(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Dense(32, 5))
for parameter in network.get_parameters():
    parameter.set_data(ms.Tensor(np.full(parameter.shape, 0.5, np.float32)))
write_by_framework(network, 1, 4, Path(sys.argv[1]))
"""


def test_mindir_files_of_two_processes_are_equal(tmp_path):
    """The framework writes the time and an address into them, and a table in the order of addresses."""
    paths = [tmp_path / f"{name}.mindir" for name in "ab"]
    for path in paths:
        subprocess.run([sys.executable, "-c", WRITE, str(path)], cwd=ROOT, check=True, capture_output=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    names = [primitive.name for primitive in ModelProto.FromString(paths[0].read_bytes()).primitives]
    assert names == sorted(names) and len(names) > 2
