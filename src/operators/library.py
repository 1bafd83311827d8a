"""Library of the compiled operators, built on first use."""

import warnings
from functools import cache
from pathlib import Path

from src.common.compile import NATIVE, BuildError, flags_of, load_library


@cache
def library_path():
    """Path of the library, which MindSpore loads by it. Raises BuildError if it cannot be compiled or loaded."""
    folders = [NATIVE, Path(__file__).parent / "native"]
    return load_library(folders, "bimlp-operators", flags_of("common", "operators"))._name


@cache
def available():
    """Whether the library can be compiled and loaded. Warns with the reason if not."""
    try:
        library_path()
    except BuildError as error:
        words = " ".join(str(error).split())  # one line of a compiler's many
        warnings.warn(f"training on the CPU will be several times slower: {words}", stacklevel=2)
        return False
    return True
