"""CIFAR-10: an image folder, or the official binary batches.

Binary batches (https://www.cs.toronto.edu/~kriz/cifar.html, "binary version"): data_batch_1.bin to
data_batch_5.bin, test_batch.bin, batches.meta.txt. A batch is 10,000 records of 1 + 3072 bytes: the label,
then the red, green and blue plane of 32 x 32, row by row.
"""

from pathlib import Path

import numpy as np

from src.common.errors import InputError
from src.common.files import open_regular, reason
from src.data import folder
from src.data.splits import ArraySplit, contents_of

SIZE = 32  # pixels, height and width
CLASSES = 10
RECORDS = 10_000  # per batch file
RECORD_BYTES = 1 + 3 * SIZE * SIZE
BATCHES = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "val": ["test_batch.bin"]}
NAMES = "batches.meta.txt"
MAX_BYTES = 2 * RECORDS * RECORD_BYTES  # of a file that is read at all
SUBFOLDER = "cifar-10-batches-bin"  # as the official archive unpacks
PYTHON_SUBFOLDER = "cifar-10-batches-py"


def open_cifar10(data, split):
    """ArraySplit of data.path, which is an image folder or holds the binary batches.

    Raises:
        InputError: neither is there, or a file is missing, cut off or of another form.
    """
    path = Path(data.path)
    expected = (
        f"a folder with {folder.LAYOUT}, or CIFAR-10's binary batches ({', '.join(BATCHES['val'])} ...)"
    )
    folder.check_folder(path, expected)
    folders, files = folder.entries(path)
    if any(name in folders for name in folder.SPLITS):
        return folder.open_in_memory(path, split, data.bad_images, SIZE)
    if SUBFOLDER in folders:
        path = path / SUBFOLDER
        files = folder.entries(path)[1]
    if not any(name in files for names in BATCHES.values() for name in names):
        hint = ""
        if PYTHON_SUBFOLDER in folders or "data_batch_1" in files:
            hint = " (the python version is not read; the binary version is cifar-10-binary.tar.gz)"
        came = ", ".join([f"{name}/" for name in folders[:3]] + files[:3]) or "an empty folder"
        raise InputError(f"{path}: expected {expected}, got {came}{hint}")
    return _open_batches(path, split)


def _open_batches(path, split):
    """ArraySplit of the batch files of one split."""
    classes = _class_names(path / NAMES)
    records = np.concatenate([_records(path / name) for name in BATCHES[split]])
    planes = records[:, 1:].reshape(-1, 3, SIZE, SIZE)
    pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    labels = records[:, 0].astype(np.int32)
    return ArraySplit(classes, pixels, labels, contents_of(pixels, labels))


def _records(path):
    """One batch file: uint8 (RECORDS, RECORD_BYTES)."""
    content, expected = _content(path), RECORDS * RECORD_BYTES
    if len(content) != expected:
        raise InputError(f"{path}: expected {expected} bytes ({RECORDS} records), got {len(content)}")
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, RECORD_BYTES)
    largest = int(records[:, 0].max())
    if largest >= CLASSES:
        raise InputError(f"{path}: expected labels from 0 to {CLASSES - 1}, got {largest}")
    return records


def _class_names(path):
    """The ten names, one per line."""
    names = tuple(_content(path).decode("utf-8", "replace").split())
    if len(names) != CLASSES:
        raise InputError(f"{path}: expected {CLASSES} class names, one per line, got {len(names)}")
    return names


def _content(path):
    """All bytes of a file."""
    try:
        with open_regular(path, MAX_BYTES) as file:
            return file.read()
    except OSError as error:
        raise InputError(
            f"{path}: expected a file of CIFAR-10's binary batches, got: {reason(error)}"
        ) from error
