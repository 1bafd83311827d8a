"""Fixtures of the engine's tests: instruction sets, small networks in packed files, the engine built without Python."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.common.compile import compiler
from src.deploy import write_packed
from src.deploy.packed_file import decode
from src.engine import Engine, instruction_sets
from src.model import create_model
from src.model.layers.norms import BatchNorm

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("scalar", "avx2", "avx512")
FIELDS = {"resize": 40, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
CLASSES = ("ant", "bee", "cow")


@pytest.fixture(scope="session", autouse=True)
def needs_a_compiler():
    """The engine is compiled where it runs."""
    if shutil.which(compiler()[0]) is None:
        pytest.skip("no C++ compiler")


@pytest.fixture(params=NAMES)
def instruction_set(request, monkeypatch):
    """Each instruction set by name, and made the engine's choice; skipped where this processor lacks it."""
    if request.param not in instruction_sets():
        pytest.skip(f"this processor or compiler has no {request.param}")
    monkeypatch.setenv("BIMLP_INSTRUCTION_SET", request.param)
    return request.param


def calibrate(network, images):
    """Give the norms the statistics of a batch, so that activations have the sizes of a trained network's."""
    network.set_train(True)
    network(Tensor(images))
    for _, cell in network.cells_and_names():
        if isinstance(cell, BatchNorm):  # the running statistics have moved by a tenth, from 0 and 1
            cell.moving_mean.set_data(cell.moving_mean * 10)
            cell.moving_variance.set_data((cell.moving_variance - 0.9) * 10)
    return network.set_train(False)


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """packed(widths, depths, branches, size, ..): (network, description, tensors, path) of a network whose numbers are
    all random and whose norms are calibrated; the same on every call."""
    made = {}

    def make(widths=(8, 12), depths=(1, 1), branches=(2, 1, 2, 1), size=32, **changes):
        key = (widths, depths, branches, size, tuple(changes.items()))
        if key not in made:
            mode = ms.get_context("mode")
            ms.set_context(mode=ms.PYNATIVE_MODE)
            try:
                made[key] = _make(widths, depths, branches, size, changes, tmp_path_factory)
            finally:
                ms.set_context(mode=mode)
        return made[key]

    return make


def _make(widths, depths, branches, size, changes, tmp_path_factory):
    settings = {
        "widths": widths,
        "depths": depths,
        "branches": branches,
        "stem": (3, 2, 1),
        "backend": "plain",
        **changes,
    }
    network = create_model("bimlp_t", len(CLASSES), "binary", **settings)
    random = np.random.default_rng(5)
    for name, parameter in network.parameters_and_names():
        values = parameter.asnumpy()
        if name.endswith(("gamma", "beta", "shift_in", "shift_out", "slope", "rsign.bias", "merge", ".bias")):
            values = values + random.normal(0, 0.2, values.shape)
        elif name.endswith("weight"):
            values = random.normal(0, 0.3, values.shape)
        parameter.set_data(Tensor(values.astype(np.float32)))
    calibrate(network, random.normal(size=(16, 3, size, size)).astype(np.float32))
    path = tmp_path_factory.mktemp("packed") / "network.packed"
    fields = {**FIELDS, "resize": max(FIELDS["resize"], size)}
    write_packed(network, path, variant="bimlp_t", image_size=size, class_names=CLASSES, **fields)
    return network, *decode(path.read_bytes()), path


@pytest.fixture(scope="session")
def engine_build(tmp_path_factory):
    """The folder that scripts/build_engine.sh fills, a warning being an error; made once for all test processes."""
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


def images(count, size, seed=3):
    """Seeded normal images, float32."""
    return np.random.default_rng(seed).normal(size=(count, 3, size, size)).astype(np.float32)
