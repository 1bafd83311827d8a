"""The compiled operators, made on first use."""

import warnings
from functools import cache
from pathlib import Path

from src.native import BuildError, build_library


@cache
def library_path():
    """The library's path. Raises BuildError when this machine cannot compile it."""
    return str(build_library(Path(__file__).parent / "native", "bimlp-operators"))


@cache
def available():
    """Whether this machine has, or can compile, the library; a warning says why not."""
    try:
        library_path()
    except BuildError as error:
        words = " ".join(str(error).split())  # a compiler's are lines
        warnings.warn(f"training on the CPU will be several times slower: {words}", stacklevel=2)
        return False
    return True
