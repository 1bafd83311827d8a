"""scripts/supervise.py with a small program in msrun's place."""

import os
import signal
import subprocess
import sys

import pytest

from scripts.supervise import parents
from tests.faults.jobs import ROOT, environment, processes, wait_for

# a worker in a session of its own, a process that prints its log, and a scheduler; WORKER is what the worker does
LAUNCHER = """
import subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]]
worker = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], start_new_session=True)
others = [subprocess.Popen(sleep), subprocess.Popen(sleep)]
code = worker.wait()
[each.kill() for each in others]
sys.exit(1 if code else 0)
"""
SAVES = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(CODE)))
print("works", flush=True)
time.sleep(600)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('works', flush=True); time.sleep(600)"


# as msrun and its scheduler do when a worker dies before it has joined the job
WAITS = LAUNCHER.replace("[each.kill() for each in others]", "code = others[0].wait()")
HASTY = "import sys; from scripts import supervise; supervise.AFTER_LOST_WORKERS = SECONDS; sys.exit(supervise.main(sys.argv[1:]))"


def start(mark, worker, script=("scripts/supervise.py",), launcher=LAUNCHER, **variables):
    command = [
        sys.executable, *script, "127.0.0.1:8118", "1", sys.executable, "-c", launcher, mark, worker
    ]  # fmt: skip
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def end(job, mark, seconds=15):
    """(exit code, stdout, stderr) of a job; nothing of it may be left soon after."""
    try:
        out, error = job.communicate(timeout=seconds)
        wait_for(lambda: not processes(mark), 5, "processes that are left end")
        return job.returncode, out, error
    finally:
        for pid in processes(mark):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def mark(tmp_path):
    """An argument that all processes of the test's job have."""
    return str(tmp_path / "job")


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_the_jobs(mark, code):
    assert end(start(mark, f"raise SystemExit({code})"), mark) == (code, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("all_of_the_group", [False, True])
def test_workers_save_after_a_signal(mark, number, all_of_the_group):
    job = start(mark, SAVES.replace("CODE", "143"))
    assert job.stdout.readline() == "works\n"
    (os.killpg if all_of_the_group else os.kill)(job.pid, number)
    assert end(job, mark) == (128 + number, "saved\n", f"stopped by {number.name}\n")


def test_a_job_that_ends_well_after_a_signal_has_succeeded(mark):
    job = start(mark, SAVES.replace("CODE", "0"))
    assert job.stdout.readline() == "works\n"
    job.terminate()
    assert end(job, mark) == (0, "saved\n", "")


def test_what_does_not_end_is_killed(mark):
    job = start(mark, DEAF, GRACE="1")
    assert job.stdout.readline() == "works\n"
    job.terminate()
    assert end(job, mark)[0] == 143


def test_workers_save_when_the_launcher_is_killed(mark):
    job = start(mark, SAVES.replace("CODE", "143"), GRACE="3")
    assert job.stdout.readline() == "works\n"
    # by its parent: what the launcher is just starting has its words, too
    (launcher,) = [pid for pid, parent in parents().items() if parent == job.pid]
    os.kill(launcher, signal.SIGKILL)
    code, out, _ = end(job, mark)
    assert (code, out) == (137, "saved\n")


@pytest.mark.parametrize("seconds", [1, 60])
def test_a_scheduler_that_outlives_the_workers_is_killed(mark, seconds):
    """And the job ends with its launcher's error; not before its time."""
    job = start(mark, "raise SystemExit(2)", ("-c", HASTY.replace("SECONDS", str(seconds))), WAITS)
    if seconds == 1:
        assert end(job, mark) == (1, "", "")
    else:
        with pytest.raises(subprocess.TimeoutExpired):
            end(job, mark, 5)


def test_a_faulty_place_of_the_scheduler_is_refused():
    for place, reason in (
        ("127.0.0.1:many", "expected a port from 1 to 65535"),
        ("127.0.0.1:0", "expected a port from 1 to 65535"),
        ("192.0.2.1:8118", "expected an address of this host"),
        ("no.such.host.invalid:8118", "MASTER_ADDR=no.such.host.invalid"),
    ):
        command = [sys.executable, "scripts/supervise.py", place, "0", "true"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ") and reason in done.stderr
