"""Library of the engine, compiled on first use. The wheel has packaging/engine/compiled.py in this one's place."""

from pathlib import Path

from src.common.compile import NATIVE, BuildError, flags_of, load_library
from src.common.errors import InputError

ROOMS = (
    "file",
    "fused",
    "graph",
    "isa",
    "ops",
    "plan",
    "run",
)  # folders of native/ with the library's sources


def folders():
    """Folders of the engine's sources, but that of its program."""
    native = Path(__file__).parent / "native"
    return [native, *(native / room for room in ROOMS)]


def load():
    """Loaded library, a ctypes.CDLL. Raises InputError if it cannot be compiled or loaded."""
    try:
        return load_library([NATIVE, *folders()], "bimlp-engine", flags_of("common", "engine"))
    except BuildError as error:
        raise InputError(f"the engine cannot be compiled and loaded here: {error}") from error
