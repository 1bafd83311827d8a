"""Fixtures of the engine's tests: instruction sets, small networks in packed files, the engine built without Python."""

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.common.compile import compiler
from src.deploy.packed_file import Description, encode
from src.engine import Engine, instruction_sets
from src.graph import Graph, trace
from src.graph.simplify import simplify
from src.model import create_model
from tests.engine.emulator import EMULATOR, emulate, emulated_build, machine
from tests.graph.networks import calibrate
from tests.graph.networks import images as normal_images
from tests.graph.separate import separated

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"x86_64": ("scalar", "avx2", "avx512", "amx"), "aarch64": ("scalar", "neon", "neon_dot")}
COLOURS = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)  # mean, std
PLANS = ("plain", "fused")
OPTIONS = {
    "widths": (8, 12),
    "depths": (1, 1),
    "branches": (2, 1, 2, 1),
    "stem": (3, 2, 1),
    "backend": "plain",
}
CLASSES = ("ant", "bee", "cow")


@pytest.fixture(scope="session", autouse=True)
def needs_a_compiler():
    """The engine is compiled where it runs, or it is the emulated one."""
    if shutil.which(compiler()[0]) is None:
        pytest.skip("no C++ compiler")
    emulate()


@pytest.fixture(params=NAMES.get(machine(), ("scalar",)))
def instruction_set(request, monkeypatch):
    """Each instruction set by name, and made the engine's choice; skipped where this processor lacks it."""
    if request.param not in instruction_sets():
        pytest.skip(f"this processor or compiler has no {request.param}")
    monkeypatch.setenv("BIMLP_INSTRUCTION_SET", request.param)
    return request.param


@pytest.fixture(params=PLANS)
def plan(request, monkeypatch):
    """Each plan by name, and made the engine's choice."""
    monkeypatch.setenv("BIMLP_PLAN", request.param)
    return request.param


@dataclass(frozen=True)
class Packed:
    """A network in a packed file. images: (5, 3, S, S), of which no bit of the graph hangs on rounding; logits: those of
    the reference."""

    path: Path
    description: Description
    graph: Graph
    images: np.ndarray
    logits: np.ndarray


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """packed(size, classes, names, **options of BiMLP): a Packed BiMLP with random numbers, the same on every call."""
    made = {}

    def make(size=32, classes=3, names=CLASSES, **options):
        key = (size, classes, names, tuple(options.items()))
        if key not in made:
            network = create_model("bimlp_t", classes, "binary", **{**OPTIONS, **options})
            made[key] = _packed(network, size, names, tmp_path_factory.mktemp("packed") / "network.packed")
        return made[key]

    return make


def _packed(network, size, names, path):
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        graph = simplify(trace(calibrate(network.set_train(False), size), size))
    finally:
        ms.set_context(mode=mode)
    images = normal_images(5, size)
    graph, logits = separated(graph, images)
    description = Description("bimlp_t", size, max(40, size), *COLOURS, names)
    path.write_bytes(encode(description, graph))
    return Packed(path, description, graph, images, logits)


@pytest.fixture(scope="session")
def engine_build(tmp_path_factory):
    """The folder that scripts/build_engine.sh fills, a warning being an error; made once for all test processes. With an
    emulator it is there."""
    if EMULATOR:
        return emulated_build()
    if shutil.which(compiler()[0]) is None:
        pytest.skip("no C++ compiler")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "engine-build"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            command = ["bash", "scripts/build_engine.sh", str(folder)]
            environment = {**os.environ, "CXXFLAGS": "-Werror"}
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            (folder / "done").touch()
    return folder


@pytest.fixture
def engine():
    """engine(path, threads=1): an Engine that is closed in the end."""
    opened = []

    def load(path, threads=1):
        opened.append(Engine.load(path, threads))
        return opened[-1]

    yield load
    for one in opened:
        one.close()
