"""train.py, eval.py and export.py write into output_dir, the cache folder and the temporary one, and connect to nobody;
class and file names of any kind reach the terminal as printable text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.common.compile import cache_dir, compiler
from src.common.text import printable
from tests.small import SMALL

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "\x1b[31mred\x1b[0m",
    "two\nlines",
    "\u202eright to left",
    "caf\u00e9 \U0001f600",
    "a\udcff\x9b",
    "!!python x: &y",
)
SHORT = (
    "stage=teacher", "stages.teacher.epochs=1", "stages.teacher.warmup_epochs=0", "train.steps_per_epoch=2",
    "data.source=imagenet", *SMALL, "data.image_size=8", "data.batch_size=2", "data.eval_batch_size=2", "data.bad_images=skip",
)  # fmt: skip
PROGRAMS = ("lscpu", "fc-list")  # which joblib and matplotlib ask about processors and fonts
FOLDERS = ("work", "home", "temporary")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures in classes of odd names, and folders for what should stay empty."""
    place = tmp_path_factory.mktemp("writes")
    for folder in FOLDERS:
        (place / folder).mkdir()
    chance = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in NAMES:
            folder = place / "data" / split / name
            folder.mkdir(parents=True)
            for i in range(2):
                Image.fromarray(chance.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / f"{i}.png")
            (folder / f"bad\r{name[:3]}.png").write_bytes(b"no picture")
    return place


def watched(place, script, *arguments):
    """(stdout, stderr, pairs of watched.py) of a script that succeeds, started in an empty folder."""
    log = place / f"{script}.log"
    environment = {
        **os.environ, "HOME": str(place / "home"), "TMPDIR": str(place / "temporary"), "BIMLP_CACHE": str(cache_dir()),
        "MPLCONFIGDIR": str(cache_dir() / "matplotlib"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    command = [sys.executable, ROOT / "tests" / "faults" / "watched.py", log, ROOT / script, *arguments]
    done = subprocess.run(
        command, cwd=place / "work", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, [json.loads(line) for line in log.read_text().splitlines()]


def check(place, out, said, pairs):
    """Hold what every script keeps, and return how many paths were written."""
    inside = [os.path.realpath(each) for each in (out, cache_dir(), place / "temporary")]
    written = {what for kind, what in pairs if kind == "write"} - {os.devnull}
    assert [path for path in written if not any(Path(path).is_relative_to(each) for each in inside)] == []
    assert [what for kind, what in pairs if kind == "ask"] == []
    assert {what for kind, what in pairs if kind == "run"} <= {compiler()[0], *PROGRAMS}
    for stream in said:
        assert [line for line in stream.split("\n") if not line.isprintable()] == []
    for folder in FOLDERS:
        assert list((place / folder).iterdir()) == []
    return len(written)


def test_training_evaluation_and_export_stay_in_their_folders(place, tell):
    out = place / "out"
    stdout, *rest = watched(place, "train.py", "--output_dir", out, "--data_path", place / "data", *SHORT)
    count = check(place, out, (stdout, rest[0]), rest[1])
    assert count > 6 and "skipped: " in stdout
    best, picture = out / "teacher" / "best.ckpt", place / "data" / "val" / NAMES[1] / "0.png"
    for arguments in (
        ("eval.py", "--checkpoint", best),
        ("eval.py", "--checkpoint", best, "--image", picture),
        ("export.py", "--checkpoint", best, "--file_format", "MINDIR"),
    ):
        stdout, *rest = watched(place, *arguments)
        count += check(place, out, (stdout, rest[0]), rest[1])
        if "--image" in arguments:
            file, *lines = stdout.splitlines()
            assert file == printable(picture)
            assert {line.split(maxsplit=2)[2] for line in lines} < {printable(name) for name in NAMES}
    assert (out / "teacher" / "best.mindir").exists()
    tell("writes", f"{count} paths written, all in output_dir, cache or temporary folder; no connections", 4)
