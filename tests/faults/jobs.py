"""Processes and jobs of several workers, for the tests of faults."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from src.checkpoint.file import read_checkpoint
from src.common.files import read_json_lines

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "tests/faults/worker.py"
BIN = Path(sys.executable).parent


def environment(**more):
    """That of a process of the project."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{BIN}:{os.environ['PATH']}", **more}


def python(*arguments):
    """The command of a Python process. Of two processes of tests each has a core of its own: kernels that use both cores
    wait actively for each other, and take three times as long."""
    worker, cores = os.environ.get("PYTEST_XDIST_WORKER"), sorted(os.sched_getaffinity(0))
    taskset = shutil.which("taskset")
    pinned = [taskset, "-c", str(cores[int(worker[2:]) % len(cores)])] if worker and taskset else []
    return [*pinned, sys.executable, *map(str, arguments)]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def job_command(workers, folder, *overrides):
    """msrun's command for so many workers; their logs are in folder.log."""
    return [
        "msrun", f"--worker_num={workers}", f"--local_worker_num={workers}", f"--master_port={free_port()}",
        "--join=True", f"--log_dir={folder}.log", str(WORKER), str(folder), *overrides,
    ]  # fmt: skip


def run_job(workers, folder, *overrides, timeout=400):
    """Train the small stage in `folder` by so many workers, or by a process alone; it must succeed."""
    folder.mkdir(exist_ok=True)
    command = job_command(workers, folder, *overrides)
    if workers == 1:
        command = python(*command[command.index(str(WORKER)) :])
    done = subprocess.run(
        command, env=environment(), cwd=folder.parent, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:] + logs(folder)


def logs(folder):
    """The ends of the workers' logs."""
    found = sorted(Path(f"{folder}.log").glob("*.log"))
    return "".join(f"--- {path.name}\n{path.read_text()[-1500:]}\n" for path in found)


def processes(text):
    """{pid: arguments} of the living processes with `text` among their arguments."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
            state = (path.parent / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z" and any(text in word for word in words):
            found[int(path.parent.name)] = words
    return found


def wait_for(condition, seconds, what):
    """Value of `condition` once it is true; AssertionError if it is not within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def environment_of(pid):
    """The environment of a living process."""
    text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(entry.partition("=")[::2] for entry in text.split("\0") if "=" in entry)


def weights(path):
    """A checkpoint's arrays by name."""
    return {name: p.asnumpy() for name, p in read_checkpoint(path).items()}


def assert_equal(path, expected):
    """Two checkpoints hold the same bits."""
    found, expected = weights(path), weights(expected)
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=f"{path}: {name}")


def timeless(folder):
    """metrics.jsonl without what a clock decides."""
    return [
        {k: v for k, v in r.items() if "second" not in k and k != "data_wait"}
        for r in read_json_lines(folder / "metrics.jsonl")
    ]
