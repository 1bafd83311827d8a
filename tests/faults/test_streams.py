"""train.py and eval.py whose streams are closed, full or without a reader: the files are there, lost results are told."""

import os
import subprocess
import sys

import pytest

from src.common.files import read_json_lines
from src.settings.config import load_config
from tests.faults.jobs import ROOT, environment
from tests.small import SMALL

RUN = (
    "stage=step1", "stages.step1.teacher=", "stages.step1.kd_alpha=0", "stages.step1.epochs=2",
    "stages.step1.warmup_epochs=0", "train.steps_per_epoch=2", "train.log_every=1", "data.image_size=8",
    "data.batch_size=16", *SMALL,
)  # fmt: skip


def start(script, *arguments, closed=(), **streams):
    """The finished process; `closed`: descriptors that it begins without."""

    def close():
        for descriptor in closed:
            os.close(descriptor)

    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), preexec_fn=close, text=True, check=False, **streams
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a stage that was trained without stdin and stderr, its stdout on a full disk."""
    out = tmp_path_factory.mktemp("streams") / "out"
    with open("/dev/full", "w") as full:
        done = start("train.py", "--output_dir", out, *RUN, closed=(0, 2), stdout=full)
    assert done.returncode == 0
    return out / "step1"


def test_training_needs_no_streams(trained):
    names = {
        "config.yaml",
        "metrics.jsonl",
        "curves.png",
        "best.ckpt",
        "last.ckpt",
        "state.ckpt",
        "state.previous.ckpt",
    }
    assert {path.name for path in trained.iterdir()} == names
    assert [record["epoch"] for record in read_json_lines(trained / "metrics.jsonl")] == [1, 2]
    assert load_config(trained / "config.yaml", complete=True).train.steps_per_epoch == 2


def test_a_score_that_cannot_be_written_is_an_error(trained):
    with open("/dev/full", "w") as full:
        done = start("eval.py", "--checkpoint", trained / "best.ckpt", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    error = "error: standard output: the results cannot be written: No space left on device"
    assert done.stderr.splitlines()[-1] == error


@pytest.mark.parametrize("script", ["eval.py", "export.py"])
def test_a_closed_stdout_is_refused_at_once(trained, script):
    done = start(script, "--checkpoint", trained / "best.ckpt", closed=(1,), stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "error: standard output: expected a stream for the results, got a closed one\n"
    assert not list(trained.glob("*.mindir"))
