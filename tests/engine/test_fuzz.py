"""Short runs of the fuzz programs, here and on ARM, without optimisation for the sake of the compiler's time."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from src.common.compile import compiler
from tests.engine.left_out import not_emulated

ROOT = Path(__file__).resolve().parents[2]
pytestmark = not_emulated("scripts/run_arm.sh runs the fuzz programs there")


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


@pytest.mark.thorough
def test_the_engine_on_arm(tmp_path):
    programs = ("aarch64-linux-gnu-g++", "arm-linux-gnueabihf-g++", "qemu-aarch64", "qemu-arm")
    if missing := [name for name in programs if shutil.which(name) is None]:
        pytest.skip(f"no {', '.join(missing)}")
    done = subprocess.run(
        ["bash", "scripts/run_arm.sh", "5", "1", str(tmp_path), "tests/engine/test_graphs.py", "-k", "logits"],
        cwd=ROOT, env={**os.environ, "CXXFLAGS": "-O0"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    graphs = re.findall("^5 random graphs .* instruction sets: (.*): no fault$", done.stdout, re.M)
    files = re.findall("^5 damaged files, instruction sets: (.*): no fault$", done.stdout, re.M)
    assert graphs == ["neon_dot neon scalar", "scalar"] and files == ["scalar neon neon_dot", "scalar"]
    assert re.findall(r"^(\d+) passed", done.stdout, re.M) == ["6", "2"]
