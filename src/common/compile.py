"""Compilation of C++ sources on first use, into a library for this machine in the cache."""

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from src.common.cache_folder import ANOTHER, cache_dir
from src.common.errors import InputError
from src.common.files import reason, replacing
from src.common.output import warn

NATIVE = Path(__file__).parents[1] / "native"  # sources that the engine and the operators share
FLAGS_FILE = NATIVE / "flags.txt"


class BuildError(Exception):
    """Error of a library that cannot be compiled or loaded on this machine."""


def compiler():
    """Words of the C++ compiler's command: CXX, which may have several words and quotes, else c++. Raises BuildError."""
    text = os.environ.get("CXX", "")
    try:
        return shlex.split(text) or ["c++"]
    except ValueError as error:
        raise BuildError(f"CXX: expected a command, got {text!r}: {error}") from error


def load_library(folders, name, flags):
    """Loaded library of `build_library`, a ctypes.CDLL. Raises BuildError also if it cannot be loaded."""
    path = build_library(folders, name, flags)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:  # as from a file system that is mounted noexec
        raise BuildError(
            f"{path.parent}: expected a folder from which code can be loaded, got: {reason(error)}; {ANOTHER}"
        ) from error


def build_library(folders, name, flags):
    """Path of the shared library of all *.cc in `folders`, compiled unless the same one is in the cache, undamaged.

    The file name holds a hash of the folders' files, the flags, the compiler, the C library and the processor's
    instruction set, so a change of any makes a new library. The last bytes are a checksum, for a damaged library ends
    the process that loads it.

    Raises:
        BuildError: no compiler, a compiler that fails, a cache that cannot be written.
    """
    identity = _identity(folders, flags)
    try:
        path = cache_dir() / f"{name}-{identity}.so"
        if _is_whole(path, identity):
            return path
        warn(f"compiling {name} for this machine, once: some seconds")
        with replacing(path) as temporary:
            objects = compile_objects(folders, temporary.parent, flags)
            _run([*compiler(), "-shared", "-pthread", *map(str, objects), "-o", str(temporary)])
            with temporary.open("ab") as file:
                file.write(_checksum(temporary.read_bytes(), identity))
    except (OSError, InputError) as error:
        words = str(error) if isinstance(error, InputError) else reason(error)
        more = "" if ANOTHER in words else f"; {ANOTHER} folder for compiled code"
        raise BuildError(f"{words}{more}") from error
    return path


def _is_whole(path, identity):
    """Whether the library is there, undamaged and made for that identity."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    end = len(data) - hashlib.sha256().digest_size
    return end > 0 and data[end:] == _checksum(data[:end], identity)


def _checksum(data, identity):
    return hashlib.sha256(identity.encode() + b"\0" + data).digest()


def compile_objects(folders, target, flags):
    """Paths of the objects of every *.cc in `folders`, compiled into the folder `target`, several at a time.

    A file's own flags are skipped if the compiler does not know them. Raises BuildError.
    """

    def compiled(source):
        out = Path(target) / f"{source.stem}.o"
        more = flags_of(source.name)
        _run([*compiler(), *flags, *(more if _knows(more) else ()), "-c", str(source), "-o", str(out)])
        return out

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compiled, sources_of(folders)))


def sources_of(folders):
    """Paths of all *.cc in `folders`, sorted by folder and name."""
    return [source for folder in folders for source in sorted(Path(folder).glob("*.cc"))]


def _knows(flags):
    """Whether the compiler knows all of these flags."""
    try:
        _run([*compiler(), *flags, "-x", "c++", "-E", os.devnull])
    except BuildError:
        return False
    return True


def flags_of(*parts):
    """Compiler flags of these parts of the project, in the order of `parts`; native/flags.txt tells its format."""
    lines = [line.split() for line in FLAGS_FILE.read_text().splitlines() if not line.startswith("#")]
    rows = [line for line in lines if line and line[0] in ("*", platform.machine())]
    return [flag for part in parts for row in rows if row[1] == part for flag in row[2:]]


def _identity(folders, flags):
    """Hash of everything that decides what the compiler makes."""
    digest = hashlib.sha256(FLAGS_FILE.read_bytes())
    for folder in folders:
        for source in sorted(path for path in Path(folder).iterdir() if path.is_file()):
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    version = _run([*compiler(), "--version"])
    digest.update("\0".join((version, *flags, c_library(), _instruction_set())).encode())
    return digest.hexdigest()[:16]


def c_library():
    """Name and version of the running C library, as "glibc 2.36"; for others than glibc those that Python finds."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return " ".join(platform.libc_ver())


def _instruction_set():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


def _run(command):
    """Output of the command. Raises BuildError with the end of its errors if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{command[0]}: expected a C++ compiler: {reason(error)}") from error
    if done.returncode:
        raise BuildError(f"{command[0]}: failed with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
