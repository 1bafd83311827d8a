"""The table of sources: where the images of a split come from."""

import difflib

import numpy as np

from src.common.errors import InputError
from src.data import cifar, folder
from src.data.splits import ArraySplit, contents_of

DIGITS_TEST = 360  # of 1797 images, a fifth
DIGITS_SEED = 0  # of the split, not the run's: everybody's test images are the same
DIGITS_WHITE = 16  # largest value of a pixel


def open_digits(data, split):
    """ArraySplit of scikit-learn's handwritten digits: 8x8, 1437 to train, 360 to test, stratified."""
    from sklearn.datasets import load_digits  # takes a second: only for those who use it
    from sklearn.model_selection import train_test_split

    grey, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        np.arange(len(labels)), test_size=DIGITS_TEST, random_state=DIGITS_SEED, stratify=labels
    )
    numbers = parts[0] if split == "train" else parts[1]
    grey = np.rint(grey[numbers] * (255 / DIGITS_WHITE)).astype(np.uint8).reshape(-1, 8, 8, 1)
    classes = tuple(str(digit) for digit in range(10))
    labels = labels[numbers].astype(np.int32)
    return ArraySplit(classes, np.repeat(grey, 3, axis=3), labels, contents_of(grey, labels))


def open_imagenet(data, split):
    """FileSplit of any image folder."""
    return folder.open_streamed(data.path, split, data.bad_images)


SOURCES = {"digits": open_digits, "cifar10": cifar.open_cifar10, "imagenet": open_imagenet}
NEEDS_PATH = ("cifar10", "imagenet")


def open_split(data, split):
    """The images of a split.

    Args:
        data: the settings under `data`.
        split: "train" or "val".

    Raises:
        InputError: an unknown source, no path, or what is found there is not what the source needs.
        ValueError: another split.
    """
    if split not in folder.SPLITS:
        raise ValueError(f"split: expected train or val, got {split!r}")
    if data.source not in SOURCES:
        near = difflib.get_close_matches(data.source, SOURCES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"data.source: expected one of {', '.join(SOURCES)}, got {data.source!r}{hint}")
    if data.source in NEEDS_PATH and not data.path:
        raise InputError(f"data.path: expected the folder of {data.source} (--data_path), got nothing")
    if data.path and data.source not in NEEDS_PATH:
        raise InputError(
            f"data.path: {data.source} are embedded, expected no folder, got {data.path!r}; "
            f"data.source={' or '.join(NEEDS_PATH)} reads it"
        )
    return SOURCES[data.source](data, split)
