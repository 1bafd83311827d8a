#!/usr/bin/env python
"""Run msrun, and end all its workers in order when a signal comes.

    usage:  python -m src.commands.supervise ADDRESS:PORT HOST LOG_DIR msrun ...
            ADDRESS:PORT: where msrun's scheduler listens, on host 0 of the job; HOST: the number of this one;
            LOG_DIR: where msrun puts the logs of this host's workers
    expect: msrun's exit code. When it is not 0, the last lines on stderr say why: what the workers' logs have as
            "error: ..", else the end of the log of the worker that ended first. After SIGTERM, SIGINT or SIGHUP every worker of this host gets SIGTERM, saves its run
            state after the step under way and ends, and the exit code is 128 + the signal's number. No process of
            the job is left: what has not ended GRACE seconds (default 60) after the signal, or after msrun, is killed,
            and so is a scheduler that outlives the workers of its host.

msrun alone kills its workers at SIGINT and exits 0, and leaves its scheduler behind at SIGTERM. When a worker dies before
it has joined the job, msrun waits for its scheduler, which waits for that worker, for ten minutes. Here it is in a session
of its own, where the terminal's Ctrl-C does not reach it; when this process is killed, the kernel sends msrun SIGTERM.
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
POLL_SECONDS = 0.1  # between two looks at msrun and the logs
# Seconds that msrun and its scheduler have after a signal when no worker is left on this host. A worker that the others do
# not wait for looks lost to the scheduler for 30 s; every state is saved before the first worker ends.
AFTER_WORKERS = 3
# Seconds that the scheduler has in a job that nobody has told to end; it takes 30 to miss a worker that has joined.
AFTER_LOST_WORKERS = 45
WORKER_POLL_SECONDS = 1  # between two looks at the processes of such a job
END_OF_LOG = 1 << 16  # bytes of a log in which the cause of a failure is looked for
LAST_LINES = 8  # of a log without words of ours
FRAMEWORK_LOG = re.compile(r"\[(INFO|WARNING|DEBUG)\] ")


def check_scheduler(address, port, here):
    """Raises ValueError when the port is none, or the scheduler is to listen `here` and cannot."""
    name = f"MASTER_ADDR={address} MASTER_PORT={port}"
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{name}: expected a port from 1 to 65535")
    if not here:
        return
    try:
        found = socket.getaddrinfo(address.strip("[]"), int(port), type=socket.SOCK_STREAM)
        family, _, _, _, endpoint = found[0]
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(endpoint)
            listening.listen()
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "the port is in use on this host, perhaps by another job; set MASTER_PORT to a free one",
            errno.EADDRNOTAVAIL: "expected an address of this host, which has NODE_RANK=0",
        }
        raise ValueError(f"{name}: {reasons.get(error.errno, error)}") from error


def check_command(program, log_dir):
    """Make the folder of the logs. Raises ValueError when that fails, or there is no such program."""
    if shutil.which(program) is None:
        raise ValueError(f"{program}: expected MindSpore's launcher, found none; activate the environment")
    try:
        os.makedirs(log_dir, exist_ok=True)
    except OSError as error:
        raise ValueError(f"LOG_DIR={log_dir}: expected a folder: {error.strerror}") from error


def seconds_of(name, text):
    """A number of seconds. Raises ValueError for what is none."""
    if not re.fullmatch(r"\d{1,9}(\.\d+)?", text, re.ASCII):
        raise ValueError(f"{name}: expected a number of seconds, got {text!r}")
    return float(text)


def parents():
    """{process: its parent}, of all living processes."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if state != "Z":
            found[int(path.parent.name)] = int(parent)
    return found


def send(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def leads_a_session(pid):
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def pass_on(source):
    """Write to stdout what comes, to its end, even when nobody reads it any more."""
    while data := os.read(source, 1 << 16):
        with contextlib.suppress(OSError, AttributeError):  # AttributeError: stdout was closed from the start
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


def lives(pid):
    """True for a process that runs; one that has ended and whose parent has not taken note does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Logs:
    """The logs that the workers of this run write to a folder, which may hold those of earlier runs."""

    def __init__(self, folder):
        self.folder, self.before = Path(folder), self._stamps(folder)
        self.writers, self.ended = (
            {},
            [],
        )  # {living worker: its log}; logs, in the order in which their workers ended

    @staticmethod
    def _stamps(folder):
        found = {path: path.stat() for path in Path(folder).glob("worker_*.log")}
        return {path: (status.st_mtime_ns, status.st_size) for path, status in found.items()}

    def look(self, workers):
        """Take note of the workers that live, and of those that have ended since the last look."""
        self.ended += [self.writers.pop(pid) for pid in list(self.writers) if not lives(pid)]
        for pid in workers:
            with contextlib.suppress(OSError):
                self.writers[pid] = Path(os.readlink(f"/proc/{pid}/fd/1"))

    def errors(self):
        """The workers' own words on why they ended, each with its workers, "error: workers 0, 1: ..." ."""
        found = {}
        for path in self._of_this_run():
            said = [line for line in self._lines(path) if line.startswith("error: ")]
            if said:
                found.setdefault(said[-1].removeprefix("error: "), []).append(self._rank(path))
        return [
            f"error: worker{'s' * (len(ranks) > 1)} {', '.join(ranks)}: {text}"
            for text, ranks in found.items()
        ]

    def first_end(self):
        """The end of the log of the worker that ended first; of rank 0's where that was too quick to be seen."""
        logs = {path.resolve(): path for path in self._of_this_run()}
        ended = [logs[path] for path in self.ended if path in logs]
        if not logs:
            return [f"error: the job failed, and no worker wrote to {self.folder}"]
        path = ended[0] if ended else next(iter(logs.values()))
        lines = [line for line in self._lines(path) if line.strip() and not FRAMEWORK_LOG.match(line)]
        first = f"worker {self._rank(path)} ended first" if ended else "the job failed"
        return [*lines[-LAST_LINES:], f"error: {first}; above is the end of {path}"]

    def _of_this_run(self):
        """Paths, by rank."""
        found = [path for path, stamp in self._stamps(self.folder).items() if self.before.get(path) != stamp]
        return sorted(found, key=lambda path: (len(path.name), path.name))

    @staticmethod
    def _rank(path):
        return path.stem.rpartition("_")[2]

    @staticmethod
    def _lines(path):
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - END_OF_LOG))
            return file.read().decode(errors="replace").splitlines()


class Job:
    """A running msrun and all that comes of it."""

    def __init__(self, command):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)  # msrun's orphans become children of this process
        self.msrun = subprocess.Popen(
            command, stdout=subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
        )  # fmt: skip
        # through a pipe: the processes that print the workers' logs end with its reader, even when that is killed
        self.printing = threading.Thread(target=pass_on, args=(self.msrun.stdout.fileno(),), daemon=True)
        self.printing.start()
        self.code = None

    def lives(self):
        """True while a process of the job is left; takes note of msrun's exit code."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == self.msrun.pid:
                    self.code = self.msrun.returncode = os.waitstatus_to_exitcode(status)
                if not pid:
                    return True
        except ChildProcessError:
            return False

    def processes(self):
        """(workers, others) of this host that live; msrun gives each worker, and nothing else, a session of its own."""
        mine = (os.getpid(), self.msrun.pid)
        found = {pid for pid, parent in parents().items() if parent in mine} - {self.msrun.pid}
        workers = {pid for pid in found if leads_a_session(pid)}
        return workers, found - workers

    def kill(self):
        """SIGKILL to all that descends from this process."""
        family = parents()
        mine, more = set(), {os.getpid()}
        while more:
            more = {pid for pid, parent in family.items() if parent in more}
            mine |= more
        for pid in mine:
            send(pid, signal.SIGKILL)


def supervise(command, grace, log_dir):
    """Run the command to its end; returns the exit code."""
    noted = []
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: noted.append(number))
    logs = Logs(log_dir)
    job, told, ending, alone, look, workers = Job(command), set(), None, None, 0.0, ()
    while job.lives():
        logs.look(workers)
        now = time.monotonic()
        ends = noted or job.code is not None
        if ends or now >= look:
            look = now + WORKER_POLL_SECONDS
            workers, others = job.processes()
            alone = (alone or now) if not workers and (others or ends) else None
        if ends:
            for pid in workers - told:  # a worker that has just been started is told as well
                send(pid, signal.SIGTERM)
            told |= workers
            ending = ending or now
            if now > ending + grace or (alone and now > alone + AFTER_WORKERS):
                job.kill()
        elif alone and now > alone + AFTER_LOST_WORKERS:
            for pid in others:  # msrun then ends with an error
                send(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    job.printing.join()
    return report_end(logs, noted, job.code)


def report_end(logs, noted, code):
    """Say on stderr why the job failed, if it did; returns the exit code."""
    if not code:
        return 0
    said = logs.errors()
    if noted:
        said.append(f"stopped by {signal.Signals(noted[0]).name}")
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write("".join(f"{line}\n" for line in said or logs.first_end()))
    if noted:
        return 128 + noted[0]
    return code if code >= 0 else 128 - code


def main(argv):
    try:
        scheduler, host, log_dir, *command = argv
        grace = seconds_of("GRACE", os.environ.get("GRACE", "60"))
        check_scheduler(*scheduler.rpartition(":")[::2], here=host == "0")
        check_command(command[0], log_dir)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return supervise(command, grace, log_dir)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
