"""The processor's limits on one thread, from native_peaks/: XOR + popcount + add, fp32 FMA, and 8-bit tiles where it has any."""

import ctypes
from ctypes import c_char_p, c_double, c_int, c_int64
from pathlib import Path

from src.common.compile import build_library, flags_of

FUNCTIONS = {  # name -> (result, arguments)
    "peak_count": (c_int, ()),
    "peak_kind": (c_char_p, (c_int,)),
    "peak_by": (c_char_p, (c_int,)),
    "peak_macs": (c_double, (c_int,)),
    "peak_run": (None, (c_int, c_int64)),
}
PASSES = 100_000  # of a step: milliseconds


def peaks():
    """kind -> {"by": instructions, "macs": multiply-accumulates of a step, "run": a function that takes one step}."""
    flags = [*flags_of("common", "operators"), "-ffp-contract=fast"]  # a * b + c as one instruction
    library = ctypes.CDLL(str(build_library([Path(__file__).parent / "native_peaks"], "bimlp-peaks", flags)))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return {
        library.peak_kind(i).decode(): {
            "by": library.peak_by(i).decode(),
            "macs": PASSES * library.peak_macs(i),
            "run": lambda i=i: library.peak_run(i, PASSES),
        }
        for i in range(library.peak_count())
    }
