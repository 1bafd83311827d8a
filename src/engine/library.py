"""C interface of the engine's library, by ctypes."""

from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_uint8, c_void_p
from functools import cache

from .compiled import load

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
    "bimlp_set_parallel": (c_int, (c_void_p, c_void_p, c_void_p)),
    "bimlp_last_error": (c_char_p, ()),
    # inspect.h
    "bimlp_instruction_sets": (c_char_p, ()),
    "bimlp_ops": (c_char_p, ()),
    "bimlp_op_kinds": (c_char_p, ()),
    "bimlp_profile": (c_int, (c_void_p, POINTER(c_float), c_int, POINTER(c_double))),
}


@cache
def library():
    """Loaded library, a ctypes.CDLL. Raises InputError if it cannot be compiled or loaded."""
    loaded = load()
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
