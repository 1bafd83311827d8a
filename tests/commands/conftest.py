"""Scripts started as a user starts them, and a short run of all stages on the digits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# fixtures of the tests of export.py
from tests.deploy.conftest import images, logits, randomize, tiny  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("train.steps_per_epoch=2", "data.image_size=8", "data.batch_size=16") + tuple(
    f"stages.{stage}.{key}"
    for stage in ("teacher", "step1", "step2")
    for key in ("epochs=1", "warmup_epochs=0")
)


def start(script, *arguments):
    """The finished process of a script, started from the project's folder."""
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def succeed(script, *arguments):
    done = start(script, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The output folder of a run of all stages."""
    out = tmp_path_factory.mktemp("runs") / "out"
    succeed("train.py", "--output_dir", out, *SHORT)
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
def packed(trained):
    """The packed file of the run, beside its checkpoint."""
    succeed("export.py", "--checkpoint", trained / "step2" / "best.ckpt", "--file_format", "PACKED")
    return trained / "step2" / "best.packed"
