"""Hosts of a job: network namespaces of this machine with addresses of their own, joined by a virtual cable."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

from tests.faults.jobs import ROOT, environment

IP = shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
ADDRESSES = ("10.77.0.1", "10.77.0.2")


def ip(*words):
    done = subprocess.run([IP, *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def why_not():
    """Why this process cannot make hosts, or None."""
    if IP is None:
        return "no program ip (iproute2)"
    name = f"bimlp{os.getpid()}"
    try:
        ip("netns", "add", name)
        try:
            ip("netns", "exec", name, "true")
            ip("-n", name, "link", "add", "cable", "type", "veth", "peer", "name", "end")
        finally:
            ip("netns", "del", name)
    except OSError as error:
        return f"no network namespaces: {error}"
    return None


@contextmanager
def two_hosts():
    """The names of two namespaces with ADDRESSES; whatever runs in them is killed at the end."""
    names = [f"bimlp{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
            # as on real hosts the first interface beside lo is not the one that joins them
            ip("-n", name, "link", "add", "other", "type", "veth", "peer", "name", "nothing")
            ip("-n", name, "address", "add", "10.78.0.9/24", "dev", "other")
            ip("-n", name, "link", "set", "nothing", "up")
            ip("-n", name, "link", "set", "other", "up")
        ip("-n", names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", names[1])
        for name, address in zip(names, ADDRESSES):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            kill_all(name)
            subprocess.run([IP, "netns", "del", name], capture_output=True)


def kill_all(name):
    """SIGKILL to whatever runs in a namespace."""
    end = time.monotonic() + 10
    while pids(name) and time.monotonic() < end:
        for pid in pids(name):
            subprocess.run(["kill", "-9", str(pid)], capture_output=True)
        time.sleep(0.1)


def pids(name):
    """The processes in a namespace."""
    done = subprocess.run([IP, "netns", "pids", name], capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


# a network whose graphs compile quickly, that of a teacher
RUN = (
    "stage=teacher", "stages.teacher.model=mobilenet_v1_025", "stages.teacher.epochs=1", "stages.teacher.warmup_epochs=0",
    "data.image_size=8", "data.batch_size=16", "train.log_every=1", "resume=true",
)  # fmt: skip


def start_script(workers, out, *overrides, prefix=(), log=None, **variables):
    """scripts/run_distribute_train.sh with so many workers and RUN's settings, in the background, in a session of its own;
    what it says goes to `log`, by default out.log."""
    command = [*prefix, "bash", "scripts/run_distribute_train.sh", str(workers), "", "", *RUN, *overrides]
    log = log or f"{out}.log"
    variables = {"LOG_DIR": f"{log}s", **variables}
    with open(log, "w") as file:
        return subprocess.Popen(
            [*command, "--output_dir", str(out)], cwd=ROOT, env=environment(**variables), stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
