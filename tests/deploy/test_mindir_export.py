"""Export of a network as a MINDIR file by the graph writer: names, weights, the comparison."""

import numpy as np
import pytest
from mindspore import nn
from mindspore.train.mind_ir_pb2 import ModelProto

from src.common.errors import InputError
from src.deploy import export_network
from src.deploy.feeding import read_feeding
from src.deploy.mindir_file import load_mindir
from src.model import binary_layers
from tests.deploy.fed import feeding

SIZE = 32
TWO_STAGES = {"widths": (8, 16), "depths": (1, 1)}


@pytest.fixture(scope="module")
def exported(tiny, tmp_path_factory):
    """A binary network of two stages exported for any batch size: (Exported, message)."""
    path = tmp_path_factory.mktemp("mindir") / "tiny.mindir"
    result = export_network(tiny(**TWO_STAGES), "MINDIR", None, feeding(SIZE), path)
    return result, ModelProto.FromString(path.read_bytes())


def test_names_are_those_of_the_network(exported, tiny):
    _, message = exported
    cells = {name for name, _ in tiny(**TWO_STAGES).cells_and_names()}
    layers = {node.name.rpartition("/")[0] for node in message.graph.node if node.op_type != "Constant"}
    assert layers - cells == {"logits"}
    assert {tensor.name.rpartition(".")[0] for tensor in message.graph.parameter} <= cells


def test_weights_are_signs(exported, tiny):
    arrays = {
        tensor.name: np.frombuffer(tensor.raw_data, np.float32).reshape(tensor.dims)
        for tensor in exported[1].graph.parameter
    }
    for name, layer in binary_layers(tiny(**TWO_STAGES)):
        np.testing.assert_array_equal(arrays[f"{name}.weight"], np.where(layer.weight.asnumpy() > 0, 1, -1))


def test_an_export_is_compared_and_tells_how_to_feed_it(exported, tiny, images, logits):
    result, _ = exported
    assert result.frozen == 2 * 14 and result.batches == (1, 3)
    assert result.comparison.difference <= 1e-4
    assert read_feeding(result.path)["image_size"] == SIZE
    run, expected = load_mindir(result.path), logits(tiny(**TWO_STAGES), images(5))
    for count in (1, 2, 5):
        np.testing.assert_allclose(run(images(5)[:count]), expected[:count], rtol=0, atol=1e-4)


def test_a_network_without_a_graph_is_refused_with_the_way_out(tmp_path):
    class Odd(nn.Cell):
        def construct(self, x):
            return x.astype(x.dtype).sum((2, 3))

    with pytest.raises(InputError, match="file_format MINDIR: "):
        export_network(Odd(), "MINDIR", 1, feeding(4), tmp_path / "odd.mindir")
    assert list(tmp_path.iterdir()) == []
