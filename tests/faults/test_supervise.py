"""src/commands/supervise.py with a small program in msrun's place."""

import os
import signal
import subprocess
import sys

import pytest

from src.commands.supervise import parents
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
HASTY = "import sys; from src.commands import supervise; supervise.AFTER_LOST_WORKERS = SECONDS; sys.exit(supervise.main(sys.argv[1:]))"


def start(mark, worker, script=("src/commands/supervise.py",), launcher=LAUNCHER, **variables):
    command = [
        sys.executable, *script, "127.0.0.1:8118", "1", f"{mark}.log", sys.executable, "-c", launcher, mark, worker
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


def failed(mark):
    """Line on a job whose workers wrote no logs."""
    return f"error: the job failed, and no worker wrote to {mark}.log\n"


@pytest.fixture
def mark(tmp_path):
    """An argument that all processes of the test's job have."""
    return str(tmp_path / "job")


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_the_jobs(mark, code):
    assert end(start(mark, f"raise SystemExit({code})"), mark) == (code, "", failed(mark) if code else "")


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
        assert end(job, mark) == (1, "", failed(mark))
    else:
        with pytest.raises(subprocess.TimeoutExpired):
            end(job, mark, 5)


def test_a_faulty_place_of_the_scheduler_is_refused(tmp_path):
    for place, reason in (
        ("127.0.0.1:many", "expected a port from 1 to 65535"),
        ("127.0.0.1:0", "expected a port from 1 to 65535"),
        ("192.0.2.1:8118", "expected an address of this host"),
        ("no.such.host.invalid:8118", "MASTER_ADDR=no.such.host.invalid"),
    ):
        command = [sys.executable, "src/commands/supervise.py", place, "0", str(tmp_path), "true"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ") and reason in done.stderr


# as msrun does: each worker writes to a log of its own, the others are killed when one fails, and pages follow
LOGGING = """
import os, subprocess, sys, time
workers = []
for rank, code in enumerate(sys.argv[2].split("---")):
    with open(f"{sys.argv[1]}.log/worker_{rank}.log", "w") as log:
        command = [sys.executable, "-c", code, sys.argv[1]]
        workers.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
while all(worker.poll() is None for worker in workers):
    time.sleep(0.05)
time.sleep(0.5)
[worker.kill() for worker in workers]
raise RuntimeError("pages of the launcher")
"""
WAITING = "import time; print('step 1', flush=True); time.sleep(600)"
REFUSED = "import sys; print('error: no such key', flush=True); print('[INFO] goodbye'); sys.exit(2)"
CRASHED = (
    "import time; print('step 2\\n[INFO] talk', flush=True); time.sleep(SECONDS); raise KeyError('lost')"
)


def last_lines(mark, *workers, **variables):
    """The last lines that a job with these workers writes to stderr, behind the launcher's own."""
    code, _, error = end(start(mark, "---".join(workers), launcher=LOGGING, **variables), mark)
    assert code == 1
    return error.partition("RuntimeError: pages of the launcher\n")[2].splitlines()


def test_the_last_line_is_what_the_worker_said(mark):
    assert last_lines(mark, WAITING, REFUSED) == ["error: worker 1: no such key"]


def test_workers_that_say_the_same_share_a_line(mark):
    assert last_lines(mark, REFUSED, REFUSED) == ["error: workers 0, 1: no such key"]


def test_without_such_words_the_end_of_the_log_is_shown_whose_worker_ended_first(mark):
    *lines, traceback, last = last_lines(mark, WAITING, CRASHED.replace("SECONDS", "2"))
    assert traceback == "KeyError: 'lost'" and "step 2" in lines and "[INFO] talk" not in lines
    assert last == f"error: worker 1 ended first; above is the end of {mark}.log/worker_1.log"


def test_logs_of_an_earlier_run_are_not_read(mark, tmp_path):
    (tmp_path / "job.log").mkdir()
    (tmp_path / "job.log" / "worker_7.log").write_text("error: of yesterday\n")
    assert last_lines(mark, REFUSED) == ["error: worker 0: no such key"]
    last = last_lines(mark, CRASHED.replace("SECONDS", "0"))[-1]  # too quick to be seen
    assert last == f"error: the job failed; above is the end of {mark}.log/worker_0.log"


def test_what_the_job_cannot_start_with_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    for log_dir, program, variables, message in (
        (tmp_path / "file", "true", {}, f"LOG_DIR={tmp_path}/file: expected a folder: File exists"),
        (tmp_path, "no-such-launcher", {}, "no-such-launcher: expected MindSpore's launcher, found none"),
        (tmp_path, "true", {"GRACE": "soon"}, "GRACE: expected a number of seconds, got 'soon'"),
        (tmp_path, "true", {"GRACE": "nan"}, "GRACE: expected a number of seconds, got 'nan'"),
    ):
        command = [sys.executable, "src/commands/supervise.py", "127.0.0.1:8118", "1", log_dir, program]
        done = subprocess.run(command, cwd=ROOT, env=environment(**variables), capture_output=True, text=True)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith(f"error: {message}")
