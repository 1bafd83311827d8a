"""A short run of the fuzz programs, without optimisation for the sake of the compiler's time."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from src.common.compile import compiler

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.thorough
def test_damaged_files_lead_to_success_or_a_named_error(tmp_path):
    if shutil.which(compiler()[0]) is None:
        pytest.skip("no C++ compiler")
    probe = [*compiler(), "-fsanitize=address,undefined", "-x", "c++", "-", "-o", str(tmp_path / "probe")]
    if subprocess.run(probe, input="int main() {}", text=True, capture_output=True, check=False).returncode:
        pytest.skip("the compiler has no sanitizers")
    done = subprocess.run(
        ["bash", "scripts/run_fuzz.sh", "300", "1", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "CXXFLAGS": "-O0"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    ends = [line for line in done.stdout.splitlines() if line.endswith(": no fault")]
    assert len(ends) == 4 and ends[0].startswith("300 damaged files to two readers")
    assert ends[1].startswith("300 random graphs (") and ends[2].startswith(
        "300 damaged files, instruction sets: scalar"
    )
    assert ends[3] == "300 damaged pictures: no fault"
    assert "success" in done.stdout and "its checksum does not match" in done.stdout
