"""The operators' library is believed when it could be loaded, and training does without it where it cannot."""

import ctypes
import warnings

import pytest

from src.common.compile import BuildError
from src.operators import library


@pytest.fixture
def anew(monkeypatch):
    """The module as in a new process, with a library whose file system is mounted noexec."""

    def clear():
        library.available.cache_clear()
        library.library_path.cache_clear()

    def refuses(name):
        raise OSError(f"{name}: failed to map segment from shared object")

    monkeypatch.setattr(
        "src.common.compile.build_library", lambda folders, name, flags: folders[-1] / "operators.so"
    )
    monkeypatch.setattr(ctypes, "CDLL", refuses)
    clear()
    yield
    clear()


def test_a_library_that_cannot_be_loaded_is_one_warning_and_no_library(anew):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert not library.available() and not library.available()
    [warning] = said
    words = "training on the CPU will be several times slower: .*operators.so: failed to map segment .*BIMLP_CACHE"
    with pytest.raises(UserWarning, match=words):
        raise warning.message
    with pytest.raises(BuildError, match="failed to map segment"):
        library.library_path()
