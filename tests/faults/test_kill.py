"""SIGKILL at any moment: what goes on with resume=true ends as if nothing had happened."""

import os
import random
import re
import signal
import subprocess
import time

import pytest

from src.learn.state import PREVIOUS, STATE
from tests.faults.jobs import ROOT, assert_equal, environment, python, timeless
from tests.small import SMALL

STEPS, EPOCHS = 20, 3
RUN = (
    "stage=step1", "stages.step1.teacher=", "stages.step1.kd_alpha=0", f"stages.step1.epochs={EPOCHS}",
    "stages.step1.warmup_epochs=0", f"train.steps_per_epoch={STEPS}", "train.ema_decay=0.5", "train.log_every=1",
    "data.image_size=8", "data.batch_size=16", *SMALL, "resume=true",
)  # fmt: skip
SOME_SECONDS = 5  # about what training takes once the graphs are there


def start(out, *overrides):
    """train.py in the background; what it says goes to out.log."""
    command = python("train.py", "--output_dir", out, *RUN, *overrides)
    with open(f"{out}.log", "w") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=subprocess.STDOUT)


def said(out):
    return open(f"{out}.log").read()


def finish(out, *overrides):
    process = start(out, *overrides)
    assert process.wait(timeout=300) == 0, said(out)


def steps_done(text):
    """The last step that a log tells of, counted over all epochs; None if it tells of none."""
    found = re.findall(rf"step1 (\d+)/{EPOCHS}  step (\d+)/{STEPS}", text)
    return (int(found[-1][0]) - 1) * STEPS + int(found[-1][1]) if found else None


def resumed_at(text):
    """Where a process went on, counted so; 0 where it began anew."""
    found = re.search(r"goes on after epoch (\d+), step (\d+)", text)
    return int(found[1]) * STEPS + int(found[2]) if found else 0


def writing(out):
    """Whether a file is being made at this moment."""
    try:
        return any(name.endswith(".part") for name in os.listdir(out / "step1"))
    except FileNotFoundError:
        return False


def kill(process, out, moment, while_writing):
    """SIGKILL `moment` seconds after the first line of training, then as soon as a file is being made if that is wanted;
    whether a file was, or None when the process had ended by itself."""
    trains, end = False, time.monotonic() + 300
    while process.poll() is None:
        assert time.monotonic() < end, said(out)
        if not trains and "-> " in said(out):
            trains, begin = True, time.monotonic()
        if trains and time.monotonic() > begin + moment and (writing(out) or not while_writing):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return writing(out)
        time.sleep(0.0005 if trains else 0.02)
    assert process.returncode == 0, said(out)
    return None


@pytest.mark.parametrize("every", [0, 3])
def test_a_killed_run_ends_as_the_whole_one(tmp_path, often, tell, every):
    """Several runs, each killed some times on its way; every second kill waits for a file that is being made. The short form
    has one such kill."""
    if not often(every, True):
        pytest.skip("the long form only: a state after each epoch")
    generator, kills, in_files, most = random.Random(every), 0, 0, 0
    setting = f"checkpoint.every_steps={every}"
    finish(tmp_path / "whole", setting)
    for number in range(often(1, 5)):
        out, killed, before = tmp_path / f"killed{number}", 0, None
        while True:
            process = start(out, setting)
            wanted = killed < often(1, 5)
            moment = generator.random() * SOME_SECONDS if wanted else 10**6
            file = kill(process, out, moment, killed % 2 == often(0, 1))
            if before is not None:
                lost = before - resumed_at(said(out))
                assert 0 <= lost <= (every or STEPS), said(out)
                most = max(most, lost)
            if file is None:
                break
            killed, in_files = killed + 1, in_files + file
            before = steps_done(said(out)) or resumed_at(said(out))
        kills += killed
        for name in ("best.ckpt", "last.ckpt"):
            assert_equal(out / "step1" / name, tmp_path / "whole/step1" / name)
        assert timeless(out / "step1") == timeless(tmp_path / "whole/step1")
        assert {path.name for path in (out / "step1").iterdir()} == {
            "config.yaml", "metrics.jsonl", "curves.png", "best.ckpt", "last.ckpt", STATE, PREVIOUS
        }  # fmt: skip
    assert kills
    states = f"a state every {every} steps" if every else "a state per epoch"
    tell(
        f"SIGKILL, {states}",
        f"train.py killed at random moments ({in_files} times while it wrote a file) and started again",
        kills,
        f"no bit of the final weights; at most {most} steps done twice",
    )
