"""C++ sources compiled on first use into a library of this machine's own, kept for later processes."""

import hashlib
import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from src.errors import InputError
from src.files import reason, replacing
from src.output import warn

COMMON = ("-O3", "-fno-math-errno", "-Wall", "-Wextra", "-fPIC", "-pthread")
# for this machine alone; sources that choose an instruction set at run time have theirs in FLAGS_FILE
FLAGS = ("-std=c++20", "-march=native", *COMMON)
FLAGS_FILE = "flags.txt"


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


def build_library(folder, name, flags=FLAGS):
    """The path of the shared library made of all *.cc in `folder`, compiled unless the same is there already.

    Its file name holds a hash of the sources, the compiler and the processor's instruction set, so a change of
    any makes a new one. Raises BuildError when there is no compiler, it fails, or the cache cannot be written.
    """
    path = cache_dir() / f"{name}-{_identity(folder, flags)}.so"
    if path.exists():
        return path
    warn(f"compiling {name} for this machine, once: some seconds")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            objects = compile_objects(folder, temporary.parent, flags)
            _run([compiler(), "-shared", "-pthread", *map(str, objects), "-o", str(temporary)])
    except (OSError, InputError) as error:
        raise BuildError(f"{path.parent}: expected a folder for compiled code: {error}") from error
    return path


def compile_objects(folder, target, flags):
    """Compile every *.cc of `folder` into the folder `target`, several at a time; the objects' paths.

    A file's own flags are left out where the compiler does not know them. Raises BuildError.
    """
    own = own_flags(folder)

    def compiled(source):
        out = Path(target) / f"{source.stem}.o"
        more = own.get(source.name, [])
        _run([compiler(), *flags, *(more if _knows(more) else ()), "-c", str(source), "-o", str(out)])
        return out

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compiled, sorted(Path(folder).glob("*.cc"))))


def _knows(flags):
    """Whether the compiler knows all of these flags."""
    try:
        _run([compiler(), *flags, "-x", "c++", "-E", os.devnull])
    except BuildError:
        return False
    return True


def own_flags(folder):
    """File name -> the flags that flags.txt in `folder`, if there is one, adds for it on this kind of machine.

    A line is: machine (as uname -m), file name, flags. # begins a comment.
    """
    path = Path(folder) / FLAGS_FILE
    lines = path.read_text().splitlines() if path.exists() else ()
    words = [line.partition("#")[0].split() for line in lines]
    return {line[1]: line[2:] for line in words if line and line[0] == platform.machine()}


def _identity(folder, flags):
    """Of everything that decides what the compiler makes."""
    digest = hashlib.sha256()
    for source in sorted(path for path in Path(folder).iterdir() if path.is_file()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    digest.update("\0".join((_run([compiler(), "--version"]), *flags, _instruction_set())).encode())
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
