"""Scripts started as a user starts them, and a short run of all stages on the digits."""

import contextlib
import fcntl
import importlib
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.calls import call

# fixtures of the tests of export.py
from tests.deploy.conftest import images, logits, randomize, tiny  # noqa: F401
from tests.faults.jobs import python
from tests.small import SMALL

ROOT = Path(__file__).resolve().parents[2]
# few steps per stage on small pictures, a network that compiles quickly
SHORT = (
    "train.steps_per_epoch=12", "data.image_size=8", "data.batch_size=16", *SMALL,
)  # fmt: skip
EPOCH = tuple(
    f"stages.{stage}.{key}"
    for stage in ("teacher", "step1", "step2")
    for key in ("epochs=1", "warmup_epochs=0")
)


def process(*arguments):
    """The finished process of Python with these arguments, started from the project's folder."""
    return subprocess.run(python(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)


def start(script, *arguments):
    """Result of train.py, eval.py or export.py as of `process`, called in this process."""
    return call(importlib.import_module(Path(script).stem).main, *arguments)


def succeed(script, *arguments):
    """Standard output of `start`."""
    done = start(script, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def once(tmp_path_factory, name):
    """Path `name` that all test processes of this run share, and whether it has to be made; one process at a time is here."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    made = root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root / name, not made.exists()
        made.touch()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The output folder of a run of all stages, by a process."""
    with once(tmp_path_factory, "trained") as (out, missing):
        if missing:
            done = process("train.py", "--output_dir", out, *SHORT, *EPOCH)
            assert done.returncode == 0, done.stderr
    return out


def picture_folder(root, train=("a", "b"), val=("a", "b"), count=2):
    for split, classes in (("train", train), ("val", val)):
        for name in classes:
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(np.full((12, 12, 3), 40 * i, np.uint8)).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="session")
def packed(tmp_path_factory, trained):
    """The packed file of the run, beside its checkpoint."""
    return exported(tmp_path_factory, trained, "packed")


@pytest.fixture(scope="session")
def files(tmp_path_factory, trained, packed):
    """Kind -> file of the run's network: a checkpoint, and what export.py makes of it."""
    others = {suffix: exported(tmp_path_factory, trained, suffix) for suffix in ("onnx", "mindir")}
    return {"checkpoint": trained / "step2" / "best.ckpt", "packed": packed, **others}


def exported(tmp_path_factory, trained, suffix):
    """File of the run, beside its checkpoint, in the format of this name."""
    checkpoint = trained / "step2" / "best.ckpt"
    with once(tmp_path_factory, suffix) as (_, missing):
        if missing:
            succeed("export.py", "--checkpoint", checkpoint, "--file_format", suffix)
    return checkpoint.with_suffix(f".{suffix}")
