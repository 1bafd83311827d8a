"""The two formats of checkpoints, bytes to arrays: MindSpore's own and safetensors.

MindSpore's is one protobuf message (mindspore.train.checkpoint_pb2.Checkpoint): a list of values, each with a name
("tag"), dimensions, a type ("Float32") and the raw little-endian numbers; large tensors continue in further values
of the same name. Files written here end with b"crc_num" and the CRC-32 of all before, in 10 bytes big-endian, as
save_checkpoint(crc_check=True) appends it; files without it are read as well.

mindspore.load_checkpoint is not used: it reads past the end of a value that is shorter than its dimensions say,
checks no CRC unless told, wants the suffix .ckpt, and logs each failure besides raising it.

safetensors is the length of a header, the header in JSON, and the raw little-endian numbers.
"""

import binascii
import math

import numpy as np
import safetensors
from mindspore.train.checkpoint_pb2 import Checkpoint

BFLOAT16 = "the upper 16 bits of a float32"  # which numpy lacks
MINDSPORE_TYPES = {
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
    "BFloat16": BFLOAT16,
}
SAFETENSORS_TYPES = {
    "BOOL": np.bool_,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
    "BF16": BFLOAT16,
}
CRC_MARK = b"crc_num"
CRC_BYTES = len(CRC_MARK) + 10


def is_safetensors(data):
    """True for bytes that begin as a safetensors file: a length that fits, and the brace of its header."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data) - 8


def decode_safetensors(data):
    """The tensors of a safetensors file as a dict from name to array, by sorted names. Raises as `decode_mindspore`."""
    entries = dict(safetensors.deserialize(data))
    return {
        name: _array(name, tuple(entry["shape"]), entry["dtype"], entry["data"], SAFETENSORS_TYPES)
        for name, entry in sorted(entries.items())
    }


def has_checksum(data):
    """True for bytes that end with the mark of a checksum."""
    return data[-CRC_BYTES:].startswith(CRC_MARK)


def decode_mindspore(data):
    """The tensors of MindSpore's format as a dict from name to array; texts are left out.

    Raises:
        ValueError, and protobuf's and safetensors' errors, with the fault of the bytes.
    """
    if has_checksum(data):
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
    return {
        name: _array(name, *head, b"".join(chunks[name]), MINDSPORE_TYPES) for name, head in heads.items()
    }


def _array(name, shape, type_name, content, types):
    """The numbers of one tensor, after a check that they are as many as its shape says; bfloat16 as float32."""
    if type_name not in types:
        raise ValueError(f"{name} has the type {type_name}, known are {', '.join(types)}")
    kind = types[type_name]
    dtype = np.dtype(np.uint16 if kind is BFLOAT16 else kind).newbyteorder("<")
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 1 or len(content) != expected:
        raise ValueError(f"{name} of shape {shape} should have {expected} bytes and has {len(content)}")
    array = np.frombuffer(content, dtype).reshape(shape)
    return (array.astype(np.uint32) << 16).view(np.float32) if kind is BFLOAT16 else array
