"""A job on two hosts, which are network namespaces here: the result of one host, and a host that is lost."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.hosts import ADDRESSES, IP, pids, start_script, two_hosts, why_not
from tests.faults.jobs import assert_equal, environment_of, free_port, timeless, wait_for

REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def one_host(tmp_path_factory):
    """one_host(*overrides): the folder of a run of two workers on one host; each is made once."""
    made = {}

    def train(*overrides):
        if overrides not in made:
            made[overrides] = out = tmp_path_factory.mktemp("one") / f"host{len(made)}"
            job = start_script(2, out, *overrides, MASTER_PORT=str(free_port()))
            assert job.wait(timeout=300) == 0, Path(f"{out}.log").read_text()
        return made[overrides]

    return train


def start(names, out, *overrides, late=0):
    """The script on both hosts, one worker and one core each, as two workers of one host have; the second host starts `late`
    seconds after the first. The sums of this network's convolutions depend on the number of threads."""
    jobs = []
    for rank, name in enumerate(names):
        time.sleep(late * rank)
        job = start_script(
            1, out, *overrides, prefix=("taskset", "-c", str(rank % os.cpu_count()), IP, "netns", "exec", name),
            log=f"{out}.log{rank}",
            NODE_NUM="2", NODE_RANK=str(rank), MASTER_ADDR=ADDRESSES[0], MASTER_PORT="8118",
        )  # fmt: skip
        jobs.append(job)
    return jobs


def said(out):
    return "".join(Path(f"{out}.log{rank}").read_text() for rank in range(2))


def finish(names, out, *overrides, late=0):
    for job in start(names, out, *overrides, late=late):
        assert job.wait(timeout=300) == 0, said(out)
    wait_for(lambda: not any(map(pids, names)), 5, "processes that are left end")


def assert_same_run(out, expected):
    """The files of two runs."""
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(out / "teacher" / name, expected / "teacher" / name)
    assert timeless(out / "teacher") == timeless(expected / "teacher")


@pytest.mark.thorough
def test_two_hosts_train_what_two_workers_of_one_do(one_host, tmp_path, often, tell):
    """In the long form the second host comes 10 seconds after the first."""
    steps = "train.steps_per_epoch=4"
    out, late = tmp_path / "job", often(0, 10)
    with two_hosts() as names:
        finish(names, out, steps, late=late)
    files = {path.name for path in (out / "teacher").iterdir()}
    assert files == {"config.yaml", "metrics.jsonl", "curves.png", "best.ckpt", "last.ckpt", "state.ckpt"}
    (stage,) = json.loads((out / "summary.json").read_text())["stages"]
    assert stage["epochs"] == 1 and (stage["top1"] * 360) % 1 == pytest.approx(0, abs=1e-6)
    assert_same_run(out, one_host(steps))
    tell(
        f"two hosts (network namespaces), one worker each, the second {late} s later",
        "the job on two hosts and on one",
        1,
        "nothing: the same bits",
    )


def worker_of(name):
    """The worker that runs on a host."""
    found = [
        pid
        for pid in pids(name)
        if environment_of(pid).get("MS_ROLE") == "MS_WORKER" and os.getsid(pid) == pid
    ]
    assert len(found) == 1
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("lost", ["worker", "host"])
def test_a_job_that_loses_a_host_ends_on_the_other_and_goes_on_later(one_host, tmp_path, often, tell, lost):
    """Host 1's worker is killed, or everything on host 1 at once, the script too."""
    if not often(False, True):
        pytest.skip("the long form only")
    out = tmp_path / "job"
    with two_hosts() as names:
        jobs = start(names, out, "checkpoint.every_steps=3")
        wait_for(lambda: "step 5/44" in said(out) or any(job.poll() for job in jobs), 300, "step 5")
        assert not any(job.poll() for job in jobs), said(out)
        began = time.monotonic()
        for pid in worker_of(names[1]) if lost == "worker" else pids(names[1]):
            os.kill(pid, signal.SIGKILL)
        codes = [job.wait(timeout=60) for job in jobs]
        seconds = time.monotonic() - began
        assert all(codes), codes
        wait_for(lambda: not any(map(pids, names)), 5, "processes that are left end")
        finish(names, out, "checkpoint.every_steps=3")
    assert "goes on after epoch 0, step" in said(out)
    assert_same_run(out, one_host())
    tell(
        f"two hosts, {'a worker of the second' if lost == 'worker' else 'all processes of the second'} killed",
        f"SIGKILL; both scripts ended non-zero within {seconds:.0f} s, no process left; started again",
        1,
        "no bit of the final weights; at most 3 steps done twice",
    )


def test_two_hosts_need_the_address_of_the_first(tmp_path):
    job = start_script(1, tmp_path / "job", NODE_NUM="2", NODE_RANK="1")
    assert job.wait(timeout=10) == 2
    (line,) = Path(f"{tmp_path}/job.log").read_text().splitlines()
    assert line.startswith("error: NODE_NUM=2: expected the address of host 0 in MASTER_ADDR")
