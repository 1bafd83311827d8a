"""Packed files, bytes and back, as FORMAT.md describes them."""

import struct
import zlib
from dataclasses import replace

import numpy as np

from src.common.errors import InputError
from src.common.files import PACKED_SIGNATURE

from .packed_layout import (
    MAX_BYTES,
    MAX_NAME,
    MAX_STAGES,
    WORD,
    Description,
    layout,
    tensor_bytes,
    violations,
)

VERSION = 1
ALIGNMENT = 16
HEADER = struct.Struct(f"<8sIIQ6I6d4I4I{MAX_STAGES}I{MAX_STAGES}I")
CHECKSUM = struct.Struct("<I")


def encode(description, tensors):
    """The bytes of a packed file.

    tensors: name -> array, for every Entry of `layout`: numbers, or for a bit matrix booleans, true for +1.
    Raises ValueError for a description found the format's limits, and for a tensor that is missing, left over, of
    another shape, or not finite in 32 bits.
    """
    found = violations(description)
    if found:
        raise ValueError(f"packed file: expected {found[0]}, got {description}")
    entries = layout(description)
    if {entry.name for entry in entries} != tensors.keys():
        different = sorted({entry.name for entry in entries} ^ tensors.keys())
        raise ValueError(
            f"packed file: expected the description's tensors, missing or left over: {different[:5]}"
        )
    body = b"".join(_tensor(entry, tensors[entry.name]) for entry in entries)
    texts = _texts(description)
    length = _header_length(texts)
    if length + len(body) + CHECKSUM.size > MAX_BYTES:
        raise ValueError(f"packed file: expected at most {MAX_BYTES} bytes")
    data = _fields(description, texts, length, length + len(body) + CHECKSUM.size) + b"".join(texts)
    data = data.ljust(length, b"\0") + body
    return data + CHECKSUM.pack(zlib.crc32(data))


def packed_bytes(description):
    """The length of the file in bytes."""
    return _header_length(_texts(description)) + tensor_bytes(description) + CHECKSUM.size


def _texts(d):
    return d.variant.encode(), "".join(f"{name}\n" for name in d.class_names).encode()


def _header_length(texts):
    return -(-(HEADER.size + sum(map(len, texts))) // ALIGNMENT) * ALIGNMENT


def _fields(d, texts, length, size):
    filled = [tuple(values) + (0,) * (MAX_STAGES - len(values)) for values in (d.widths, d.depths)]
    return HEADER.pack(
        PACKED_SIGNATURE, VERSION, length, size, d.image_size, d.resize, *d.stem, d.classes, *d.mean, *d.std, *d.branches,
        len(d.widths), *map(len, texts), 0, *filled[0], *filled[1],
    )  # fmt: skip


def _tensor(entry, array):
    if tuple(array.shape) != entry.shape:
        raise ValueError(f"packed file: {entry.name}: expected shape {entry.shape}, got {tuple(array.shape)}")
    if entry.bits:
        rows, columns = entry.shape
        full = np.zeros((rows, -(-columns // WORD) * WORD), bool)
        full[:, :columns] = array
        return np.packbits(full, axis=1, bitorder="little").tobytes()
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(array, "<f4")
    if not np.isfinite(numbers).all():
        raise ValueError(f"packed file: {entry.name}: expected finite numbers")
    return numbers.tobytes()


def decode(data, name="packed file"):
    """(Description, tensors) of a packed file's bytes, tensors as `encode` takes them.

    Raises InputError, naming the file, for anything but a whole packed file of this version.
    """
    if len(data) < HEADER.size + CHECKSUM.size:
        raise InputError(f"{name}: expected at least {HEADER.size + CHECKSUM.size} bytes, got {len(data)}")
    signature, version, length, size, *fields = HEADER.unpack_from(data)
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: size: expected at most {MAX_BYTES} bytes, got {len(data)}")
    if signature != PACKED_SIGNATURE:
        raise InputError(f"{name}: expected the signature of a packed BiMLP, got other bytes")
    if version != VERSION:
        raise InputError(f"{name}: version: expected {VERSION}, got {version}")
    if size != len(data):
        raise InputError(f"{name}: size: expected {size} bytes, as its header says, got {len(data)}")
    stages, *text_bytes, reserved = fields[16:20]
    if not 1 <= stages <= MAX_STAGES:
        raise InputError(f"{name}: stages: expected 1 to {MAX_STAGES}, got {stages}")
    if reserved or any(fields[20 + stages : 20 + MAX_STAGES] + fields[20 + MAX_STAGES + stages :]):
        raise InputError(f"{name}: expected zeros in the fields that are not used")
    description = _description(fields, stages)
    _expect_none(violations(description), name)
    texts_end = HEADER.size + sum(text_bytes)
    if text_bytes[0] > MAX_NAME:
        raise InputError(f"{name}: variant's name: expected at most {MAX_NAME} bytes, got {text_bytes[0]}")
    if length != -(-texts_end // ALIGNMENT) * ALIGNMENT:
        raise InputError(f"{name}: header: expected what its texts take, got {length}")
    needed = length + tensor_bytes(description) + CHECKSUM.size
    if needed != size:
        raise InputError(f"{name}: size: expected {needed} bytes, as its description says, got {size}")
    if CHECKSUM.unpack_from(data, size - CHECKSUM.size)[0] != zlib.crc32(data[: -CHECKSUM.size]):
        raise InputError(f"{name}: its checksum does not match: the file is damaged")
    description = _with_texts(description, data[HEADER.size : texts_end], text_bytes[0], name)
    if any(data[texts_end:length]):
        raise InputError(f"{name}: filling: expected zeros, got others")
    tensors, at = {}, length
    for entry in layout(description):
        tensors[entry.name] = _array(entry, data[at : at + entry.size], name)
        at += entry.size
    return description, tensors


def _expect_none(found, name):
    if found:
        raise InputError(f"{name}: expected {found[0]}")


def _description(fields, stages):
    """The Description of the header's fields behind the file's size, without its texts."""
    image_size, resize, *stem, classes = fields[:6]
    mean, std, branches = (tuple(fields[i : i + n]) for i, n in ((6, 3), (9, 3), (12, 4)))
    widths, depths = (tuple(fields[i : i + stages]) for i in (20, 20 + MAX_STAGES))
    return Description("", image_size, resize, tuple(stem), widths, depths, branches, classes, mean, std)


def _with_texts(description, texts, variant_bytes, name):
    """The Description with its texts: the variant's name, and a line for each class or none at all."""
    try:
        variant, names = texts[:variant_bytes].decode(), texts[variant_bytes:].decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: texts: expected UTF-8, got other bytes") from error
    if names.count("\n") not in (0, description.classes):
        raise InputError(f"{name}: class names: expected none or {description.classes}")
    *class_names, rest = names.split("\n")
    if rest:
        raise InputError(f"{name}: class names: expected a line feed behind the last one")
    description = replace(description, variant=variant, class_names=tuple(class_names))
    _expect_none(violations(description), name)
    return description


def _array(entry, data, name):
    if not entry.bits:
        numbers = np.frombuffer(data, "<f4").reshape(entry.shape)
        if not np.isfinite(numbers).all():
            raise InputError(f"{name}: {entry.name}: expected finite numbers")
        return numbers
    rows, columns = entry.shape
    bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(rows, -1), axis=1, bitorder="little")
    if bits[:, columns:].any():
        raise InputError(f"{name}: {entry.name}: expected zeros behind the last bit of a row")
    return bits[:, :columns].astype(bool)
