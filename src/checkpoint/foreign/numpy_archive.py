"""NumPy's archives (.npz): arrays of numbers by name.

Each member is an array of its own: the magic bytes, a version, the length of a header, the header, which is a Python
dict in text with the type, the order and the shape, and the numbers (numpy.org/doc/stable/reference/generated/
numpy.lib.format.html). Types of objects, which are pickles, and structures are refused: the header is matched, not
evaluated.
"""

import math
import re

import numpy as np

from src.checkpoint.foreign.archive import Archive

SUFFIX = ".npy"
MAGIC = b"\x93NUMPY"
LENGTHS = {1: 2, 2: 4, 3: 4}  # version -> bytes of the header's length
MAX_HEADER = 1024
HEADER = re.compile(
    r"\{'descr': '([<>|=]?[fiub][1248])', 'fortran_order': (True|False), 'shape': \(((?:\d{1,12}, ?)*\d{0,12})\),? *\} *\n?",
    re.ASCII,
)


def read_npz(data):
    """The arrays of an archive by name, without the suffix, in their order. Raises ValueError."""
    archive = Archive(data)
    return {name.removesuffix(SUFFIX): array_of(archive.read(name), name) for name in archive.names}


def array_of(content, name):
    """The array of a member's bytes."""
    header, start = _header(content, name)
    found = HEADER.fullmatch(header)
    if not found:
        raise ValueError(f"{name}: expected an array of numbers, got a header {header[:80]!r}")
    kind, shape = np.dtype(found[1]), tuple(int(n) for n in found[3].replace(" ", "").split(",") if n)
    if len(shape) > 8 or len(content) - start != math.prod(shape) * kind.itemsize:
        raise ValueError(
            f"{name}: expected the bytes of shape {shape} and type {kind}, got {len(content) - start}"
        )
    return np.frombuffer(content, kind, offset=start).reshape(shape, order="F" if found[2] == "True" else "C")


def _header(content, name):
    """(header as text, where the numbers begin)."""
    version = content[len(MAGIC)] if content.startswith(MAGIC) and len(content) > len(MAGIC) + 2 else 0
    if version not in LENGTHS:
        raise ValueError(f"{name}: expected a NumPy array of version 1, 2 or 3")
    begin = len(MAGIC) + 2 + LENGTHS[version]
    length = int.from_bytes(content[len(MAGIC) + 2 : begin], "little")
    if length > MAX_HEADER or begin + length > len(content):
        raise ValueError(f"{name}: expected a header of at most {MAX_HEADER} bytes, got {length}")
    return str(content[begin : begin + length], "latin-1"), begin + length
