"""scripts/run_distribute_train.sh when a signal comes, as a batch system or Ctrl-C sends it."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.faults.hosts import start_script
from tests.faults.jobs import assert_equal, environment_of, free_port, processes, timeless, wait_for

WORKERS = 2


def said(out):
    return Path(f"{out}.log").read_text()


def finish(out):
    """Train to the end, or go on to it."""
    job = start_script(WORKERS, out, MASTER_PORT=str(free_port()))
    assert job.wait(timeout=300) == 0, said(out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("jobs") / "whole"
    finish(out)
    return out


def launcher(job):
    """msrun's process."""
    (found,) = [pid for pid, words in processes("/msrun").items() if parent_of(pid) == job.pid]
    return found


def parent_of(pid):
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def stop(out, send):
    """Start a job, let `send` have it and its folder once it trains; returns its exit code, the seconds that it took to
    end and to leave no process, and the steps done."""
    job = start_script(WORKERS, out, MASTER_PORT=str(free_port()))
    try:
        wait_for(lambda: "step 3/44" in said(out) or job.poll() is not None, 300, "step 3")
        assert job.poll() is None, said(out)
        began = time.monotonic()
        send(job)
        code = job.wait(timeout=90)
        ended = time.monotonic() - began
        wait_for(lambda: not processes(str(out)), 90, "processes that are left end")
        return code, ended, time.monotonic() - began
    finally:
        for pid in processes(str(out)):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_is_told_to_stop_saves_and_goes_on(whole, tmp_path, often, tell, number):
    """The signal goes to the script's process group, as Ctrl-C's does, or to the script alone, as kill's."""
    if number == signal.SIGINT and not often(False, True):
        pytest.skip("the long form only: SIGTERM goes the same way")
    out = tmp_path / "job"
    send = os.killpg if number == signal.SIGINT else os.kill
    code, ended, gone = stop(out, lambda job: send(job.pid, number))
    assert code == 128 + number, said(out)
    assert gone < 30
    assert {path.name for path in (out / "teacher").iterdir()} == {"config.yaml", "state.ckpt"}
    goes_on_as(out, whole)
    tell(
        f"{number.name} to the script, {WORKERS} workers",
        f"all workers stopped after the same step; ended with {code} within {ended:.0f} s, no process left; resumed",
        1,
        "no bit of the final weights, no step",
    )


def goes_on_as(out, whole):
    """With resume=true, after the last step that was done, to the same files."""
    last = re.findall(r"step (\d+)/44", Path(f"{out}.logs/worker_0.log").read_text())[-1]
    finish(out)
    assert f"goes on after epoch 0, step {last}\n" in said(out)
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(out / "teacher" / name, whole / "teacher" / name)
    assert timeless(out / "teacher") == timeless(whole / "teacher")


@pytest.mark.thorough
@pytest.mark.parametrize("who", ["script", "msrun"])
def test_a_job_whose_head_is_killed_saves_and_ends(whole, tmp_path, often, tell, who):
    """SIGKILL, which nobody can answer: the kernel tells msrun and the workers that their parent has died."""
    if not often(False, True):
        pytest.skip("the long form only")
    out = tmp_path / "job"

    def send(job):
        os.kill(job.pid if who == "script" else launcher(job), signal.SIGKILL)

    code, ended, gone = stop(out, send)
    assert code == (-signal.SIGKILL if who == "script" else 128 + signal.SIGKILL)
    goes_on_as(out, whole)
    tell(
        f"SIGKILL to {who}, {WORKERS} workers",
        f"the workers saved; ended with {code} within {ended:.0f} s, no process left after {gone:.0f} s; resumed",
        1,
        "no bit of the final weights",
    )


def test_a_job_that_loses_a_worker_before_it_has_joined_ends(tmp_path, often):
    """msrun alone waits ten minutes then."""
    if not often(False, True):
        pytest.skip("the long form only")
    out = tmp_path / "job"
    job = start_script(WORKERS, out, MASTER_PORT=str(free_port()))
    try:
        wait_for(lambda: workers(out), 100, "a worker")
        os.kill(workers(out)[0], signal.SIGKILL)
        assert job.wait(timeout=60) == 1, said(out)
        wait_for(lambda: not processes(str(out)), 5, "processes that are left end")
    finally:
        for pid in processes(str(out)):
            os.kill(pid, signal.SIGKILL)
    assert not out.exists()


def workers(out):
    """The living workers of a job."""
    return [pid for pid in processes(str(out)) if environment_of(pid).get("MS_ROLE") == "MS_WORKER"]


def test_a_port_in_use_is_refused_at_once(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        job = start_script(WORKERS, tmp_path / "job", MASTER_PORT=str(port))
        assert job.wait(timeout=10) == 2
    (line,) = said(tmp_path / "job").splitlines()
    assert line.startswith(f"error: MASTER_ADDR=127.0.0.1 MASTER_PORT={port}: the port is in use")
    assert not (tmp_path / "job").exists()
