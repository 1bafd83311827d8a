"""Checkpoints: weights and run state by name, in MindSpore's own file format.

The format is one protobuf message (mindspore.train.checkpoint_pb2.Checkpoint): a list of values, each with a name
("tag"), dimensions, a type ("Float32") and the raw little-endian numbers; large tensors continue in further values
of the same name. Files written here end with b"crc_num" and the CRC-32 of all before, in 10 bytes big-endian, as
save_checkpoint(crc_check=True) appends it; files without it are read as well.

mindspore.load_checkpoint is not used: it reads past the end of a value that is shorter than its dimensions say,
checks no CRC unless told, wants the suffix .ckpt, and logs each failure besides raising it.
"""

import binascii
import contextlib
import logging
import math
import os
from pathlib import Path

import mindspore as ms
import numpy as np
import safetensors.numpy
from mindspore.train.checkpoint_pb2 import Checkpoint

from src.errors import InputError
from src.files import read_file, replacing

NUMPY_TYPES = {
    "Bool": np.bool_,
    "Int8": np.int8,
    "Int16": np.int16,
    "Int32": np.int32,
    "Int64": np.int64,
    "UInt8": np.uint8,
    "UInt16": np.uint16,
    "UInt32": np.uint32,
    "UInt64": np.uint64,
    "Float16": np.float16,
    "Float32": np.float32,
    "Float64": np.float64,
}
CRC_MARK = b"crc_num"
CRC_BYTES = len(CRC_MARK) + 10
MOST_BYTES = 2**31 - 1  # protobuf takes no longer message


# --- writing ---


def save_checkpoint(path, params, previous=None):
    """Write a network's parameters, or a dict from name to Tensor, to `path`, whole or not at all.

    The file has exactly the name `path` (any suffix) and mode 0644; equal input gives equal bytes. Shapes,
    () included, and types come back as they were. Run state is saved the same way, numbers as 0-d tensors.

    Args:
        params: nn.Cell, or dict[str, Tensor or Parameter].
        previous: the name that a file which is there already gets, see `replacing`; None: it is gone.

    Raises:
        InputError: the file cannot be written.
        TypeError: a value is no Tensor.
        ValueError: nothing to save, a tensor of a type that cannot be saved or without elements (the format
            drops those), or two parameters of a network with one name.
    """
    if isinstance(params, ms.nn.Cell):
        params = parameters_of(params)
    if not params:
        raise ValueError(f"save_checkpoint: {path}: expected at least one tensor, came none")
    for name, value in params.items():
        if not isinstance(value, ms.Tensor):
            raise TypeError(f"save_checkpoint: {name}: expected a Tensor, came {type(value).__name__}")
        if str(value.dtype) not in NUMPY_TYPES or value.size == 0:
            raise ValueError(f"save_checkpoint: {name}: expected numbers, came {value.dtype} {value.shape}")
    values = [{"name": name, "data": value} for name, value in params.items()]
    with replacing(path, previous) as temporary:
        suffixed = f"{temporary}.ckpt"  # the framework appends this suffix where it is missing
        with _without_log():
            ms.save_checkpoint(values, suffixed, crc_check=True)
        os.replace(suffixed, temporary)


@contextlib.contextmanager
def _without_log():
    """No log lines in the block: what the framework logs in saving, it raises as well."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def parameters_of(network):
    """The parameters of a network as a dict from name to Parameter. Raises ValueError for a name used twice."""
    parameters = {}
    for _, parameter in network.parameters_and_names():
        if parameter.name in parameters:
            raise ValueError(f"{type(network).__name__}: two parameters have the name {parameter.name}")
        parameters[parameter.name] = parameter
    return parameters


# --- reading ---


def read_checkpoint(path, checked=False):
    """The tensors of a checkpoint as a dict from name to Parameter, in the order of the file.

    Nothing in the file is executed. Texts, which the framework allows beside tensors, are left out. A file with
    the suffix .safetensors is read in that format, by sorted names.

    Args:
        checked: True refuses a file without a checksum, which `save_checkpoint` always writes: that it is missing is
            damage, and without it other damage may go unseen.

    Raises:
        InputError: missing, not a regular file, empty, truncated, damaged, or no checkpoint.
    """
    path = Path(path)
    data = read_file(path, MOST_BYTES, f"checkpoint {path}")
    if not data:
        raise InputError(f"checkpoint {path}: expected weights, came an empty file (0 bytes)")
    try:
        if checked and not _has_checksum(data):
            raise ValueError("its checksum is missing")
        is_safetensors = path.suffix == ".safetensors"
        arrays = dict(sorted(safetensors.numpy.load(data).items())) if is_safetensors else _decode(data)
        if not arrays:
            raise ValueError("no parameter in it")
        return {name: ms.Parameter(ms.Tensor(array), name=name) for name, array in arrays.items()}
    except Exception as error:
        what = " ".join(str(error).split())[:200]
        hint = "; it looks like a PyTorch or zip file" if data[:2] == b"PK" else ""
        raise InputError(
            f"checkpoint {path}: expected a whole MindSpore checkpoint, came a file of {len(data)} bytes that is "
            f"truncated, damaged or of another format ({what}){hint}"
        ) from error


def _has_checksum(data):
    return data[-CRC_BYTES:].startswith(CRC_MARK)


def _decode(data):
    """The tensors of a checkpoint's bytes as a dict from name to array. Raises ValueError and protobuf's errors."""
    if _has_checksum(data):
        expected = int.from_bytes(data[-10:], "big")
        data = data[:-CRC_BYTES]
        if binascii.crc32(data) != expected:
            raise ValueError("its CRC-32 does not match")
    chunks, heads = {}, {}
    for value in Checkpoint.FromString(data).value:
        name, tensor = value.tag, value.tensor
        if not value.HasField("tensor"):
            raise ValueError(f"{name} is not a tensor")
        if tensor.tensor_type == "str":
            continue
        head = (tuple(tensor.dims), tensor.tensor_type)
        if heads.setdefault(name, head) != head:
            raise ValueError(f"{name} is there twice")
        chunks.setdefault(name, []).append(tensor.tensor_content)
    return {name: _array(name, *head, b"".join(chunks[name])) for name, head in heads.items()}


def _array(name, shape, type_name, content):
    """The numbers of one tensor, after a check that they are as many as its shape says."""
    if type_name not in NUMPY_TYPES:
        raise ValueError(f"{name} has the type {type_name}, known are {', '.join(NUMPY_TYPES)}")
    dtype = np.dtype(NUMPY_TYPES[type_name]).newbyteorder("<")
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 1 or len(content) != expected:
        raise ValueError(f"{name} of shape {shape} should have {expected} bytes and has {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape)
