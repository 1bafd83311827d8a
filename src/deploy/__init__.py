"""Files for deployment: the network frozen, written as MINDIR or ONNX, or packed, and checked against itself."""

from .compare import TOLERANCE
from .export import SUFFIXES, Exported, check_request, export_network
from .feeding import Feeding
from .freeze import freeze
from .packed import packed_size, write_packed

__all__ = [
    "SUFFIXES",
    "TOLERANCE",
    "Exported",
    "Feeding",
    "check_request",
    "export_network",
    "freeze",
    "packed_size",
    "write_packed",
]
