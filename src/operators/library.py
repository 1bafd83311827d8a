"""The compiled operators, made on first use."""

import warnings
from functools import cache
from pathlib import Path

from src.common.compile import BuildError, load_library


@cache
def library_path():
    """The library's path. Raises BuildError when this machine cannot compile it, or load it: MindSpore gets the path alone."""
    return load_library(Path(__file__).parent / "native", "bimlp-operators")._name


@cache
def available():
    """Whether this machine has, or can compile, the library and load it; a warning says why not."""
    try:
        library_path()
    except BuildError as error:
        words = " ".join(str(error).split())  # a compiler's are lines
        warnings.warn(f"training on the CPU will be several times slower: {words}", stacklevel=2)
        return False
    return True
