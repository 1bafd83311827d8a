"""Network in a MINDIR file that export.py has written from a graph, run by MindSpore from the file alone.

The file may come from anywhere. Only primitives that this project writes are run: no function, no primitive that runs a
program, no tensor in another file. MindSpore reads what is checked here.
"""

import math

from src.common.errors import InputError, first_line
from src.common.files import read_file
from src.graph.limits import MAX_NUMBERS

from .exported_network import ExportedNetwork, description_of
from .feeding import read_feeding
from .mindir_builder import FREE, INPUT, MIND_IR_VERSION, TYPES
from .mindir_ops import PRIMITIVES

MAX_BYTES = 1 << 31  # of one protobuf message


def load_mindir_network(path):
    """The ExportedNetwork of a MINDIR file.

    Raises:
        InputError: no such file, not a whole file of export.py, or one that the framework has written.
    """
    description = description_of(path, read_feeding(path))
    batch = check_file(path, read_file(path, MAX_BYTES), description)
    from .mindir_file import load_mindir

    try:
        network = load_mindir(path)
    except (RuntimeError, TypeError, ValueError) as error:
        raise _not_runnable(path, error) from error

    def run(images):
        try:
            return network(images)
        except (RuntimeError, TypeError, ValueError) as error:
            raise _not_runnable(path, error) from error

    return ExportedNetwork(run, description, batch)


def check_file(path, data, description):
    """Images that the file takes, or None for any number. Raises InputError for anything that export.py does not write."""
    from mindspore.train.mind_ir_pb2 import ModelProto

    model = ModelProto.FromString(data)
    graph = model.graph
    primitives = {f"REF::{primitive.name}": primitive.op_type for primitive in model.primitives}
    foreign = sorted(set(primitives.values()) - set(PRIMITIVES))
    if foreign or model.functions or model.mind_ir_version != MIND_IR_VERSION:
        found = ", ".join(foreign) or f"{len(model.functions)} functions in version {model.mind_ir_version}"
        raise InputError(f"{path}: expected the primitives that export.py writes, got {found}")
    check_tensors(path, graph)
    check_nodes(path, graph, primitives)
    size, sizes = (
        description["image_size"],
        [list(tensor.dims) for value in graph.input for tensor in value.tensor],
    )
    batch = sizes[0][0] if sizes and sizes[0] else None
    if sizes != [[batch, 3, size, size]] or len(graph.output) != 1 or not (batch == FREE or batch > 0):
        raise InputError(f"{path}: expected one input {[FREE, 3, size, size]} and one output, got {sizes}")
    return None if batch == FREE else batch


def check_tensors(path, graph):
    """Raises InputError for parameters and constants whose bytes are not all in the file."""
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    constants = [tensor for each in attributes if each.name == "value" for tensor in each.tensors]
    widths = {number: dtype.itemsize for dtype, number in TYPES.items()}
    for tensor in (*graph.parameter, *constants):
        count = math.prod(tensor.dims) * widths.get(tensor.data_type, 0)
        if tensor.HasField("external_data") or not 0 < count == len(tensor.raw_data):
            raise InputError(
                f"{path}: expected {count} bytes for {tensor.name!r} in the file, got {len(tensor.raw_data)}"
            )


def check_nodes(path, graph, primitives):
    """Raises InputError for nodes that read what is not made before, or make maps of too many numbers for an image."""
    known = {INPUT, *(tensor.name for tensor in graph.parameter)}
    for node in graph.node:
        constant = node.op_type == "Constant"
        if (
            not (constant or node.op_type in primitives)
            or not set(node.input) <= known
            or len(node.output) != 1
        ):
            raise InputError(f"{path}: expected nodes in the order of computation, got {node.name!r}")
        known.add(node.output[0])
        shapes = [tensor.dims for each in node.attribute if each.name == "shape" for tensor in each.tensors]
        largest = max((math.prod(shape[1:]) for shape in shapes), default=0)
        if largest > MAX_NUMBERS:
            raise InputError(
                f"{path}: expected at most {MAX_NUMBERS} numbers of an image in a map, got {largest} in {node.name!r}"
            )
    if any(value.name not in known for value in graph.output):
        raise InputError(f"{path}: expected an output that is computed")


def _not_runnable(path, error):
    return InputError(f"{path}: MindSpore cannot run it: {first_line(error)}")
