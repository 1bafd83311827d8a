"""C++ sources compiled on first use into a library of this machine's own, kept for later processes."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

from src.errors import InputError
from src.files import reason, replacing

FLAGS = (
    "-std=c++20",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
    "-shared",
    "-fPIC",
    "-pthread",
)


class BuildError(Exception):
    """No library can be made on this machine; the message says why."""


def cache_dir():
    """Where compiled libraries are kept: BIMLP_CACHE, else bimlp in the user's cache folder."""
    named = os.environ.get("BIMLP_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bimlp"


def compiler():
    """The C++ compiler: CXX, else c++."""
    return os.environ.get("CXX") or "c++"


def build_library(folder, name):
    """The path of the shared library made of all *.cc in `folder`, compiled unless the same is there already.

    Its file name holds a hash of the sources, the compiler and the processor's instruction set, so a change of
    any makes a new one. Raises BuildError when there is no compiler, it fails, or the cache cannot be written.
    """
    sources = sorted(Path(folder).glob("*.cc"))
    path = cache_dir() / f"{name}-{_identity(folder)}.so"
    if path.exists():
        return path
    sys.stderr.write(f"compiling {name} for this machine, once: some seconds\n")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            _run([compiler(), *FLAGS, *map(str, sources), "-o", str(temporary)])
    except (OSError, InputError) as error:
        raise BuildError(f"{path.parent}: expected a folder for compiled code: {error}") from error
    return path


def _identity(folder):
    """Of everything that decides what the compiler makes."""
    digest = hashlib.sha256()
    for source in sorted(Path(folder).iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    digest.update("\0".join((_run([compiler(), "--version"]), *FLAGS, _instruction_set())).encode())
    return digest.hexdigest()[:16]


def _instruction_set():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


def _run(command):
    """The command's output. Raises BuildError with the end of what it said when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{command[0]}: expected a C++ compiler: {reason(error)}") from error
    if done.returncode:
        raise BuildError(f"{command[0]}: failed with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
