"""Foreign checkpoints by their content: PyTorch's, NumPy's, safetensors and Keras' files as arrays by name."""

from pathlib import Path
from typing import NamedTuple

from src.checkpoint.foreign.keras import read_keras
from src.checkpoint.foreign.numpy_archive import SUFFIX, read_npz
from src.checkpoint.foreign.pytorch import OBJECT, read_pytorch
from src.checkpoint.formats import decode_safetensors, is_safetensors
from src.checkpoint.kinds import kind_of
from src.common.errors import InputError
from src.common.files import read_file
from src.common.text import cut

MAX_BYTES = 2**31 - 1  # of a file; that of ReActNet-C has 60 MB
MAX_ARRAYS, MAX_NAME = 10_000, 500  # arrays of a file, characters of a name
MAX_REASON = 300  # characters
KNOWN = "a PyTorch, NumPy (.npz), safetensors or Keras HDF5 file"
HDF5 = b"\x89HDF\r\n\x1a\n"


class Foreign(NamedTuple):
    """Arrays of a file by name, and the names of what else it holds. keras: whether kernels are HWIO and (in, out)."""

    arrays: dict
    rest: list
    keras: bool


def read_foreign(path):
    """Foreign of the file at `path`. Nothing in it is executed.

    Raises:
        InputError: missing, not a regular file, larger than MAX_BYTES, damaged, of another kind, or one that asks for more
            than numbers.
    """
    path = Path(path)
    data = read_file(path, MAX_BYTES, f"weights {path}")
    try:
        found = _read(data)
    except Exception as error:
        kind = None if _known(data) else kind_of(data)
        words = cut(" ".join(str(error).split()) or type(error).__name__, MAX_REASON)
        said = f"expected {KNOWN}, got {kind}" if kind else words
        raise InputError(f"weights {path}: {said}") from error
    names = [*found.arrays, *found.rest]
    if not 0 < len(names) <= MAX_ARRAYS or len(max(names, key=len)) > MAX_NAME:
        raise InputError(
            f"weights {path}: expected 1 to {MAX_ARRAYS} arrays with names of at most {MAX_NAME} characters, got "
            f"{len(names)}"
        )
    return found


def _known(data):
    return data.startswith((b"PK", b"\x80", HDF5)) or is_safetensors(data)


def _read(data):
    """Foreign of the bytes of a file."""
    if data.startswith(HDF5):
        return Foreign(read_keras(data), [], True)
    if is_safetensors(data):
        return Foreign(decode_safetensors(data), [], False)
    if data.startswith(b"PK") and _is_npz(data):
        return Foreign(read_npz(data), [], False)
    if data.startswith((b"PK", b"\x80")):
        return Foreign(*read_pytorch(data), False)
    raise ValueError(f"expected {KNOWN}, got {len(data)} bytes of something else")


def _is_npz(data):
    """Whether the first member of an archive is an array, by its name, which stands in both kinds before the numbers."""
    length = int.from_bytes(data[26:28], "little")
    name = bytes(data[30 : 30 + length])
    return name.endswith(SUFFIX.encode()) and not name.endswith(OBJECT.encode())
