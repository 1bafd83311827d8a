"""Files for deployment: the network frozen, written as MINDIR or ONNX, and checked against itself."""

from .compare import TOLERANCE
from .export import SUFFIXES, Exported, check_request, export_network
from .freeze import freeze

__all__ = ["SUFFIXES", "TOLERANCE", "Exported", "check_request", "export_network", "freeze"]
