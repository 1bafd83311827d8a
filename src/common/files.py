"""Files written whole or not at all, and read only where they are files."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
import tempfile
from pathlib import Path

from .errors import InputError

PACKED_SUFFIX, ONNX_SUFFIX, MINDIR_SUFFIX = (
    ".packed",
    ".onnx",
    ".mindir",
)  # of files that have their network in them
PACKED_SIGNATURE = b"\x89BiMLP\r\n"  # which they begin with
KINDS = {
    stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def reason(error):
    """The words of an error, an OSError as a rule, without number and path: the operating system's, else its own, as dlopen's and http's are."""
    cause = getattr(error, "reason", None)  # of urllib's errors
    if isinstance(cause, Exception):
        return reason(cause)
    words = getattr(error, "strerror", None) or str(error)
    return words or f"{type(error).__name__}, which says no more"


def read_file(path, limit=None, name=None, expected="a file"):
    """The bytes of a regular file: not of a pipe, which may never say anything, or of a device, which may never end.

    Args:
        limit: most bytes, or None.
        name: for messages; `path` if None.
        expected: for messages, what the file should be.

    Raises:
        InputError: missing, not a regular file, larger than `limit`, or it cannot be read.
    """
    name = path if name is None else name
    try:
        with open(Path(path), "rb", opener=_open_regular) as file:
            size = os.fstat(file.fileno()).st_size
            if limit is not None and size > limit:
                raise InputError(f"{name}: expected {expected} of at most {limit} bytes, got {size}")
            return file.read(size) or b""
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{name}: expected {expected}, got: {reason(error)}") from error
    except (ValueError, MemoryError) as error:  # a path that no system takes; a file larger than the memory
        words = str(error) or "more than fits the memory"
        raise InputError(f"{name}: expected {expected}, got: {words}") from error


def _open_regular(path, flags):
    """open()'s opener. Looks before opening, which can do something to a device, and after, should it have changed."""
    _require_regular(os.stat(path))
    handle = os.open(path, flags | os.O_NONBLOCK)
    try:
        _require_regular(os.fstat(handle))
    except OSError:
        os.close(handle)
        raise
    return handle


def _require_regular(status):
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{KINDS.get(kind, 'something else')}, not a regular file")


def open_regular(path, most):
    """Open a regular file that holds something for reading bytes; opening a pipe could wait, reading a device never end.

    Args:
        path: the file; symbolic links are followed.
        most: bytes that it may hold.

    Raises:
        OSError: it cannot be opened, is of another kind, empty or longer; `reason` gives the words.
    """
    file = open(path, "rb", opener=_open_regular)  # noqa: SIM115
    size = os.fstat(file.fileno()).st_size
    if 0 < size <= most:
        return file
    file.close()
    if not size:  # as the endless files under /proc say, too
        raise OSError(errno.EINVAL, "an empty file")
    raise OSError(errno.EFBIG, f"a file of {size} bytes; at most {most} are read")


PART = ".part"  # suffix of the hidden folders in which files are made


@contextlib.contextmanager
def replacing(path, previous=None):
    """Context manager: yield a temporary path; on success that file takes the place of `path`.

    The temporary path has the name of `path` in a new hidden folder beside it, so that savers which
    look at the suffix, or put further files next to theirs, work as usual. On success the file gets the mode of
    any new file there (0666 less the umask), is flushed to the disk and renamed over `path` in one step; on any failure, an interruption
    included, `path` stays as it was and nothing else is left. A process that is killed meanwhile leaves the hidden
    folder (see `remove_parts`). With `previous` the file that was at `path` is renamed to that first: killed between
    the two renames, there is `previous` alone.

    Raises:
        InputError: the file cannot be written (missing folder, no permission, full disk, a folder in the way).
    """
    path = Path(path)
    if path.name in ("", ".."):
        raise InputError(f"{path}: cannot be written: expected the name of a file")
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name[:32]}.", suffix=PART, dir=path.parent))
        mode = _mode_of_new_files(folder)
        temporary = folder / path.name
        yield temporary
        os.chmod(temporary, mode)
        _flush_to_disk(temporary)
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(temporary, path)
        _flush_to_disk(path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _mode_of_new_files(folder):
    """Taken from a file that is made for that: the umask can be read in no other way without changing it for all threads."""
    probe = folder / "probe"
    with open(probe, "xb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    probe.unlink()
    return mode


def _flush_to_disk(path):
    """fsync a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(folder):
    """Remove what killed processes left of files that they were writing in `folder`."""
    for path in Path(folder).glob(f".*{PART}"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def holding(folder):
    """Context manager: make `folder` where it is missing and keep other processes out, by a lock that ends with this one.

    File systems that cannot lock let everyone in. On leaving, folders that were made here and are empty are removed.

    Raises:
        InputError: another process holds it, it cannot be made or written to.
    """
    with _made_for_now(folder):
        ensure_writable_dir(folder)
        handle = os.open(folder, os.O_RDONLY)
        try:
            _lock(handle, folder)
            yield
        finally:
            os.close(handle)


def _lock(handle, folder):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{folder}: another process is training here") from error
    except OSError:  # the file system has no locks
        pass


def write_atomic(path, data):
    """Write `data` (bytes, or text as UTF-8) to `path`, whole or not at all. Raises InputError as `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def read_summary(path):
    """The stages of a run's summary.json by name; nothing where there is no such file.

    Raises:
        InputError: it cannot be read, or is not what train.py writes.
    """
    if not os.path.lexists(path):
        return {}
    try:
        return {entry["name"]: entry for entry in json.loads(read_file(path))["stages"]}
    except InputError:
        raise
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise InputError(f"{path}: expected the summary of a run, got something else") from error


def append_json_line(path, record):
    """Append `record` as one line of JSON, in one write, flushed to the disk.

    A line that an earlier crash left without its line end was never finished: it is cut off first.

    Raises:
        InputError: the file cannot be written.
        ValueError: the record holds NaN or an infinity, which JSON has no words for.
    """
    line = (json.dumps(record, allow_nan=False) + "\n").encode("utf-8")
    try:
        with open(path, "a+b") as file:
            _cut_unfinished_line(file)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error


def _cut_unfinished_line(file):
    """Shorten an open file to the end of its last whole line."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(end - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def read_json_lines(path):
    """The records of a JSON lines file, as a list; an unfinished last line is left out.

    Raises:
        InputError: the file cannot be read, or a line is not JSON (path and line number named).
    """
    lines = read_file(path, expected="a file of JSON lines").split(b"\n")[:-1]
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: expected one JSON value, got {line[:40]!r}") from error
    return records


def ensure_writable_dir(path):
    """Make the folder `path`, with its parents, where it is missing, and write a file in it, which is removed again:
    permission bits do not bind root, and a file system may be mounted read-only.

    Raises:
        InputError: path and reason.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".write-test.") as file:
            file.write(b"\0")
            file.flush()
    except OSError as error:
        raise _not_writable(path, error) from error


@contextlib.contextmanager
def _made_for_now(path):
    """Context manager: on leaving, folders of `path` that were not there before are removed, if they are empty."""
    path = Path(path)
    missing = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        yield
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _not_writable(path, error):
    blame = f" ({error.filename})" if error.filename not in (None, str(path)) else ""
    return InputError(f"{path}: expected a folder that can be written to, got: {reason(error)}{blame}")
