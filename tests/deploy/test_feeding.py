"""An exported file tells how to feed it, in every format, and computes what it did without that."""

import onnx
import onnxruntime
import pytest
from mindspore import nn
from mindspore.train.mind_ir_pb2 import ModelProto

from src.common.errors import InputError
from src.deploy import Feeding, export_network
from src.deploy.feeding import add_feeding, metadata_of, read_feeding
from src.deploy.mindir_file import write_by_framework
from tests.deploy.fed import feeding

NAMES = ("größte", "猫", 'a "b", c', "two\nlines", "")
FED = feeding(4, 5, NAMES)
FOUND = {
    "model": "bimlp_t", "precision": "binary", "image_size": 4, "resize": 8, "mean": [0.1, 0.25, 0.3],
    "std": [0.4, 0.5, 0.6], "classes": 5, "class_names": list(NAMES), "pixels": "RGB, NCHW, (pixel / 255 - mean) / std",
}  # fmt: skip
FORMATS = {"MINDIR": ".mindir", "ONNX": ".onnx"}


class Small(nn.Cell):
    """Logits by one layer."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 5, 4, pad_mode="valid")

    def construct(self, x):
        return self.head(x).reshape(-1, 5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Format -> path of a file that agreed with its network."""
    folder = tmp_path_factory.mktemp("fed")
    paths = {name: folder / f"small{suffix}" for name, suffix in FORMATS.items()}
    for name, path in paths.items():
        assert export_network(Small(), name, 2, FED, path).comparison.difference <= 1e-6
    return paths


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_tells_how_to_feed_it(exported, file_format):
    assert read_feeding(exported[file_format]) == FOUND


def test_onnx_runtime_and_onnx_show_it(exported):
    session = onnxruntime.InferenceSession(str(exported["ONNX"]), providers=["CPUExecutionProvider"])
    shown = session.get_modelmeta().custom_metadata_map
    assert shown == metadata_of(FED)
    assert shown["mean"] == "[0.1, 0.25, 0.3]" and shown["resize"] == "8" and "größte" in shown["class_names"]
    model = onnx.load(str(exported["ONNX"]))
    onnx.checker.check_model(model)
    assert [entry.key for entry in model.metadata_props] == list(metadata_of(FED))


def test_a_mindir_file_has_it_as_user_info(exported):
    assert dict(ModelProto.FromString(exported["MINDIR"].read_bytes()).user_info) == metadata_of(FED)


def test_equal_input_gives_equal_bytes_and_leaves_the_graph_as_it_was(tmp_path):
    network, paths = Small(), [tmp_path / f"{name}.mindir" for name in "ab"]
    for path in paths:
        write_by_framework(network, 1, 4, path)
    graph = paths[0].read_bytes()
    for path in paths:
        add_feeding(path, FED)
    data = paths[0].read_bytes()
    assert data == paths[1].read_bytes() and data.startswith(graph) and len(data) > len(graph)
    assert ModelProto.FromString(data).graph == ModelProto.FromString(graph).graph


@pytest.mark.parametrize(
    "content",
    [b"", b"text", ModelProto(ir_version="3.1").SerializeToString()],
    ids=["empty", "text", "without"],
)
@pytest.mark.parametrize("suffix", FORMATS.values())
def test_a_file_that_does_not_tell_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"other{suffix}"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=f"other{suffix}: expected an exported file that tells how to feed it"
    ):
        read_feeding(path)


@pytest.mark.parametrize("count", [1, 4, 6])
def test_names_must_be_as_many_as_classes(count):
    with pytest.raises(InputError) as error:
        feeding(4, 5, tuple("abcdef"[:count]))
    assert str(error.value) == (
        f"data.class_names: expected 5 names, one for each class, or none, got {count}"
    )


@pytest.mark.parametrize("suffix", FORMATS.values())
def test_a_folders_name_that_is_no_utf8_comes_back_as_it_was(tmp_path, suffix):
    path, names = tmp_path / f"net{suffix}", ("a", "b中", "caf\udce9")
    path.touch()
    add_feeding(path, feeding(4, 3, names))
    assert read_feeding(path)["class_names"] == list(names)


def test_a_feeding_without_names_is_whole(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"")
    add_feeding(path, Feeding("m", "fp32", 1, 2, (0.0,) * 3, (1.0,) * 3, 4))
    assert read_feeding(path)["class_names"] == [] and read_feeding(path)["classes"] == 4
