"""Trainings of a table's rows as processes of their own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARENT = "import sys; from src.paper.runs import run_logged; run_logged([sys.executable, '-c', sys.argv[1]], sys.argv[2])"
SLOW_TO_STOP = """
import signal, sys, time
def stop(number, frame):
    print("stopping", flush=True)
    time.sleep(1)
    sys.exit(print("saved", flush=True))
signal.signal(signal.SIGTERM, stop)
print("running", flush=True)
time.sleep(60)
"""


def await_line(log, line):
    """Wait until a log has this line."""
    end = time.monotonic() + 60
    while not (log.exists() and line in log.read_text().split()):
        assert time.monotonic() < end, f"no {line!r} in {log}"
        time.sleep(0.02)


def test_a_command_has_ended_when_its_parent_is_told_twice_to_stop(tmp_path):
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", PARENT, SLOW_TO_STOP, log], cwd=ROOT) as parent:
        await_line(log, "running")
        parent.send_signal(signal.SIGTERM)
        await_line(log, "stopping")
        parent.send_signal(signal.SIGTERM)
        code = parent.wait(60)
    assert (code, log.read_text().split()) == (128 + signal.SIGTERM, ["running", "stopping", "saved"])
