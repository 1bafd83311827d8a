"""C++ compiled on first use: kept, made anew when it changes, and one clear error when it cannot be made."""

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from src.common import compile as native
from src.common.compile import BuildError, build_library, flags_of, load_library

ROOT = Path(__file__).resolve().parents[2]
FLAGS = flags_of("common", "operators")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with one function that returns 7; the cache lies beside it."""
    monkeypatch.setenv("BIMLP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "seven.cc").write_text('extern "C" int answer() { return 7; }\n')
    return folder


def test_a_library_is_compiled_once_and_again_when_its_source_changes(source, capsys):
    first = build_library([source], "seven", FLAGS)
    assert ctypes.CDLL(str(first)).answer() == 7
    assert "compiling seven" in capsys.readouterr().err
    assert build_library([source], "seven", FLAGS) == first and capsys.readouterr().err == ""
    (source / "seven.cc").write_text('extern "C" int answer() { return 8; }\n')
    second = build_library([source], "seven", FLAGS)
    assert second != first and ctypes.CDLL(str(second)).answer() == 8


def test_a_change_in_any_folder_makes_a_new_library(source, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "number.h").write_text("#define NUMBER 7\n")
    (shared / "number.cc").write_text('#include "number.h"\nint number() { return NUMBER; }\n')
    (source / "seven.cc").write_text('int number();\nextern "C" int answer() { return number(); }\n')
    first = build_library([shared, source], "seven", FLAGS)
    assert ctypes.CDLL(str(first)).answer() == 7
    (shared / "number.h").write_text("#define NUMBER 8\n")
    second = build_library([shared, source], "seven", FLAGS)
    assert second != first and ctypes.CDLL(str(second)).answer() == 8


def test_flags_of_a_part_are_its_lines_for_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(native, "FLAGS_FILE", tmp_path / "flags.txt")
    lines = ("# a", "", "* a -one", f"{platform.machine()} a  -two  -three", "pdp11 a -four", "* b -five")
    (tmp_path / "flags.txt").write_text("\n".join(lines))
    assert flags_of("b", "a") == ["-five", "-one", "-two", "-three"]
    assert flags_of("c") == []


def test_a_missing_compiler_is_named(source, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BuildError, match=r"no-such-compiler: expected a C\+\+ compiler"):
        build_library([source], "seven", FLAGS)


def test_what_the_compiler_says_is_handed_on_and_nothing_is_left(source):
    (source / "seven.cc").write_text("int answer( { }\n")
    with pytest.raises(BuildError, match="failed with exit code 1"):
        build_library([source], "seven", FLAGS)
    assert not list(native.cache_dir().iterdir())


def test_a_file_gets_its_own_flags_where_the_compiler_knows_them(source, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "FLAGS_FILE", tmp_path / "flags.txt")
    (source / "seven.cc").write_text('extern "C" int answer() { return ANSWER; }\n')
    rows = [f"{platform.machine()} seven.cc -DANSWER=7", "pdp11 seven.cc -DANSWER=8"]
    (tmp_path / "flags.txt").write_text("# flags\n\n" + "\n".join(rows))
    assert ctypes.CDLL(str(build_library([source], "seven", FLAGS))).answer() == 7
    (tmp_path / "flags.txt").write_text(f"{platform.machine()} seven.cc -DANSWER=7 -mno-such-instructions")
    with pytest.raises(BuildError, match="ANSWER"):
        build_library([source], "seven", FLAGS)


def test_a_cache_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(BuildError, match="cache"):
        build_library([source], "seven", FLAGS)


def damaged(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:2000], lambda data: b"", damaged, lambda data: data[:-1], lambda data: data + b"\0"],
    ids=["cut off", "empty", "a bit", "a byte less", "a byte more"],
)
def test_a_damaged_library_is_made_anew(source, damage, capsys):
    path = build_library([source], "seven", FLAGS)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    capsys.readouterr()
    # in a process of its own, for a damaged library is a bus error
    code = f"from src.common.compile import *; print(load_library([{str(source)!r}], 'seven', {FLAGS!r}).answer())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "7\n")
    assert "compiling seven" in done.stderr and path.read_bytes() == whole


def test_a_library_made_for_something_else_is_made_anew(source, monkeypatch):
    first = build_library([source], "seven", FLAGS)
    monkeypatch.setattr(native, "c_library", lambda: "glibc 1.0")
    second = build_library([source], "seven", FLAGS)
    assert second != first
    monkeypatch.undo()
    monkeypatch.setenv("BIMLP_CACHE", str(first.parent))
    other = second.read_bytes()
    first.write_bytes(other)
    assert load_library([source], "seven", FLAGS).answer() == 7 and first.read_bytes() != other


def test_a_library_that_cannot_be_loaded_is_told_in_the_loaders_words(source, monkeypatch):
    path = build_library([source], "seven", FLAGS)

    def refuses(name):
        raise OSError(f"{name}: failed to map segment from shared object")

    monkeypatch.setattr(ctypes, "CDLL", refuses)
    said = (
        rf"cache: expected a folder from which code can be loaded, got: {path}: failed to map .*; BIMLP_CACHE"
    )
    with pytest.raises(BuildError, match=said):
        load_library([source], "seven", FLAGS)


def test_a_cache_on_a_file_system_mounted_noexec(source, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    # in name spaces of its own, so that the mount ends with the process
    code = f"from src.common.compile import *; load_library([{str(source)!r}], 'seven', {FLAGS!r})"
    shell = 'mount -t tmpfs -o noexec,size=16m tmpfs "$1" && exec "$2" -c "$3"'
    command = [
        "unshare",
        "--mount",
        "--user",
        "--map-root-user",
        "bash",
        "-c",
        shell,
        "-",
        cache,
        sys.executable,
        code,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and "BuildError" not in done.stderr:
        pytest.skip(f"no mount here: {done.stderr[-100:]}")
    last = done.stderr.splitlines()[-1]
    assert "expected a folder from which code can be loaded, got: " in last
    assert "failed to map segment from shared object" in last and last.endswith("BIMLP_CACHE names another")


def test_processes_that_compile_at_once_each_get_a_whole_library(source):
    code = f"from src.common.compile import *; print(load_library([{str(source)!r}], 'seven', {FLAGS!r}).answer())"
    command = [sys.executable, "-c", code]
    several = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in several:
        out, err = process.communicate()
        assert (process.returncode, out) == (0, "7\n"), err
    assert [path.suffix for path in native.cache_dir().iterdir()] == [".so"]


def test_a_compilers_command_has_several_words_and_quotes(source, tmp_path, monkeypatch):
    folder = tmp_path / "two words"
    folder.mkdir()
    (folder / "my compiler").write_text('#!/bin/sh\nexec "$@" -DANSWER=7\n')
    (folder / "my compiler").chmod(0o755)
    (source / "seven.cc").write_text('extern "C" int answer() { return ANSWER; }\n')
    monkeypatch.setenv("CXX", f"'{folder}/my compiler' {native.compiler()[0]}")
    assert native.compiler() == [f"{folder}/my compiler", "c++"]
    assert load_library([source], "seven", FLAGS).answer() == 7


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_name_of_a_compiler_is_none(monkeypatch, text):
    monkeypatch.setenv("CXX", text)
    assert native.compiler() == ["c++"]


def test_a_compilers_command_without_its_last_quote_is_named(source, monkeypatch):
    monkeypatch.setenv("CXX", 'ccache "g++')
    with pytest.raises(
        BuildError, match="CXX: expected a command, got 'ccache \"g\\+\\+': No closing quotation"
    ):
        build_library([source], "seven", FLAGS)
