"""Jobs of several CPU workers: the same result on any number of them, and a worker that is killed."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.faults.jobs import (
    assert_equal,
    environment,
    environment_of,
    job_command,
    logs,
    processes,
    run_job,
    timeless,
    wait_for,
    weights,
)

IMAGES = 32  # of a step, on however many workers
EPOCHS, STEPS = 2, 10
RUN = (
    f"stages.step2.epochs={EPOCHS}", f"train.steps_per_epoch={STEPS}", "stages.step2.warmup_epochs=0", "data.mixup=0",
    "data.flip=0.5", "train.log_every=1",
)  # fmt: skip
# Statistics over all workers. Some directions have no gradient (a bias before a norm), and AdamW would make steps of
# full length of their rounding errors: a larger eps does not.
ALIKE = ("model.sync_bn=true", "train.eps=1e-3", "stages.step2.precision=fp32")
TOLERANCE = 2e-5  # of weights and running statistics, absolute: rounding, after 20 steps


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """trained(workers, *overrides): the folder of a whole run; each is made once."""
    made = {}

    def train(workers, *overrides):
        key = workers, overrides
        if key not in made:
            made[key] = tmp_path_factory.mktemp("runs") / f"whole{workers}"
            run_job(workers, made[key], *RUN, f"data.batch_size={IMAGES // workers}", *overrides)
        return made[key]

    return train


def counts(often):
    """How many workers are tried."""
    return often((2,), (2, 4))


def test_weights_do_not_depend_on_the_number_of_workers(trained, often, tell):
    alone = trained(1, *ALIKE)
    expected, record = weights(alone / "rank0.ckpt"), timeless(alone)
    furthest = 0
    for workers in counts(often):
        job = trained(workers, *ALIKE)
        found = weights(job / "rank0.ckpt")
        assert found.keys() == expected.keys()
        furthest = max(furthest, *(np.abs(found[name] - expected[name]).max() for name in found))
        for mine, theirs in zip(timeless(job), record):
            assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-6)
            assert mine["train_top1"] == theirs["train_top1"]
    assert 0 < furthest < TOLERANCE
    tell(
        f"1, {', '.join(map(str, counts(often)))} workers, one global batch",
        f"{EPOCHS * STEPS} steps of full precision with model.sync_bn; weights compared",
        len(counts(often)),
        f"nothing: largest difference of a weight {furthest:.1e}",
    )


@pytest.mark.thorough
def test_all_workers_end_with_the_same_weights_and_see_every_image_once(trained, often):
    """With each worker's own statistics in training. The loop itself refuses an evaluation of another total than the
    data set's; 360 images in batches of 100 on 2 or 4 workers come out uneven."""
    for workers in counts(often):
        job = trained(workers)
        for rank in range(workers):
            assert_equal(job / f"rank{rank}.ckpt", job / "rank0.ckpt")
            assert json.loads((job / f"rank{rank}.json").read_text())["size"] == workers
        assert all((record["top1"] * 360) % 1 == pytest.approx(0, abs=1e-6) for record in timeless(job))


@pytest.mark.thorough
@pytest.mark.parametrize("every", [0, 3])
def test_a_job_whose_worker_is_killed_ends_and_goes_on_later(trained, tmp_path, often, tell, every):
    """At a random step, a random worker; the job ends non-zero within 60 s, nothing is left of it."""
    if not often(every, True):
        pytest.skip("the long form only: a state after each epoch")
    generator, kills, slowest = random.Random(every), 0, 0
    for workers in counts(often):
        for number in range(often(1, 2)):
            folder = tmp_path / f"killed{workers}-{number}"
            folder.mkdir()
            settings = (*RUN, f"data.batch_size={IMAGES // workers}", f"checkpoint.every_steps={every}")
            step = generator.randrange(2, EPOCHS * STEPS - 4)
            seconds, step = kill_a_worker(workers, folder, settings, step, generator.randrange(workers))
            slowest = max(slowest, seconds)
            kills += 1
            run_job(workers, folder, *settings)
            said = "".join(log.read_text() for log in (tmp_path / f"{folder.name}.log").glob("worker_*"))
            found = re.search(r"goes on after epoch (\d+), step (\d+)", said)
            after, at = map(int, found.groups()) if found else (0, 0)  # killed before the first state
            assert 0 <= step - (after * STEPS + at) <= (every or STEPS)
            whole = trained(workers)
            for name in ("best.ckpt", "last.ckpt", *(f"rank{rank}.ckpt" for rank in range(workers))):
                assert_equal(folder / name, whole / name)
            assert timeless(folder) == timeless(whole)
    tell(
        f"a worker of {' or '.join(map(str, counts(often)))} killed, a state every {every} steps" if every
        else f"a worker of {' or '.join(map(str, counts(often)))} killed, a state per epoch",
        f"SIGKILL at a random step; the job ended non-zero within {slowest:.0f} s, no process left; started again",
        kills,
        f"no bit of the final weights; at most {every or STEPS} steps done twice",
    )  # fmt: skip


def test_a_worker_does_not_wait_for_the_others_after_an_error():
    """As the framework does on its way out, here played by a function that waits at exit."""
    code = (
        "import atexit, time\nfrom mindspore import communication\nfrom src.learn import parallel\n"
        "def init():\n    atexit.register(time.sleep, 600)\n    raise RuntimeError('a worker is gone')\n"
        "communication.init = init\nparallel.start_workers()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(MS_WORKER_NUM="2", MS_ROLE="MS_WORKER", MS_SCHED_HOST="127.0.0.1", MS_SCHED_PORT="1"),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1 and done.stderr.endswith("RuntimeError: a worker is gone\n")


def kill_a_worker(workers, folder, settings, step, rank):
    """Start a job, kill worker `rank` once `step` steps are done; returns the seconds until the job has ended, which it
    must with an error, and how many steps were done."""
    job = subprocess.Popen(
        job_command(workers, folder, *settings), env=environment(), cwd=folder.parent,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: steps_said(folder) >= step or job.poll() is not None, 300, f"step {step}")
        found = processes(str(folder))
        victims = [pid for pid, words in found.items() if "tail" not in words[0] and is_worker(pid, rank)]
        assert len(victims) == 1, logs(folder)
        os.kill(victims[0], signal.SIGKILL)
        begin, step = time.monotonic(), steps_said(folder)
        assert job.wait(timeout=60) != 0
        seconds = time.monotonic() - begin
        wait_for(lambda: not processes(str(folder)), 5, "processes that are left end")
        return seconds, step
    finally:
        for pid in processes(str(folder)):
            os.kill(pid, signal.SIGKILL)


def steps_said(folder):
    """How many steps the first worker has told of."""
    found = [
        path.read_text(errors="replace") for path in (folder.parent / f"{folder.name}.log").glob("worker_*")
    ]
    return max((len(re.findall(r"  step \d+/", text)) for text in found), default=0)


def is_worker(pid, rank):
    values = environment_of(pid)
    return values.get("MS_ROLE") == "MS_WORKER" and values.get("RANK_ID") == str(rank)
