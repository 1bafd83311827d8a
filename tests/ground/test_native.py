"""C++ compiled on first use: kept, made anew when it changes, and one clear error when it cannot be made."""

import ctypes
import platform

import pytest

from src import native
from src.native import BuildError, build_library


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with one function that returns 7; the cache lies beside it."""
    monkeypatch.setenv("BIMLP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "seven.cc").write_text('extern "C" int answer() { return 7; }\n')
    return folder


def test_a_library_is_compiled_once_and_again_when_its_source_changes(source, capsys):
    first = build_library(source, "seven")
    assert ctypes.CDLL(str(first)).answer() == 7
    assert "compiling seven" in capsys.readouterr().err
    assert build_library(source, "seven") == first and capsys.readouterr().err == ""
    (source / "seven.cc").write_text('extern "C" int answer() { return 8; }\n')
    second = build_library(source, "seven")
    assert second != first and ctypes.CDLL(str(second)).answer() == 8


def test_a_missing_compiler_is_named(source, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BuildError, match=r"no-such-compiler: expected a C\+\+ compiler"):
        build_library(source, "seven")


def test_what_the_compiler_says_is_handed_on_and_nothing_is_left(source):
    (source / "seven.cc").write_text("int answer( { }\n")
    with pytest.raises(BuildError, match="failed with exit code 1"):
        build_library(source, "seven")
    assert not list(native.cache_dir().iterdir())


def test_a_file_gets_its_own_flags_where_the_compiler_knows_them(source):
    (source / "seven.cc").write_text('extern "C" int answer() { return ANSWER; }\n')
    rows = [f"{machine} seven.cc -DANSWER=7 # for all" for machine in (platform.machine(), "pdp11")]
    (source / "flags.txt").write_text("# flags\n" + "\n".join(rows))
    assert ctypes.CDLL(str(build_library(source, "seven"))).answer() == 7
    (source / "flags.txt").write_text(f"{platform.machine()} seven.cc -DANSWER=7 -mno-such-instructions")
    with pytest.raises(BuildError, match="ANSWER"):
        build_library(source, "seven")


def test_a_cache_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(BuildError, match="cache"):
        build_library(source, "seven")
