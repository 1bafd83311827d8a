"""Networks of ONNX and MINDIR files by themselves: logits, descriptions, and files from anyone."""

import json

import numpy as np
import onnx
import pytest
from mindspore.train import mind_ir_pb2
from onnx import helper

from src.common.errors import InputError
from src.deploy.feeding import add_feeding, metadata_of
from src.deploy.mindir_network import load_mindir_network
from src.deploy.mindir_writer import write_mindir
from src.deploy.onnx_network import load_onnx_network
from src.deploy.onnx_writer import write_onnx
from src.graph import run_reference
from src.graph.ir import GraphBuilder
from tests.deploy.fed import feeding

NAMES = ("größte", "two\nlines", "c\udce9")
LOADERS = {".onnx": load_onnx_network, ".mindir": load_mindir_network}
WRITERS = {".onnx": write_onnx, ".mindir": write_mindir}


def graph_of(size=4, classes=3):
    """A convolution and means."""
    builder = GraphBuilder((3, size, size))
    weight = np.random.default_rng(0).normal(size=(classes, 3, 3, 3))
    value = builder.add("conv2d", 0, weight=weight, stride=1, padding=(1,) * 4, groups=1)
    builder.add("global_mean", value)
    return builder.graph()


def write(path, batch=None, fed=None):
    """A file with its feeding, in the format of its suffix."""
    WRITERS[path.suffix](graph_of(), batch, path)
    add_feeding(path, fed or feeding(4, 3, NAMES))
    return path


def load(path):
    """The network of a file."""
    return LOADERS[path.suffix](path)


@pytest.fixture(params=LOADERS)
def path(request, tmp_path):
    return write(tmp_path / f"net{request.param}")


@pytest.fixture
def onnx_path(tmp_path):
    return write(tmp_path / "net.onnx")


@pytest.fixture
def mindir_path(tmp_path):
    return write(tmp_path / "net.mindir")


@pytest.mark.parametrize("suffix", LOADERS)
@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_any_number_of_images_is_computed(suffix, batch, count, tmp_path):
    network = load(write(tmp_path / f"net{suffix}", batch))
    x = np.random.default_rng(1).normal(size=(count, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(network.logits(x), run_reference(graph_of(), x), rtol=0, atol=1e-5)


def test_the_description_is_the_files(path):
    assert load(path).description == {
        "variant": "bimlp_t", "image_size": 4, "resize": 8, "classes": 3, "class_names": list(NAMES),
        "mean": (0.1, 0.25, 0.3), "std": (0.4, 0.5, 0.6),
    }  # fmt: skip


def refused(path, message):
    """Refuses the file, in one short line that names it."""
    with pytest.raises(InputError, match=message) as error:
        load(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value).splitlines()) == 1


def test_a_file_that_is_cut_off_is_refused(path):
    data = path.read_bytes()
    for length in (*range(0, len(data), 17), len(data) - 1):
        path.write_bytes(data[:length])
        refused(
            path,
            "expected an exported file that tells how to feed it|known sizes|cannot run it|bytes for|one input",
        )


@pytest.mark.parametrize("suffix, times", [(".onnx", 200), (".mindir", 100)])
def test_random_damage_is_refused_or_computed(suffix, times, tmp_path):
    path = write(tmp_path / f"net{suffix}")
    data, random = path.read_bytes(), np.random.default_rng(0)
    computed = 0
    for _ in range(times):
        damaged = bytearray(data)
        for place in random.integers(len(data), size=3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            network = load(path)
            size = network.description["image_size"]
            network.logits(np.zeros((1, 3, size, size), np.float32))
            computed += 1
        except InputError as error:
            assert len(str(error).splitlines()) == 1
    assert 0 < computed < times


@pytest.mark.parametrize("suffix", LOADERS)
@pytest.mark.parametrize("key,value,message", [
    ("image_size", 5, "expected one input"),
    ("classes", 4, "a name for each class or none"),
    ("image_size", "4", "expected whole sizes"),
    ("image_size", 4096, "expected an image of 1 to 2048 pixels"),
    ("resize", 10**9, "expected resize from the image size to 4096"),
    ("resize", True, "expected whole sizes"),
    ("mean", [0.5], "three means and stds"),
    ("std", [0.5, 0, 0.5], "stds of 0.001"),
    ("mean", [float("nan")] * 3, "expected means of at most"),
    ("class_names", [1, 2, 3], "a name for each class"),
    ("class_names", {"a": 1}, "a name for each class"),
    ("class_names", ["a"] * 4, "a name for each class or none"),
])  # fmt: skip
def test_feedings_that_do_not_fit_are_refused(key, value, message, suffix, tmp_path):
    path = write(tmp_path / f"net{suffix}")
    entries = {**metadata_of(feeding(4, 3, NAMES)), key: json.dumps(value)}
    if suffix == ".onnx":
        model = onnx.load(path)
        helper.set_model_props(model, entries)
    else:
        model = mind_ir_pb2.ModelProto.FromString(path.read_bytes())
        model.user_info.update(entries)
    path.write_bytes(model.SerializeToString())
    refused(path, message)


def test_other_files_are_refused(path):
    foreign = helper.make_model(helper.make_graph([], "g", [], []))
    for content in (b"", b"text", foreign.SerializeToString(), bytes(1000)):
        path.write_bytes(content)
        refused(path, "expected an exported file that tells how to feed it")
    path.unlink()
    refused(path, "No such file")


def test_images_of_another_size_are_refused(path):
    with pytest.raises(InputError, match=r"images: expected \(3, 4, 4\) each, got \(3, 5, 5\)"):
        load(path).logits(np.zeros((1, 3, 5, 5), np.float32))


# --- ONNX ---


def loop(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.add(op_type="Loop", output=["y"]).attribute.append(helper.make_attribute("body", body))


def plug_in(model):
    model.graph.node[0].domain = "other"


def function(model):
    node = helper.make_node("Identity", ["x"], ["y"])
    opset = helper.make_operatorsetid("", 17)
    model.functions.append(helper.make_function("", "Conv", ["x"], ["y"], [node], [opset]))


def outside(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def inside_of_an_attribute(model):
    attribute = helper.make_attribute("value", onnx.numpy_helper.from_array(np.zeros(1, np.float32)))
    model.graph.node[0].attribute.append(attribute)


def second_input(model):
    model.graph.input.add().CopyFrom(helper.make_tensor_value_info("more", 1, [1]))


def no_input(model):
    del model.graph.input[:]


def unknown_value(model):
    model.graph.node[0].input[0] = "nothing"


def large(model):
    pads = onnx.numpy_helper.from_array(np.array([0, 0, 1 << 20, 0, 0, 0, 0, 1 << 20]), "pads")
    model.graph.initializer.append(pads)
    (mean,) = (node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    pad = helper.make_node("Pad", [mean.input[0], "pads"], ["padded"])
    mean.input[0] = "padded"
    model.graph.node.insert(1, pad)


def computed_size(model):
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([1, 3, 1, 1]), "sizes"))
    cast = helper.make_node("Cast", ["sizes"], ["shape"], to=onnx.TensorProto.INT64)
    reshape = helper.make_node("Reshape", [model.graph.node[-1].input[0], "shape"], ["reshaped"])
    model.graph.node[-1].input[0] = "reshaped"
    for node in (cast, reshape):
        model.graph.node.insert(len(model.graph.node) - 1, node)


@pytest.mark.parametrize("change,message", [
    (large, "expected at most 67108864 numbers of an image in a map, got 3298"),
    (computed_size, "expected maps of known sizes, got reshaped without"),
    (loop, "operations that export.py writes, got Loop$"),
    (plug_in, "operations that export.py writes, got Conv$"),
    (function, "operations that export.py writes, got functions$"),
    (outside, "expected tensors in the file"),
    (inside_of_an_attribute, "attributes that are numbers"),
    (second_input, "expected one input and one output"),
    (no_input, "expected a graph of known sizes"),
    (unknown_value, "expected a graph of known sizes"),
])  # fmt: skip
def test_onnx_models_that_export_does_not_write_are_refused(change, message, onnx_path):
    model = onnx.load(onnx_path)
    change(model)
    onnx_path.write_bytes(model.SerializeToString())
    refused(onnx_path, message)


# --- MINDIR ---


def foreign_primitive(model):
    model.primitives.add(name="PyExecute:9", op_type="PyExecute", prim_type=1)


def newer_form(model):
    model.mind_ir_version = 3


def further_function(model):
    model.functions.add(name="more")


def parameter_outside(model):
    model.graph.parameter[0].ClearField("raw_data")
    model.graph.parameter[0].external_data.location = "/etc/passwd"


def short_parameter(model):
    model.graph.parameter[0].raw_data = model.graph.parameter[0].raw_data[:-4]


def nothing_read(model):
    model.graph.node[-1].input[0] = "nothing"


def unknown_node(model):
    model.graph.node[-1].op_type = "REF::nothing"


def large_map(model):
    (shape,) = (each for each in model.graph.node[0].attribute if each.name == "shape")
    shape.tensors[0].dims[1] = 1 << 40


def second_mindir_input(model):
    model.graph.input.add(name="more").tensor.add(dims=[1], data_type=1)


def no_mindir_input(model):
    del model.graph.input[:]


def other_output(model):
    model.graph.output[0].name = "nothing"


@pytest.mark.parametrize("change,message", [
    (foreign_primitive, "primitives that export.py writes, got PyExecute$"),
    (newer_form, "got 0 functions in version 3$"),
    (further_function, "got 1 functions in version 1$"),
    (parameter_outside, "bytes for '.*' in the file, got 0"),
    (short_parameter, "expected 324 bytes for '.*' in the file, got 320"),
    (nothing_read, "expected nodes in the order of computation"),
    (unknown_node, "expected nodes in the order of computation"),
    (large_map, "expected at most 67108864 numbers of an image in a map, got 1759"),
    (second_mindir_input, "expected one input"),
    (no_mindir_input, "expected one input"),
    (other_output, "expected an output that is computed"),
])  # fmt: skip
def test_mindir_models_that_export_does_not_write_are_refused(change, message, mindir_path):
    model = mind_ir_pb2.ModelProto.FromString(mindir_path.read_bytes())
    change(model)
    mindir_path.write_bytes(model.SerializeToString())
    refused(mindir_path, message)
