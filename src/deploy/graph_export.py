"""MINDIR or ONNX file of a network's graph: traced, simplified, written, loaded again and compared."""

from dataclasses import dataclass
from functools import partial

from src.common.errors import InputError
from src.graph.observe import observe, observed
from src.graph.simplify import simplify
from src.graph.tracer import trace_calls

from . import mindir_file, mindir_parts, mindir_writer, onnx_file, onnx_writer
from .compare import compare, compare_in_parts
from .cuts import cuts_of, with_sources
from .feeding import add_feeding


@dataclass(frozen=True)
class GraphFormat:
    """Format of a file written from a graph.

    write: (graph, batch size, path) -> names of the graph's values in the file; load: path -> (images -> logits);
    load_in_parts: (path, names) -> ((images, arrays) -> (logits, values)), cut at the values of these names.
    """

    write: callable
    load: callable
    load_in_parts: callable


FORMATS = {
    "MINDIR": GraphFormat(
        mindir_writer.write_mindir, mindir_file.load_mindir, mindir_parts.load_mindir_in_parts
    ),
    "ONNX": GraphFormat(onnx_writer.write_onnx, onnx_file.load_onnx, onnx_file.load_onnx_in_parts),
}


def export_graph(network, file_format, batch_size, feeding, path, batches, expected):
    """Write a file of the network's graph; returns the number of binary layers and the Comparison.

    file_format: of FORMATS. batches, expected: images and the network's logits. Raises InputError for a network that cannot
    be traced.
    """
    form = FORMATS[file_format]
    try:
        graph, calls = trace_calls(network, feeding.image_size)
    except ValueError as error:
        raise InputError(f"file_format {file_format}: {error}") from error
    graph = simplify(with_sources(graph))
    names = form.write(graph, batch_size, path)
    add_feeding(path, feeding)
    comparison = compare(form.load(path), batches, expected)
    cuts = cuts_of(graph, names, observed(calls))
    if not comparison.agrees and cuts:
        run = form.load_in_parts(path, [cut.name for cut in cuts])
        reference = partial(observe, network, calls=calls, values=[cut.value for cut in cuts])
        comparison = compare_in_parts(run, reference, cuts, batches, expected, comparison.end_to_end)
    return len(binary_layers(graph)), comparison


def binary_layers(graph):
    """Names of the layers whose weights are -1 and +1, up to a scale."""
    return {node.name for node in graph.nodes if node.op == "binary_conv2d" or node.notes.get("binary")}
