"""The engine's library: made on first use, its C interface by ctypes."""

from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_size_t, c_uint8, c_void_p
from functools import cache
from pathlib import Path

from src.common.compile import COMMON, BuildError, load_library
from src.common.errors import InputError

FLAGS = ("-std=c++17", "-fvisibility=hidden", *COMMON)
FUNCTIONS = {  # name -> (result, arguments)
    "bimlp_open": (c_int, (c_char_p, c_int, POINTER(c_void_p))),
    "bimlp_open_bytes": (c_int, (c_char_p, c_size_t, c_int, POINTER(c_void_p))),
    "bimlp_close": (None, (c_void_p,)),
    "bimlp_wait": (None, (c_void_p,)),
    "bimlp_describe": (c_char_p, (c_void_p,)),
    "bimlp_run_pixels": (c_int, (c_void_p, POINTER(c_uint8), c_int, POINTER(c_float))),
    "bimlp_run_numbers": (c_int, (c_void_p, POINTER(c_float), c_int, POINTER(c_float))),
    "bimlp_last_error": (c_char_p, ()),
    # inspect.h
    "bimlp_instruction_sets": (c_char_p, ()),
    "bimlp_kinds_of_work": (c_char_p, ()),
    "bimlp_profile": (c_int, (c_void_p, POINTER(c_float), c_int, POINTER(c_double))),
    "bimlp_trace": (c_int, (c_void_p, POINTER(c_float), c_void_p, c_void_p, POINTER(c_float))),
    "bimlp_layer_order": (c_int, (c_void_p, c_int, c_int, POINTER(POINTER(c_int32)), POINTER(c_int))),
    "bimlp_channel_layer": (c_int, (c_char_p, c_void_p, *(c_int,) * 3, *(POINTER(c_float),) * 3)),
    "bimlp_local_layer": (c_int, (c_char_p, c_void_p, *(c_int,) * 4, *(POINTER(c_float),) * 3)),
}


@cache
def library():
    """The library, compiled when this machine has not got it yet. Raises InputError where it cannot be."""
    try:
        loaded = load_library(Path(__file__).parent / "native", "bimlp-engine", FLAGS)
    except BuildError as error:
        raise InputError(f"the engine cannot be compiled and loaded here: {error}") from error
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
