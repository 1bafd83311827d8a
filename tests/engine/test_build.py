"""Builds of the engine by the script and by CMake, and their compiler flags, which are those of Python."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from src.common.compile import FLAGS_FILE, flags_of, sources_of
from src.common.compile import NATIVE as SHARED
from src.engine import Engine
from src.engine.compiled import folders
from src.engine.library import library
from tests.engine.left_out import skip_emulated

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "src" / "engine" / "native"
SOURCES = {path.name for path in sources_of([SHARED, *folders()])}  # whose objects lie in one folder
WITH_FLAGS = sorted(SOURCES & set(FLAGS_FILE.read_text().split()))  # on some machine
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the flag is one of x86_64")


def build(folder, **environment):
    """The finished process of scripts/build_engine.sh."""
    command = ["bash", "scripts/build_engine.sh", str(folder)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_no_two_sources_make_the_same_object():
    assert len(SOURCES) == len(sources_of([SHARED, *folders()]))


def test_the_library_has_the_sources_of_all_rooms():
    tools = {path.name for path in sources_of([NATIVE / "tools"])}
    assert {path.name for folder in (SHARED, NATIVE) for path in folder.rglob("*.cc")} == SOURCES | tools


def test_the_script_builds_without_a_warning(engine_build):
    assert {path.stem for path in (engine_build / "objects").iterdir()} == {
        Path(name).stem for name in SOURCES
    }
    exported = subprocess.run(
        ["nm", "-D", "--defined-only", engine_build / "libbimlp.so"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    headers = "".join((NATIVE / name).read_text() for name in ("bimlp.h", "inspect.h"))
    declared = re.findall(r"^BIMLP_API .*?(bimlp_\w+)\(", headers, re.MULTILINE)
    # of the standard library's templates there are weak ones besides
    assert sorted(re.findall(r" T (\w+)", exported)) == sorted(declared)


@X86
def test_flags_that_the_compiler_does_not_know_are_skipped(tmp_path):
    log = tmp_path / "log"
    text = f"""#!/usr/bin/env bash
        case "$*" in *-mavx512vpopcntdq*) exit 1 ;; esac
        echo "$@" >>{log}
        while [ "$1" != -o ] && [ $# -gt 1 ]; do shift; done
        [ "$1" != -o ] || touch "$2"
    """
    done = build(tmp_path / "out", CXX=executable(tmp_path / "compiler", text), CXXFLAGS="-Wmine")
    assert done.returncode == 0, done.stderr
    commands = {Path(file).name: line for file, line in compiled(log).items()}
    assert commands.keys() == SOURCES
    for name, command in commands.items():
        own = [] if "-mavx512vpopcntdq" in flags_of(name) else flags_of(name)
        assert flags_in(command) == sorted([*flags_of("common", "engine"), "-Wmine", *own])


def compiled(log):
    """Source file -> the command in a log that compiles it."""
    lines = log.read_text().splitlines()
    return {match[1]: line for line in lines if (match := re.search(r"-c (\S+\.cc)", line))}


def flags_in(command):
    """Sorted compiler flags of a command, without those that name files."""
    return sorted(
        word for word in command.split() if re.match("-[a-zA-Z].", word) and not re.match("-M", word)
    )


def words_of(command):
    """The finished process of find_compiler in scripts/compiler.sh for a CXX, which prints the words that it found."""
    code = "source scripts/compiler.sh; find_compiler; printf '%s\\n' \"${compiler[@]}\""
    environment = {**os.environ, "CXX": command}
    return subprocess.run(
        ["bash", "-euc", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_a_compilers_command_has_several_words_and_quotes(tmp_path):
    (tmp_path / "two words").mkdir()
    wrapper = executable(tmp_path / "two words" / "wrapper", '#!/usr/bin/env bash\nexec "$@"\n')
    log = tmp_path / "log"
    text = f"""#!/usr/bin/env bash
        echo "$@" >>{log}
        while [ "$1" != -o ] && [ $# -gt 1 ]; do shift; done
        [ "$1" != -o ] || touch "$2"
    """
    command = f"'{wrapper}' {executable(tmp_path / 'compiler', text)} --first"
    assert words_of(command).stdout.splitlines() == [wrapper, str(tmp_path / "compiler"), "--first"]
    done = build(tmp_path / "out", CXX=command)
    assert done.returncode == 0, done.stderr
    lines = log.read_text().splitlines()
    assert all(line.startswith("--first ") for line in lines)
    assert {Path(file).name for file in compiled(log)} == SOURCES


def test_flags_are_those_of_the_machine_for_which_a_compiler_compiles(tmp_path):
    cross = executable(
        tmp_path / "cross", '#!/usr/bin/env bash\n[ "$*" != -dumpmachine ] || echo aarch64-linux-gnu\n'
    )
    code = "source scripts/compiler.sh; find_compiler; flags_of neon_dot.cc avx2.cc"
    done = subprocess.run(
        ["bash", "-euc", code], cwd=ROOT, env={**os.environ, "CXX": cross}, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.split() == ["-march=armv8.2-a+dotprod", "-ffp-contract=off"]


def test_a_command_without_its_last_quote_is_one_line():
    done = words_of('ccache "g++')
    assert (done.returncode, done.stderr) == (2, 'error: CXX: expected a command, got ccache "g++\n')


def test_a_missing_compiler_is_one_line(tmp_path):
    done = build(tmp_path / "out", CXX="no-such-compiler")
    assert done.returncode == 2 and done.stderr == "error: no-such-compiler: expected a C++ compiler\n"


@pytest.mark.parametrize("name", WITH_FLAGS)
def test_code_for_some_processors_is_not_shared_with_the_rest(name, engine_build):
    """Of a function that several files define, the linker keeps one: it must not be one that some processors lack."""
    if shutil.which("nm") is None:
        pytest.skip("no nm")
    file = engine_build / "objects" / name.replace(".cc", ".o")
    lines = subprocess.run(["nm", "-C", file], capture_output=True, text=True, check=True).stdout.splitlines()
    symbols = [re.fullmatch(r"[0-9a-f]+ (\S) (.*)", line) for line in lines]
    shared = [match[2] for match in symbols if match and match[1] in "WVuTDBR"]
    # DW.ref: a pointer for exceptions, which is no code
    shared = [symbol for symbol in shared if not symbol.startswith("DW.ref.")]
    assert shared == [f"bimlp::{name.removesuffix('.cc')}_kernels()"]


@dataclass(frozen=True)
class Installed:
    """The engine as CMake installs it. log: the commands that would have compiled what the script has compiled."""

    prefix: Path
    log: Path


def succeed(*command):
    """Run a command, which must end well."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def installed(engine_build, tmp_path_factory):
    """An Installed, once for the module."""
    skip_emulated("CMake builds for this machine")
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    folder = tmp_path_factory.mktemp("cmake")
    log, source, target, prefix = (folder / name for name in ("log", "here", "build", "prefix"))
    source.symlink_to(NATIVE)
    # in the compiler's place: what is compiled already is copied
    launcher = f"""#!/usr/bin/env bash
        object={engine_build}/objects/$(basename "${{@: -1}}" .cc).o
        if [ -e "$object" ]; then
          echo "$@" >>{log}
          while [ "$1" != -o ]; do shift; done
          cp "$object" "$2"
        else
          exec "$@"
        fi
    """
    launcher = f"-DCMAKE_CXX_COMPILER_LAUNCHER={executable(folder / 'launcher', launcher)}"
    succeed("cmake", "-S", source, "-B", target, launcher)
    succeed("cmake", "--build", target)
    succeed("cmake", "--install", target, "--prefix", prefix)
    return Installed(prefix, log)


def test_cmake_builds_and_installs_the_same(installed):
    files = {
        str(path.relative_to(installed.prefix)) for path in installed.prefix.rglob("*") if path.is_file()
    }
    assert {"bin/bimlp_run", "include/bimlp.h"} <= files and re.search(
        r"lib\S*/libbimlp\.so", " ".join(files)
    )
    assert subprocess.run([installed.prefix / "bin" / "bimlp_run", "--help"], check=False).returncode == 0
    commands = {Path(file).name: line for file, line in compiled(installed.log).items()}
    assert commands.keys() == SOURCES
    for name, command in commands.items():
        assert flags_in(command) == sorted([*flags_of("common", "engine"), *flags_of(name)])


def example(installed, folder, wanted="1.0"):
    """Path of the program of docs/example, compiled with the installed engine of at least the version that is wanted."""
    shutil.copytree(ROOT / "docs" / "example", folder / "source")
    listing = folder / "source" / "CMakeLists.txt"
    listing.write_text(listing.read_text().replace("bimlp 1.0", f"bimlp {wanted}"))
    succeed("cmake", "-S", folder / "source", "-B", folder / "out", f"-DCMAKE_PREFIX_PATH={installed.prefix}")
    succeed("cmake", "--build", folder / "out")
    return folder / "out" / "classify"


def test_the_example_finds_the_installed_engine(installed, packed, tmp_path):
    program, one = example(installed, tmp_path), packed(size=16)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    with Engine.load(one.path) as engine:
        expected = engine.logits(pixels).argmax(axis=1).tolist()
    assert list(map(int, succeed(program, one.path, tmp_path / "pixels").split())) == expected


@pytest.mark.parametrize("wanted", ["0.9", "1.99", "2.0"])
def test_a_version_that_the_engine_does_not_have_is_not_found(wanted, installed, tmp_path):
    with pytest.raises(AssertionError, match=r"compatible\s+with requested version"):
        example(installed, tmp_path, wanted)


def test_the_library_tells_the_version_of_its_header():
    numbers = re.findall(r"define BIMLP_VERSION_\w+ (\d+)", (NATIVE / "bimlp.h").read_text())
    major, minor, patch = map(int, numbers)
    assert library().bimlp_version() == 10000 * major + 100 * minor + patch


def test_the_scripts_read_flags_as_python_does():
    for part in ("common", "engine", "operators", "no such part", *WITH_FLAGS):
        code = f"source scripts/compiler.sh; flags_of {part!r}"
        done = subprocess.run(["bash", "-euc", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.split() == flags_of(part)
    assert {"avx2.cc", "neon_dot.cc"} <= set(WITH_FLAGS)
