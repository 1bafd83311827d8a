"""The graph in a MINDIR file as plain Python values, for a writer of another format.

A MINDIR file is one protobuf message (mindspore.train.mind_ir_pb2.ModelProto): the graph's nodes in the order of
computation, its parameters with their numbers, its constants as nodes of their own, and beside it a table of
primitives, each an operation with its attributes, that nodes refer to as "REF::<name>".
"""

from dataclasses import dataclass

import numpy as np
from mindspore.train.mind_ir_pb2 import ModelProto, TensorProto

from src.common.errors import InputError

NUMPY_TYPES = {
    "FLOAT": np.float32,
    "FLOAT16": np.float16,
    "DOUBLE": np.float64,
    "FLOAT64": np.float64,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
NOTHING = ("UMONAD", "IOMONAD", "NONE")  # tokens that order side effects, and an argument that is not given


@dataclass(frozen=True)
class TensorType:
    """Shape, -1 where it is free, and numpy type."""

    shape: tuple
    dtype: type


@dataclass(frozen=True)
class Node:
    """output = op(inputs), with the primitive's attributes; `type` is a TensorType, or None for a tuple or token.

    `layer` is the name of the Cell that computes it, as "stages.0.0.block1".
    """

    op: str
    inputs: tuple
    output: str
    attributes: dict
    type: TensorType
    layer: str


@dataclass(frozen=True)
class Graph:
    """One function of one input. `constants` maps names to arrays (the parameters among them) or Python values."""

    input: str
    input_type: TensorType
    output: str
    output_type: TensorType
    constants: dict
    parameters: dict  # name in the graph -> the parameter's own name
    nodes: tuple


def read_graph(path):
    """The Graph of a MINDIR file. Raises InputError for one that calls functions or has several inputs or outputs."""
    with open(path, "rb") as file:
        model = ModelProto.FromString(file.read())
    graph = model.graph
    if len(model.functions) or len(graph.input) != 1 or len(graph.output) != 1 or not graph.node:
        raise InputError(
            f"{path}: expected a graph of one input and one output that calls no functions, got "
            f"{len(graph.input)} inputs, {len(graph.output)} outputs, {len(model.functions)} functions"
        )
    primitives = {primitive.name: primitive for primitive in model.primitives}
    constants = {parameter.name: array_of(parameter) for parameter in graph.parameter}
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = value_of(node.attribute[0])
        else:
            nodes.append(_node(node, primitives))
    return Graph(
        input=graph.input[0].name,
        input_type=type_of(graph.input[0].tensor[0]),
        output=graph.output[0].name,
        output_type=type_of(graph.output[0].tensor[0]),
        constants=constants,
        parameters={
            name: name.partition(":")[2] for name in (parameter.name for parameter in graph.parameter)
        },
        nodes=tuple(nodes),
    )


def _node(node, primitives):
    primitive = primitives[node.op_type.removeprefix("REF::")]
    tensors = [
        tensor for attribute in node.attribute if attribute.name == "shape" for tensor in attribute.tensors
    ]
    scopes = [scope.partition("-")[0] for scope in node.domain.split("/")[1:-1]]
    return Node(
        op=primitive.op_type,
        inputs=tuple(node.input),
        output=node.output[0],
        attributes={attribute.name: value_of(attribute) for attribute in primitive.attribute},
        type=type_of(tensors[0]) if len(tensors) == 1 else None,
        layer=".".join(scopes),
    )


def type_of(tensor):
    """The TensorType of a TensorProto."""
    return TensorType(tuple(tensor.dims), NUMPY_TYPES[TensorProto.DataType.Name(tensor.data_type)])


def array_of(tensor):
    """The numbers of a TensorProto."""
    kind = type_of(tensor)
    return np.frombuffer(tensor.raw_data, np.dtype(kind.dtype).newbyteorder("<")).reshape(kind.shape)


def value_of(attribute):
    """An AttributeProto as bool, int, float, str, array, None or a tuple of them."""
    kind = type(attribute).AttributeType.Name(attribute.type)
    if kind in ("TUPLE", "LIST"):
        return tuple(value_of(item) for item in attribute.values)
    if kind == "TENSORS":
        return array_of(attribute.tensors[0])
    if kind in NOTHING:
        return None
    if kind == "STRING":
        return attribute.s.decode("utf-8")
    if kind == "FLOAT":
        return attribute.floats[0] if attribute.floats else attribute.f
    if kind == "DOUBLE":
        return attribute.doubles[0] if attribute.doubles else attribute.d
    number = attribute.ints[0] if attribute.ints else attribute.i
    return bool(number) if kind == "BOOL" else number


def add_outputs(path, names, result):
    """Copy the MINDIR file at `path` to `result` with further outputs: the values `names` of its graph."""
    with open(path, "rb") as file:
        model = ModelProto.FromString(file.read())
    graph = model.graph
    primitive = model.primitives.add(name="MakeTuple:outputs", op_type="MakeTuple", prim_type=1)
    node = graph.node.add(op_type=f"REF::{primitive.name}", name="outputs")
    node.input.extend([graph.output[0].name, *names])
    node.output.append("outputs")
    graph.output[0].name = "outputs"
    with open(result, "wb") as file:
        file.write(model.SerializeToString())
