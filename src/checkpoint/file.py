"""Checkpoints: weights and run state by name, written in MindSpore's own format, read in that and as safetensors."""

import contextlib
import logging
import os
from pathlib import Path

import mindspore as ms

from src.checkpoint.formats import (
    BFLOAT16,
    CRC_BYTES,
    MINDSPORE_TYPES,
    decode_mindspore,
    decode_safetensors,
    has_checksum,
    is_safetensors,
)
from src.checkpoint.kinds import kind_of
from src.common.errors import InputError
from src.common.files import read_file, replacing

__all__ = ["CRC_BYTES", "parameters_of", "read_checkpoint", "save_checkpoint"]

SAVED_TYPES = [name for name, kind in MINDSPORE_TYPES.items() if kind is not BFLOAT16]
SAFETENSORS_SUFFIX = ".safetensors"
MAX_BYTES = 2**31 - 1  # protobuf takes no longer message


# --- writing ---


def save_checkpoint(path, params, previous=None):
    """Write a network's parameters, or a dict from name to Tensor, to `path`, whole or not at all.

    The file has exactly the name `path` (any suffix) and the mode of any new file; equal input gives equal bytes. Shapes,
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
        raise ValueError(f"save_checkpoint: {path}: expected at least one tensor, got none")
    for name, value in params.items():
        if not isinstance(value, ms.Tensor):
            raise TypeError(f"save_checkpoint: {name}: expected a Tensor, got {type(value).__name__}")
        if str(value.dtype) not in SAVED_TYPES or value.size == 0:
            raise ValueError(f"save_checkpoint: {name}: expected numbers, got {value.dtype} {value.shape}")
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

    Nothing in the file is executed. Texts, which the framework allows beside tensors, are left out. A safetensors file
    is known by its content or suffix, and read by sorted names. bfloat16 comes as float32.

    Args:
        checked: True refuses a file without a checksum, which `save_checkpoint` always writes: that it is missing is
            damage, and without it other damage may go unseen.

    Raises:
        InputError: missing, not a regular file, empty, truncated, damaged, or no checkpoint.
    """
    path = Path(path)
    data = read_file(path, MAX_BYTES, f"checkpoint {path}")
    if not data:
        raise InputError(f"checkpoint {path}: expected weights, got an empty file (0 bytes)")
    try:
        if checked and not has_checksum(data):
            raise ValueError("its checksum is missing")
        other = is_safetensors(data) or path.suffix.lower() == SAFETENSORS_SUFFIX
        arrays = decode_safetensors(data) if other else decode_mindspore(data)
        if not arrays:
            raise ValueError("no parameter in it")
        return {name: ms.Parameter(ms.Tensor(array), name=name) for name, array in arrays.items()}
    except Exception as error:
        raise InputError(f"checkpoint {path}: {_reason(data, error)}") from error


def _reason(data, error):
    """Reason that bytes are no checkpoint: their kind where it is known, else their fault."""
    kind = None if is_safetensors(data) else kind_of(data)
    if kind:
        return f"expected a MindSpore checkpoint or a safetensors file, got {kind}"
    what = " ".join(str(error).split())[:200]
    return (
        f"expected a whole MindSpore checkpoint or safetensors file, got a file of {len(data)} bytes that is "
        f"truncated, damaged or of another format ({what})"
    )
