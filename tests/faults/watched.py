"""Run a script as its user would, and list what it touches, a JSON line each: watched.py LOG SCRIPT [ARGUMENT ...].

["write", path]: opened for writing, made, renamed, removed or changed; ["run", program]; ["ask", host]. Of Python's own
calls, by an audit hook: what libraries in C++ do is not seen.
"""

import json
import os
import runpy
import sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# event -> places of the path and of the folder's descriptor, if it has one, among its arguments
PATHS = {
    "os.mkdir": ((0, 2),), "os.remove": ((0, 1),), "os.rmdir": ((0, 1),), "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),), "os.symlink": ((1, 2),), "os.truncate": ((0, None),), "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),), "os.utime": ((0, 3),), "os.setxattr": ((0, None),), "tempfile.mkdtemp": ((0, None),),
    "tempfile.mkstemp": ((0, None),),
}  # fmt: skip
PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile"}
HOSTS = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}


def place(path, folder=None):
    """The absolute path, from a path or descriptor and perhaps a folder's descriptor."""
    if isinstance(path, int):
        return os.readlink(f"/proc/self/fd/{path}")
    path = os.fsdecode(path)
    if folder is not None and folder >= 0:
        path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    return os.path.realpath(path)


def noted(event, arguments):
    """(kind, what) pairs of an audit event."""
    if event == "open":
        path, mode, flags = arguments
        if not isinstance(path, int) and (set(mode or "") & set("wax+") or (flags or 0) & WRITING):
            yield "write", place(path)
    elif event in PATHS:
        for path, folder in PATHS[event]:
            yield "write", place(arguments[path], None if folder is None else arguments[folder])
    elif event in PROGRAMS:
        yield "run", str(arguments[0])
    elif event in HOSTS:
        yield "ask", str(arguments)


def watch(log):
    busy = False

    def hook(event, arguments):
        nonlocal busy
        if not busy:
            busy = True
            for pair in noted(event, arguments):
                os.write(log, (json.dumps(pair) + "\n").encode())
            busy = False

    sys.addaudithook(hook)


if __name__ == "__main__":
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.argv = sys.argv[2:]
    sys.path[0] = os.path.dirname(sys.argv[0])
    watch(log)
    runpy.run_path(sys.argv[0], run_name="__main__")
