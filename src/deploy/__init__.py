"""Files for deployment: a network written as MINDIR, ONNX or packed, and checked against itself.

What is named here is loaded at its first use: an ONNX file is evaluated without MindSpore.
"""

import importlib

PLACES = {
    "MINDIR_WRITERS": "export",
    "SUFFIXES": "export",
    "TOLERANCE": "compare",
    "Exported": "export",
    "Feeding": "feeding",
    "check_request": "export",
    "export_network": "export",
    "packed_size": "packed",
    "write_packed": "packed",
}
__all__ = list(PLACES)


def __getattr__(name):
    """An attribute of the module in PLACES."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{PLACES[name]}", __name__), name)
