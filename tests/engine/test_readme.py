"""The examples of README.md and docs/engine.md are run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from src.common.compile import compiler
from tests.engine.emulator import EMULATOR
from tests.engine.left_out import OF_PYTHON

ROOT = Path(__file__).resolve().parents[2]


def example(language, page="docs/engine.md"):
    """The page's one block of a language."""
    [block] = re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return block


def in_folder(folder, packed, *command):
    (folder / "model.packed").write_bytes(packed().path.read_bytes())
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@OF_PYTHON
def test_the_python_example_of_the_readme(tmp_path):
    seed = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport mindspore\nmindspore.set_seed(1)\n"
    (tmp_path / "example.py").write_text(seed + example("python", "README.md"))
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    network, engine = (
        np.array(row.split(), float) for row in re.findall(r"\[\[(.*?)\]\]", done.stdout, re.DOTALL)
    )
    assert network.shape == engine.shape == (10,)
    assert (
        abs(network - engine).max() < 0.05 * network.std()
    )  # unrelated logits differ by more than a deviation


def test_the_c_example(packed, engine_build, tmp_path):
    (tmp_path / "example.c").write_text(example("c"))
    paths = [f"-I{ROOT / 'src/engine/native'}", f"-L{engine_build}", "-lbimlp", f"-Wl,-rpath,{engine_build}"]
    command = [*compiler(), "-x", "c", "example.c", "-x", "none", *paths, "-o", "example"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert "logit of class 0: " in in_folder(tmp_path, packed, *EMULATOR, "./example")


def test_the_lines_for_cmake_are_those_of_the_example():
    listing = (ROOT / "docs" / "example" / "CMakeLists.txt").read_text().splitlines()
    assert set(example("cmake").splitlines()) <= set(listing)


def test_the_program(packed, engine_build, tmp_path):
    (tmp_path / "picture.ppm").write_bytes(b"P6 2 2 255\n" + bytes(12))
    lines = in_folder(
        tmp_path, packed, *EMULATOR, engine_build / "bimlp_run", "model.packed", "picture.ppm"
    ).splitlines()
    assert lines[0] == "picture.ppm" and len(lines) == 4
