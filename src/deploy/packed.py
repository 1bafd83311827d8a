"""Packed file of a network: traced, simplified, encoded, read back and compared."""

import numpy as np

from src.common.errors import InputError
from src.common.files import write_atomic
from src.graph import trace
from src.graph.ir import equal
from src.graph.limits import violations
from src.graph.simplify import simplify

from .packed_file import MAX_BYTES, Description, decode, encode, packed_bytes


def write_packed(network, path, **fields):
    """Write a network, in evaluation and with any backend, to a packed file, read it back and compare.

    Args:
        fields: of the Description.

    Returns:
        The Description and the number of bytes.

    Raises:
        InputError: a network that cannot be traced, or beyond the format's limits; numbers that are not finite in 32
            bits; class names that cannot be told apart in the file; a file that cannot be written.
    """
    description = Description(**fields)
    try:
        with np.errstate(all="ignore"):  # numbers that are not finite are named when they are encoded
            graph = simplify(trace(network, description.image_size))
    except ValueError as error:
        raise InputError(f"file_format PACKED: {error}") from error
    try:
        data = encode(description, graph)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    read, same = decode(data, path)
    if read != description or not equal(graph, same):
        raise InputError(f"{path}: the file's content, read back, differs from the network")
    write_atomic(path, data)
    return description, len(data)


def packed_size(graph, variant, class_names=()):
    """Bytes of the packed file of a traced graph, or None where the format's limits exclude it."""
    graph = simplify(graph)
    size = packed_bytes(graph, variant, class_names)
    return None if violations(graph) or size > MAX_BYTES else size
