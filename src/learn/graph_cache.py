"""Compiled graphs kept on disk, so that the next process need not compile the same function again.

The framework's own compile cache keeps the graphs of a process as compile_cache_<n>.mindir, n counting what it compiled,
and takes the n-th file for the n-th function whatever that is. So it works here in a folder of the process's own, into
which the right file is put just before a function is compiled, and from which a new one is taken just after.
CPU only: not tried elsewhere. Only for Cells: the framework gives a cached graph the parameters of its Cell, and a
jitted function's graph none.
"""

import atexit
import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path

import mindspore as ms

from src.common.compile import c_library, cache_dir
from src.common.errors import InputError
from src.common.files import replacing
from src.operators import available, library_path
from src.settings.schema import keys_with

GRAPH, DEPENDENCY = "graph.mindir", "dependency.hash"
ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("model", "operators", "learn")  # of which graphs are made
MAX_GRAPHS = 32  # graphs, of some megabytes each; the least recently used go first


def graph_identity(flat, workers, networks, **more):
    """All that decides the graphs of a run, or None where graphs are not kept: on other devices than a CPU, and with
    several workers.

    Args:
        flat: all settings {key: value}.
        workers: those of the job.
        networks: the networks that the graphs are made of; None stands for one that is not there.
        more: JSON values that decide as well.
    """
    if flat["device_target"] != "CPU" or workers.size > 1:
        return None
    settings = {key: flat[key] for key in keys_with("graph")}
    parameters = [
        [[p.name, p.shape, str(p.dtype), p.requires_grad] for p in network.get_parameters()]
        for network in networks
        if network is not None
    ]
    return {**settings, "parameters": parameters, **more}


class GraphCache:
    """The graphs of this process that are kept; one per process. Raises OSError when no temporary folder can be made.

    Attributes:
        folder: where graphs are kept.
        count: functions compiled within `keeping` so far.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.count = 0
        self.working_folder = Path(tempfile.mkdtemp(prefix="bimlp-graphs-"))
        atexit.register(shutil.rmtree, self.working_folder, ignore_errors=True)

    @contextlib.contextmanager
    def keeping(self, identity):
        """Within, the one Cell that is compiled comes from the folder if a graph of that identity is there, else it
        is put there. Yields whether it is there.

        identity: all that decides what is compiled, JSON values, besides sources, versions and machine.
        """
        stored = self.folder / digest(identity)
        path = self._working_path()
        found = self._fetch(stored, path)
        ms.set_context(enable_compile_cache=True, compile_cache_path=str(self.working_folder))
        try:
            yield found
        finally:
            ms.set_context(enable_compile_cache=False)
            self.count += 1
        if not found and path.exists():
            self._store(path, stored)

    def _working_path(self):
        """Path where the framework looks for the next graph, and writes it."""
        return self.working_folder / "rank_0" / "graph_cache" / f"compile_cache_{self.count}.mindir"

    def _fetch(self, stored, path):
        """Copy a stored graph to the path; True where it is there. False also where the folder of this process cannot be
        written, or another process has just removed the graph."""
        try:
            if not _undamaged(stored):
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(stored / DEPENDENCY, path.parent / "compile_dependency.hash")
            shutil.copyfile(stored / GRAPH, path)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            return False
        with contextlib.suppress(OSError):
            os.utime(stored)
        return True

    def _store(self, path, stored):
        """Move a new graph to the folder; where that cannot be written, nothing is stored."""
        with contextlib.suppress(OSError, InputError):
            stored.mkdir(parents=True, exist_ok=True)
            for source, name in ((path.parent / "compile_dependency.hash", DEPENDENCY), (path, GRAPH)):
                with replacing(stored / name) as temporary:
                    shutil.copyfile(source, temporary)
            with replacing(stored / "sha256") as temporary:
                temporary.write_text(_checksum(stored))
            for each in sorted(self.folder.iterdir(), key=lambda each: each.stat().st_mtime_ns)[:-MAX_GRAPHS]:
                shutil.rmtree(each, ignore_errors=True)


@cache
def graph_cache():
    """The cache of this process, or None where it finds no folder for temporary files, or none for code of its own."""
    try:
        return GraphCache(cache_dir() / "graphs")
    except (OSError, InputError):
        return None


def digest(identity):
    """A hash of the identity, the project's sources, the versions and the fused operators of this machine."""
    versions = (ms.__version__, _mindcv_version(), sys.version, platform.machine(), c_library())
    facts = (identity, *versions, library_path() if available() else "")
    return hashlib.sha256((json.dumps(facts, sort_keys=True) + _sources()).encode()).hexdigest()[:32]


def _mindcv_version():
    """Of the package that teachers' networks come from; it takes seconds to import. "" where it is not installed."""
    try:
        return metadata.version("mindcv")
    except metadata.PackageNotFoundError:
        return ""


@cache
def _sources(root=ROOT):
    """Digest of the Python files of the rooms that graphs are made of, and of the folders in them. root: src/."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _undamaged(stored):
    """True where a graph is there and undamaged."""
    try:
        return (stored / "sha256").read_text() == _checksum(stored)
    except OSError:
        return False


def _checksum(stored):
    return hashlib.sha256((stored / GRAPH).read_bytes() + (stored / DEPENDENCY).read_bytes()).hexdigest()
