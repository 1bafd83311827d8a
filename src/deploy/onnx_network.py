"""Network in an ONNX file that export.py has written, run by ONNX Runtime from the file alone.

The file may come from anywhere. Only operations that this project writes are run: no loop, no function, no operator of a
plug-in, no tensor in another file.
"""

import math

from src.common.errors import InputError, first_line
from src.common.files import read_file
from src.graph.limits import MAX_NUMBERS

from .exported_network import ExportedNetwork, description_of
from .feeding import read_feeding
from .onnx_file import require_packages, session_of
from .onnx_lowerings import OPERATIONS
from .onnx_writer import INPUT, OUTPUT

MAX_BYTES = 1 << 31  # of one protobuf message
FLOAT = "tensor(float)"


def load_onnx_network(path, threads=1):
    """The ExportedNetwork of an ONNX file.

    Raises:
        InputError: no such file, not a whole file of export.py, packages that are not installed.
    """
    require_packages(path)
    description = description_of(path, read_feeding(path))
    data = read_file(path, MAX_BYTES)
    check_sizes(path, check_operations(path, data))
    try:
        session = session_of(data, threads)
    except Exception as error:  # of many types, without a common one
        raise _not_runnable(path, error) from error

    def run(images):
        try:
            (logits,) = session.run([OUTPUT], {INPUT: images})
        except Exception as error:
            raise _not_runnable(path, error) from error
        return logits

    return ExportedNetwork(run, description, batch_of(path, session, description))


def batch_of(path, session, description):
    """Images that a session takes, or None for any number. Raises InputError for other inputs and outputs than a network's."""
    size = description["image_size"]
    batch = next((each.shape[0] for each in session.get_inputs() if each.shape), None)
    found = [(each.name, each.type, each.shape) for each in (*session.get_inputs(), *session.get_outputs())]
    expected = [(INPUT, FLOAT, [batch, 3, size, size]), (OUTPUT, FLOAT, [batch, description["classes"]])]
    if found != expected:
        raise InputError(f"{path}: expected one input and one output {expected}, got {found}")
    return batch if isinstance(batch, int) else None


def check_operations(path, data):
    """The ModelProto. Raises InputError for operations, functions or tensors that no file of export.py has."""
    from onnx import AttributeProto, ModelProto, TensorProto

    model = ModelProto.FromString(data)
    graph = model.graph
    foreign = {node.op_type for node in graph.node if node.domain or node.op_type not in OPERATIONS}
    if foreign or model.functions:
        found = ", ".join(sorted(foreign)) or "functions"
        raise InputError(f"{path}: expected the operations that export.py writes, got {found}")
    kinds = {attribute.type for node in graph.node for attribute in node.attribute}
    numbers = {AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT}
    outside = any(tensor.data_location == TensorProto.EXTERNAL for tensor in graph.initializer)
    if outside or graph.sparse_initializer or not kinds <= numbers:
        raise InputError(f"{path}: expected tensors in the file and attributes that are numbers, got others")
    return model


def check_sizes(path, model):
    """Raises InputError for maps of a size that is not known before, or of too many numbers for an image."""
    from onnx import shape_inference

    try:
        graph = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    except Exception as error:  # of many types, without a common one
        raise InputError(f"{path}: expected a graph of known sizes, got: {first_line(error)}") from error
    for value in (*graph.value_info, *graph.output):
        sizes = value.type.tensor_type.shape.dim[1:]
        if not all(size.HasField("dim_value") for size in sizes):
            raise InputError(f"{path}: expected maps of known sizes, got {value.name} without")
        numbers = math.prod(size.dim_value for size in sizes)
        if numbers > MAX_NUMBERS:
            raise InputError(
                f"{path}: expected at most {MAX_NUMBERS} numbers of an image in a map, got {numbers} in {value.name}"
            )


def _not_runnable(path, error):
    return InputError(f"{path}: ONNX Runtime cannot run it: {first_line(error)}")
