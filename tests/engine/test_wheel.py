"""The package bimlp_engine: its modules in a folder of their own, and the wheel where nothing else is installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data import Transform, load_centred
from src.engine import Engine, instruction_sets
from tests.engine.left_out import OF_PYTHON

pytestmark = OF_PYTHON
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packaging" / "engine"
CROSS = "aarch64-linux-gnu-g++"
PREDICT = """
import sys
import numpy as np
from bimlp_engine import Engine, InputError, instruction_sets, read_picture

assert not [name for name in sys.modules if name.split(".")[0] in ("src", "mindspore")]
path, picture, out = sys.argv[1:]
with Engine.load(path, threads=2) as engine:
    pixels = read_picture(picture, engine.description)
    np.save(out, engine.logits(pixels[None]))
try:
    Engine.load(picture)
except InputError:
    print(*instruction_sets())
"""


@dataclass(frozen=True)
class Home:
    """Where the package is: how to start a Python that has it, and its command."""

    python: tuple
    command: tuple
    variables: dict

    def run(self, *command, folder="/"):
        """The finished process of a command that is started in `folder`, with no compiler in reach."""
        environment = {"PATH": "/nowhere", **self.variables}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )


def succeed(*command, **variables):
    """Lines that a command prints, which must end well. Skips where no index has the packages that it installs."""
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution found" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def staged(engine_build, tmp_path_factory):
    """A Home with the files that pyproject.toml names, and the library of the usual build."""
    folder = tmp_path_factory.mktemp("staged")
    shutil.copytree(PACKAGE / "bimlp_engine", folder / "bimlp_engine")
    for source, target in re.findall(r'^"(.*)" = "(.*)"$', (PACKAGE / "pyproject.toml").read_text(), re.M):
        (folder / target).parent.mkdir(exist_ok=True)
        shutil.copyfile(PACKAGE / source, folder / target)
    shutil.copyfile(engine_build / "libbimlp.so", folder / "bimlp_engine" / "engine" / "libbimlp.so")
    python = (sys.executable,)
    return Home(python, (*python, "-m", "bimlp_engine.command"), {"PYTHONPATH": str(folder)})


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """The environment of scripts/build_wheel.sh, which makes it."""
    return str(tmp_path_factory.mktemp("tools") / "venv")


@pytest.fixture(scope="module")
def wheel(tools, tmp_path_factory):
    """A Home in an empty environment, where the wheel is installed."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("wheel")
    *_, path = succeed("bash", "scripts/build_wheel.sh", str(folder), WHEEL_VENV=tools)
    assert re.fullmatch(r"bimlp_engine-[\d.]+-py3-none-manylinux_2_\d+_\w+\.whl", Path(path).name)
    venv = folder / "venv"
    succeed(sys.executable, "-m", "venv", venv)
    succeed(venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", path)
    return Home((venv / "bin" / "python",), (venv / "bin" / "bimlp-run",), {})


@pytest.fixture(params=["staged", pytest.param("wheel", marks=pytest.mark.thorough)])
def home(request):
    """Each Home."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def picture(tmp_path):
    """A JPEG of odd sides."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((131, 90)).save(tmp_path / "a.jpg")
    return tmp_path / "a.jpg"


def test_it_predicts_as_the_checkout_does_to_the_bit(home, packed, picture, tmp_path):
    done = home.run(*home.python, "-c", PREDICT, packed().path, picture, tmp_path / "logits.npy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == instruction_sets()
    with Engine.load(packed().path) as engine:
        transform = Transform(*(engine.description[key] for key in ("image_size", "resize", "mean", "std")))
        expected = engine.logits(load_centred(picture, transform)[None])
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), expected)


def test_its_command_prints_what_the_program_does(home, packed, picture, engine_build, tmp_path):
    pnm = tmp_path / "a.ppm"
    Image.open(picture).save(pnm)
    arguments = ("--threads", "2", packed().path, pnm, pnm)
    program = subprocess.run(
        [engine_build / "bimlp_run", *arguments], capture_output=True, text=True, check=True
    )
    done = home.run(*home.command, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, program.stdout, "")
    done = home.run(*home.command, "--describe", packed().path)
    with Engine.load(packed().path) as engine:
        assert json.loads(done.stdout) == engine.description


def test_its_command_answers_with_the_network_in_models(home, tmp_path):
    succeed(sys.executable, "scripts/digit_picture.py", tmp_path / "seven.png")
    done = home.run(*home.command, ROOT / "models" / "digits.packed", "seven.png", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"seven\.png\n +0\.9\d+  7\n", done.stdout), done.stdout


@pytest.mark.parametrize("page", ["docs/engine.md", "packaging/engine/README.md"])
def test_the_examples_of_its_pages(page, home, packed, picture, tmp_path):
    text = (ROOT / page).read_text()
    [code], [line] = (
        re.findall("```python\n(.*?)```", text, re.DOTALL),
        re.findall("^bimlp-run (.*)", text, re.M),
    )
    (tmp_path / "model.packed").write_bytes(packed().path.read_bytes())
    picture.rename(tmp_path / "cat.jpg")
    done = home.run(*home.python, "-c", code, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout
    done = home.run(*home.command, *line.split(), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("cat.jpg\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "nowhere"], "error: nowhere: expected a file, got: No such file or directory\n"),
        (
            ["FILE", "nowhere"],
            "error: nowhere: expected a whole image file, got: No such file or directory\n",
        ),
        (["--threads", "0", "FILE", "nowhere"], "error: .*threads: expected 1 to 256, got 0\n"),
        (["FILE"], "error: command line: expected pictures, or --describe and none\n"),
        (["--describe", "FILE", "FILE"], "error: command line: expected pictures, or --describe and none\n"),
    ],
)
def test_bad_arguments_are_one_line(arguments, said, home, packed):
    done = home.run(*home.command, *(packed().path if word == "FILE" else word for word in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(said, done.stderr), done.stderr


@pytest.mark.thorough
def test_the_wheel_for_arm_predicts(tools, packed, tmp_path):
    """The example of docs/, compiled for ARM with the library of that wheel, in an emulator."""
    for program in (CROSS, "aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}")
    *_, path = succeed("bash", "scripts/build_wheel.sh", str(tmp_path), WHEEL_VENV=tools, CXX=CROSS)
    assert re.fullmatch(r".*-manylinux_2_\d+_aarch64\.whl", Path(path).name)
    with zipfile.ZipFile(path) as file:
        library = file.extract("bimlp_engine/engine/libbimlp.so", tmp_path)
    program, pixels = (
        tmp_path / "classify",
        np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8),
    )
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    paths = ("-Isrc/engine/native", library, f"-Wl,-rpath,{Path(library).parent}", "-lstdc++")
    succeed("aarch64-linux-gnu-gcc", "docs/example/classify.c", *paths, "-o", program)
    path = packed(size=16).path
    lines = succeed("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", program, path, tmp_path / "pixels")
    with Engine.load(path) as engine:
        assert list(map(int, lines)) == engine.logits(pixels).argmax(axis=1).tolist()
