"""The engine's builds: one script, CMake, and files of other instruction sets that keep to themselves."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from src.common.compile import own_flags

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "src" / "engine" / "native"
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="flags.txt has only files for x86_64")


def build(folder, **environment):
    """The finished process of scripts/build_engine.sh."""
    command = ["bash", "scripts/build_engine.sh", str(folder)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_script_builds_without_a_warning(engine_build):
    assert {path.stem for path in (engine_build / "objects").iterdir()} == {
        p.stem for p in NATIVE.glob("*.cc")
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
def test_flags_that_the_compiler_does_not_know_are_left_out(tmp_path):
    log = tmp_path / "log"
    text = f"""#!/usr/bin/env bash
        case "$*" in *-mavx512vpopcntdq*) exit 1 ;; esac
        echo "$@" >>{log}
        while [ "$1" != -o ] && [ $# -gt 1 ]; do shift; done
        [ "$1" != -o ] || touch "$2"
    """
    done = build(tmp_path / "out", CXX=executable(tmp_path / "compiler", text), CXXFLAGS="-Wmine")
    assert done.returncode == 0, done.stderr
    commands = {
        match[1]: line for line in log.read_text().splitlines() if (match := re.search(r"-c (\w+\.cc)", line))
    }
    assert commands.keys() == {path.name for path in NATIVE.glob("*.cc")}
    assert all("-Wmine" in command and "-O3" in command for command in commands.values())
    assert "-mavx2 -mfma" in commands["kernels_avx2.cc"]
    for name in commands.keys() - {"kernels_avx2.cc"}:
        assert "-mavx" not in commands[name]


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
    assert len([line for line in lines if " -c " in line]) == len(list(NATIVE.glob("*.cc")))


def test_a_command_without_its_last_quote_is_one_line():
    done = words_of('ccache "g++')
    assert (done.returncode, done.stderr) == (2, 'error: CXX: expected a command, got ccache "g++\n')


def test_a_missing_compiler_is_one_line(tmp_path):
    done = build(tmp_path / "out", CXX="no-such-compiler")
    assert done.returncode == 2 and done.stderr == "error: no-such-compiler: expected a C++ compiler\n"


@pytest.mark.parametrize("name", sorted(own_flags(NATIVE)))
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
    assert shared == [f"bimlp::{name.removesuffix('.cc')[8:]}_kernels()"]


def test_cmake_builds_and_installs_the_same(engine_build, tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    log, source, target, prefix = (tmp_path / name for name in ("log", "here", "build", "prefix"))
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
    launcher = f"-DCMAKE_CXX_COMPILER_LAUNCHER={executable(tmp_path / 'launcher', launcher)}"
    for command in (
        ["cmake", "-S", source, "-B", target, launcher],
        ["cmake", "--build", target],
        ["cmake", "--install", target, "--prefix", prefix],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {"bin/bimlp_run", "include/bimlp.h"} <= files and re.search(
        r"lib\S*/libbimlp\.so", " ".join(files)
    )
    assert subprocess.run([prefix / "bin" / "bimlp_run", "--help"], check=False).returncode == 0
    commands = {Path(line.split()[-1]).name: line for line in log.read_text().splitlines()}
    assert commands.keys() == {path.name for path in NATIVE.glob("*.cc")}
    for name, command in commands.items():
        words = command.split()
        assert {"-O3", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-Wall"} <= set(words)
        assert [word for word in words if word.startswith("-m")] == own_flags(NATIVE).get(name, [])
