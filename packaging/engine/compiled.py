"""Library of the engine, compiled when the wheel was built."""

import ctypes
from pathlib import Path

from ..common.errors import InputError
from ..common.files import reason


def load():
    """Loaded library, a ctypes.CDLL. Raises InputError if it cannot be loaded."""
    path = Path(__file__).with_name("libbimlp.so")
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise InputError(f"{path}: expected the engine's library, got: {reason(error)}") from error
