"""The benchmark of the input pipelines: what it refuses before it times anything."""

import importlib.util
import pathlib
import sys

import numpy as np
import pytest
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/data.py as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_data", FOLDER / "data.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FOLDER))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


@pytest.fixture
def found(benchmark):
    """Batches of three sides that agree, of 2 evaluation images."""
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    side = {
        "images": images,
        "labels": [0, 1],
        "mean": [0.1, 0.2, 0.3],
        "std": [1.0, 2.0, 3.0],
        "shape": [2, 3, 4, 4],
    }
    return {name: {key: np.array(value) for key, value in side.items()} for name in benchmark.SIDES}


def test_sides_that_agree_pass(benchmark, found):
    differences = benchmark.compare(found, found["files"]["images"].copy())
    assert len(differences) == 7 and set(differences.values()) == {0.0}


@pytest.mark.parametrize("side", ["files", "memory", "pillow"])
@pytest.mark.parametrize(
    ("key", "place", "change"),
    [
        ("images", (1, 2, 3, 3), 0.1),
        ("labels", 1, 1),
        ("shape", 0, 1),
        ("mean", 2, 0.2),
        ("std", 0, 0.1),
    ],
)
def test_sides_that_differ_are_refused(benchmark, found, side, key, place, change):
    expected = found["files"]["images"].copy()
    found[side][key][place] += change * (1 if side != "pillow" or key != "images" else 10)
    with pytest.raises(benchmark.Disagreement):
        benchmark.compare(found, expected)


def test_values_that_are_no_numbers_are_refused(benchmark, found):
    expected = found["files"]["images"].copy()
    found["memory"]["images"][0, 0, 0, 0] = np.nan
    with pytest.raises(benchmark.Disagreement, match="memory, evaluation: difference nan"):
        benchmark.compare(found, expected)


def test_pictures_are_linked_as_often_as_asked(benchmark, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "source" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "source" / name / "a.png")
    benchmark.link_pictures(tmp_path / "source", tmp_path / "links", 5)
    for split in ("train", "val"):
        links = sorted((tmp_path / "links" / split).glob("*/*"))
        assert [link.parent.name for link in links] == ["cat"] * 3 + ["dog"] * 2
        assert all(link.resolve().is_file() for link in links)
