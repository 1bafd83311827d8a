"""Fixtures of the data room's tests: settings, and small image folders made on the spot."""

import pathlib
import types

import numpy as np
import pytest
import yaml
from PIL import Image

DEFAULTS = pathlib.Path(__file__).resolve().parents[2] / "default_config.yaml"


@pytest.fixture
def make_config():
    """make_config(seed=1, **values): the default settings with other values under `data`."""

    def make(seed=1, **values):
        settings = yaml.safe_load(DEFAULTS.read_text())
        unknown = set(values) - set(settings["data"])
        if unknown:
            raise KeyError(f"no such keys under data: {unknown}")
        data = types.SimpleNamespace(**{**settings["data"], **values})
        return types.SimpleNamespace(seed=seed, data=data)

    return make


@pytest.fixture
def plain(make_config):
    """plain(path, **values): settings for an image folder, without any augmentation."""

    def make(path, **values):
        base = {"source": "imagenet", "path": str(path), "image_size": 8, "crop_padding": 0}
        return make_config(**{**base, "batch_size": 4, "eval_batch_size": 4, **values})

    return make


@pytest.fixture
def make_folder(tmp_path):
    """make_folder(train=12, val=10, size=10, suffix="png"): an image folder of two classes, cat and dog.

    The images of a split alternate between the classes in number; image n is all of grey n, so that a batch
    tells which images it holds.
    """

    def make(train=12, val=10, size=10, suffix="png"):
        for split, count in (("train", train), ("val", val)):
            for name in ("cat", "dog"):
                (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.full((size, size, 3), number, np.uint8)
                place = tmp_path / split / ("cat", "dog")[number % 2] / f"{number:03d}.{suffix}"
                Image.fromarray(pixels).save(place)
        return tmp_path

    return make


@pytest.fixture
def greys():
    """greys(images): the grey values 0..255 of constant images normalised with mean and std 0.5."""
    return lambda images: np.rint((images[:, 0, 0, 0] * 0.5 + 0.5) * 255).astype(int).tolist()
