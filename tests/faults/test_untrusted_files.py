"""Checkpoints, other programs' weights and packed files from anyone: refused, or read as numbers; nothing in them runs, and memory is bounded."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("arrays.npz", "zip.pth", "old.pth")
KINDS = (
    "ours.ckpt",
    "theirs.ckpt",
    "other.safetensors",
    "small.packed",
    *FOREIGN,
)  # as damaged_files.py has them


def test_damaged_files_are_refused_or_read_as_numbers(tmp_path, often, tell):
    """With our checksum every damage is found. Without one the numbers may be others, and the file still no program."""
    count = often(1000, 10000)
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "faults" / "damaged_files.py", str(count), str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    counts = said["counts"]
    assert said["wrong"] == []
    assert said["events"] == {}
    assert said["grown_kib"] < 200 * 1024  # of all files together
    assert {path.name for path in tmp_path.iterdir()} == {*KINDS, "damaged"}
    assert counts["old.pth foreign read"]  # which has no checksum
    for kind in KINDS:
        refused = [counts[key] for key in counts if key.startswith(kind) and key.endswith("refused")]
        assert refused and min(refused) > count // 2
    assert counts["theirs.ckpt plain read"] and counts["other.safetensors plain read"]
    taken = sum(counts[key] for key in counts if key.endswith(("plain read", "foreign read")))
    tell(
        "damaged file",
        f"{said['files'] - taken} refused, {taken} without a checksum, or with equal numbers, read",
        said["files"],
    )
