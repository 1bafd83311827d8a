"""Worker processes that are told what to do over pipes: one JSON object per line in, one per line out."""

import json
import os
import subprocess
import sys
import time
import traceback


class WorkerError(Exception):
    """A worker failed, or ended before it answered."""


class Worker:
    """A process that serves requests; between them it waits in a read and takes no processor time."""

    def __init__(self, name, command, environment, folder):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
            env={**os.environ, **environment},
        )  # fmt: skip

    def ask(self, what, **arguments):
        """Have the worker do one thing and return its answer, a dictionary. Raises WorkerError."""
        try:
            self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the process ended; the empty answer below says so
        line = self.process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.name}: ended during {what} with exit code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.name}: {what} failed\n{answer['error']}")
        return answer

    def cpu_seconds(self):
        """Processor time of the process so far, all threads, user and system."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        """End the process: it stops at the end of its input."""
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(side):
    """Answer requests by the methods of `side` until the input ends.

    The standard output of libraries goes to the standard error instead.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(side, request.pop("do"))(**request) or {}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def timed(one_step, steps):
    """Seconds of so many steps, and the last one's loss (or sum of logits): what has to be finite."""
    start = time.perf_counter()
    for _ in range(steps):
        loss, _ = one_step()
    return {"seconds": time.perf_counter() - start, "loss": loss}
