"""A network of known layers is one file in src/model/networks/ and nothing else.

It is listed, built, counted, drawn, trained, exported, packed, and run in the engine.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import numpy as np, mindspore as ms
from src.model import create_model, default_precision, image_size_of, model_names
print("toy" in model_names(), default_precision("toy"), image_size_of("toy"))
images = ms.Tensor(np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype(np.float32))
ms.set_context(mode=ms.PYNATIVE_MODE)
for precision in ("fp32", "binary_act", "binary"):
    networks = [create_model("toy", 5, precision, backend=name, width=4).set_train(False) for name in ("plain", "fast")]
    for ours, theirs in zip(*(each.get_parameters() for each in networks)):
        theirs.set_data(ours)
    plain, fast = (each(images).asnumpy() for each in networks)
    print(precision, plain.shape, bool(abs(plain - fast).max() < 1e-5), bool(plain.std() > 0))
"""
STEP = (
    "model.name=toy", "stage=step2", "stages.step2.init=", "stages.step2.teacher=", "stages.step2.epochs=1",
    "stages.step2.warmup_epochs=0", "train.steps_per_epoch=1", "data.batch_size=8", "model.options={width: 12}",
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the project with the toy's file in src/model/networks/."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("train.py", "eval.py", "export.py", "default_config.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copy(Path(__file__).with_name("toy.py"), folder / "src" / "model" / "networks")
    return folder


def run(folder, *arguments):
    """Standard output of a Python command in the folder."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed_and_built_in_all_precisions(house):
    lines = run(house, "-c", BUILD).splitlines()
    assert lines == [
        "True binary 16",
        *(f"{precision} (2, 5) True True" for precision in ("fp32", "binary_act", "binary")),
    ]


def test_it_is_counted(house):
    cost = json.loads(
        run(house, "-m", "src.commands.cost", "--model", "toy", "--json", "model.num_classes=5")
    )
    stem, head = 8 * 8 * 8 * 3 * 9, 16 * 5
    assert (cost["flops_macs"], cost["bops_macs"]) == (stem + head, 4 * 4 * 16 * 4 * 9)
    # stem with bias, its norm; shifts, weights, norm and RPReLU of the block; head
    assert cost["params"] == 8 * 27 + 8 + 2 * 8 + (8 + 16 * 36 + 2 * 16 + 3 * 16) + 5 * 16 + 5


def test_it_is_drawn(house):
    table = run(house, "-m", "src.commands.describe", "--model", "toy", "--plot", "toy.png")
    assert "| block.fc " in table and "binary_conv2d" in table
    assert (house / "toy.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def checkpoint(house):
    """Checkpoint of a step of training."""
    run(house, "train.py", "--output_dir", "out", *STEP)
    return house / "out" / "step2" / "best.ckpt"


def test_it_is_exported(house, checkpoint):
    for file_format, suffix in (("MINDIR", "mindir"), ("ONNX", "onnx")):
        run(house, "export.py", "--checkpoint", checkpoint, "--file_format", file_format)
        assert checkpoint.with_suffix(f".{suffix}").stat().st_size > 1000


def test_it_is_packed_and_evaluated_in_the_engine(house, checkpoint):
    run(house, "export.py", "--checkpoint", checkpoint, "--file_format", "PACKED")
    packed = checkpoint.with_suffix(".packed")
    settings = ("model.num_classes=10", f"data.class_names={list('0123456789')}", STEP[-1])
    cost = run(house, "-m", "src.commands.cost", "--model", "toy", "--json", *settings)
    assert json.loads(cost)["packed_bytes"] == packed.stat().st_size
    scores = [
        json.loads(run(house, "eval.py", "--checkpoint", path, "--json")) for path in (checkpoint, packed)
    ]
    for score in scores:
        del score["images_per_second"]
    assert scores[0] == scores[1] and scores[0]["total"] == 360
