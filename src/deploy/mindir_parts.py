"""MINDIR files of this project's writer, cut into parts, so that a difference of rounding goes no further than to the next cut."""

from mindspore.train.mind_ir_pb2 import ModelProto

from .mindir_file import load_mindir

ROUNDED = ("Greater", "Less", "Cos", "Sin")  # primitives that make signs and phases


def rounded_values(message):
    """The values of a ModelProto's graph of which signs and phases are made, in the order of computation: name -> signs.

    signs: (primitive, threshold) of each comparison.
    """
    graph = message.graph
    kinds = {f"REF::{primitive.name}": primitive.op_type for primitive in message.primitives}
    constants = {node.output[0]: node.attribute[0] for node in graph.node if node.op_type == "Constant"}
    made, found = {node.output[0] for node in graph.node}, {}
    for node in graph.node:
        kind, value = kinds.get(node.op_type), node.input[0] if node.input else None
        if kind in ROUNDED and value in made:
            signs = found.setdefault(value, [])
            if len(node.input) == 2:
                signs.append((kind, constants[node.input[1]].tensors[0]))
    return found


def with_outputs(message, names):
    """Let values of a ModelProto's graph be outputs, behind the one that is there."""
    primitive = message.primitives.add(name="MakeTuple:outputs", op_type="MakeTuple", prim_type=1)
    graph = message.graph
    node = graph.node.add(
        op_type=f"REF::{primitive.name}", name="outputs", domain="Default/outputs/MakeTuple"
    )
    node.input.extend([graph.output[0].name, *names])
    node.output.append("outputs")
    graph.output[0].name = "outputs"


def cut(message, names):
    """Cut the graph of a ModelProto at values: whatever reads one of them reads a further input instead, "given/<name>".

    The values are outputs, behind the logits.
    """
    graph, given = message.graph, {name: f"given/{name}" for name in names}
    kinds = {
        node.output[0]: attribute.tensors[0]
        for node in graph.node
        for attribute in node.attribute
        if attribute.name == "shape" and len(attribute.tensors) == 1
    }
    for node in graph.node:
        node.input[:] = [given.get(name, name) for name in node.input]
    for name in names:
        graph.input.add(name=given[name]).tensor.append(kinds[name])
    with_outputs(message, names)


def load_mindir_in_parts(path, names):
    """A MINDIR file cut at the values of these names, as a function (images, arrays) -> (logits, values).

    arrays: read in place of the values; values: the file's own.
    """
    message, place = ModelProto.FromString(path.read_bytes()), path.with_name("cut.mindir")
    cut(message, names)
    place.write_bytes(message.SerializeToString(deterministic=True))
    run = load_mindir(place)

    def run_parts(images, arrays):
        logits, *values = run(images, *arrays)
        return logits, values

    return run_parts
