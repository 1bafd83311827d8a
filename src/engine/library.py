"""Library of the engine, built on first use, with its C interface by ctypes."""

from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_uint8, c_void_p
from functools import cache
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
FUNCTIONS = {  # name -> (result, arguments)
    "bimlp_version": (c_int, ()),
    "bimlp_open": (c_int, (c_char_p, c_int, POINTER(c_void_p))),
    "bimlp_open_bytes": (c_int, (c_char_p, c_size_t, c_int, POINTER(c_void_p))),
    "bimlp_close": (None, (c_void_p,)),
    "bimlp_wait": (None, (c_void_p,)),
    "bimlp_describe": (c_char_p, (c_void_p,)),
    "bimlp_image_size": (c_int, (c_void_p,)),
    "bimlp_classes": (c_int, (c_void_p,)),
    "bimlp_run_pixels": (c_int, (c_void_p, POINTER(c_uint8), c_int, POINTER(c_float))),
    "bimlp_run_numbers": (c_int, (c_void_p, POINTER(c_float), c_int, POINTER(c_float))),
    "bimlp_last_error": (c_char_p, ()),
    # inspect.h
    "bimlp_instruction_sets": (c_char_p, ()),
    "bimlp_ops": (c_char_p, ()),
    "bimlp_op_kinds": (c_char_p, ()),
    "bimlp_profile": (c_int, (c_void_p, POINTER(c_float), c_int, POINTER(c_double))),
}


def folders():
    """Folders of the engine's sources, but that of its program."""
    native = Path(__file__).parent / "native"
    return [native, *(native / room for room in ROOMS)]


@cache
def library():
    """Loaded library, a ctypes.CDLL. Raises InputError if it cannot be compiled or loaded."""
    try:
        loaded = load_library([NATIVE, *folders()], "bimlp-engine", flags_of("common", "engine"))
    except BuildError as error:
        raise InputError(f"the engine cannot be compiled and loaded here: {error}") from error
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
