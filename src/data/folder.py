"""Image folders: <path>/train/<class>/<image> and <path>/val/<class>/<image>.

Every file in a class folder counts as an image, whatever its suffix, unless its name starts with a dot.
"""

import os
import unicodedata
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from src.common.errors import InputError
from src.common.files import reason
from src.data import images
from src.data.splits import ArraySplit, Contents, FileSplit

SPLITS = ("train", "val")
LAYOUT = "train/ and val/, each with one folder of images per class"
CHUNK = 256  # files that a thread takes at a time: a task for each would cost more than it saves
MAX_THREADS = 16


def open_in_memory(path, split, bad_images, size):
    """ArraySplit of a folder of small images, all `size` pixels high and wide, decoded now.

    Raises:
        InputError: as `open_streamed`, and an image of another size.
    """
    classes, paths, labels = _scan(Path(path), split)

    def read(number):
        """Decode into `pixels`; the reason if that fails."""
        try:
            image = images.load_rgb(paths[number])
        except images.UnreadableImage as error:
            return error.cause
        if image.shape[:2] != (size, size):
            return f"an image of {image.shape[1]}x{image.shape[0]} pixels instead of {size}x{size}"
        pixels[number] = image
        return None

    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    good, skipped = _sift(classes, paths, labels, _in_threads(read, range(len(paths))), bad_images)
    if skipped:
        pixels = pixels[good]
    return ArraySplit(classes, pixels, labels[good], _contents(paths), skipped)


def open_streamed(path, split, bad_images):
    """FileSplit of a folder of images of any size; each file's header and end are looked at now.

    Args:
        path: the folder that holds train/ and val/.
        split: "train" or "val".
        bad_images: for files that are no whole images, "error" or "skip".

    Raises:
        InputError: a folder that is missing, empty or laid out otherwise; classes of train/ and val/ that
            differ; with "error", a bad file.
    """
    classes, paths, labels = _scan(Path(path), split)
    causes, sizes = zip(*_in_threads(images.look, paths))
    good, skipped = _sift(classes, paths, labels, causes, bad_images)
    pixels = int(np.array(sizes)[good].sum())
    paths_of_good = [paths[number] for number in good]
    return FileSplit(classes, paths_of_good, labels[good], pixels, _contents(paths), skipped)


def _contents(paths):
    """The Contents of a split's files, bad ones included, by the names of class folders and files."""
    names = "\0".join(f"{path.parent.name}/{path.name}" for path in paths)
    return Contents(len(paths), zlib.crc32(names.encode(errors="surrogateescape")))


def check_folder(path, expected):
    """Raise InputError unless `path` is a folder; `expected` says what it should hold."""
    if not os.path.lexists(path):
        raise InputError(f"{path}: expected {expected}, but there is no such folder")
    if not os.path.isdir(path):
        raise InputError(f"{path}: expected {expected}, got a file")


def entries(folder):
    """Names in a folder, sorted, without those that start with a dot: (folders, others)."""
    try:
        with os.scandir(folder) as found:
            visible = sorted(
                (entry.name, _is_folder(entry)) for entry in found if not entry.name.startswith(".")
            )
    except OSError as error:
        raise InputError(f"{folder}: expected a readable folder, got: {reason(error)}") from error
    return [name for name, is_folder in visible if is_folder], [
        name for name, is_folder in visible if not is_folder
    ]


def _is_folder(entry):
    """True where an entry of a folder is a folder; a loop of links is none, and is refused as an image."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _scan(path, split):
    """(class names, paths, labels) of a split, sorted by class and name."""
    check_folder(path, f"a folder with {LAYOUT}")
    if split not in entries(path)[0]:
        raise InputError(f"{path}: expected a folder with {LAYOUT}; {_what_came(path, split)}")
    classes = _class_names(path / split)
    _compare_classes(path, split, classes)
    paths, labels = [], []
    for label, name in enumerate(classes):
        folder = path / split / name
        inner, files = entries(folder)
        if inner:
            raise InputError(f"{folder / inner[0]}: expected an image in a class folder, got a folder")
        if not files:
            raise InputError(f"{folder}: expected a class folder with images, got an empty one")
        paths += [folder / file for file in files]
        labels += [label] * len(files)
    return classes, paths, np.array(labels, np.int32)


def _class_names(folder):
    """The names of the class folders in train/ or val/."""
    names, files = entries(folder)
    if not names:
        came = f"{len(files)} files and no folder" if files else "an empty folder"
        raise InputError(f"{folder}: expected one folder of images per class, got {came}")
    return tuple(names)


def _what_came(path, split):
    """Words on the thing in place of a split's folder, with a remedy."""
    folders, files = entries(path)
    if any(name in folders for name in SPLITS):
        return f"{split}/ is missing"
    if folders:
        return (
            f"got {len(folders)} other folders, the first {folders[0]}/ (if these are classes, move some "
            f"of each one's images to train/<class>/ and the rest to val/<class>/)"
        )
    return f"got {len(files)} files and no folder" if files else "got an empty folder"


def _compare_classes(path, split, classes):
    """Both splits, where both exist, must have the same classes: labels are their numbers."""
    for other in SPLITS:
        if other == split or other not in entries(path)[0]:
            continue
        other_names = _class_names(path / other)
        differing = sorted(set(classes) ^ set(other_names))
        if {unicodedata.normalize("NFC", name) for name in classes} == {
            unicodedata.normalize("NFC", name) for name in other_names
        } and differing:
            raise InputError(
                f"{path}: expected the same classes in train/ and val/, got {differing[0]} in two ways: the names differ "
                "only in Unicode normalisation (NFC and NFD, as macOS has them); rename one of the folders"
            )
        if differing:
            where = split if differing[0] in classes else other
            raise InputError(
                f"{path}: expected the same classes in train/ and val/, got {len(differing)} that only one "
                f"of them has, the first {differing[0]} (in {where}/)"
            )


def _in_threads(function, items):
    """[function(item) for item in items] by several threads; reading and decoding free the interpreter."""
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for chunk in results for result in chunk]


def _sift(classes, paths, labels, causes, bad_images):
    """Numbers of the good files, and [(path, reason)] of the others. Raises InputError unless "skip"."""
    bad = [number for number, cause in enumerate(causes) if cause is not None]
    if bad and bad_images != "skip":
        error = images.UnreadableImage(paths[bad[0]], causes[bad[0]])
        more = f" ({len(bad)} such files in all)" if len(bad) > 1 else ""
        raise InputError(f"{error}{more}; data.bad_images=skip skips such files")
    good = np.flatnonzero([cause is None for cause in causes])
    emptied = sorted(set(range(len(classes))) - set(labels[good].tolist()))
    if emptied:
        folder = paths[int(np.argmax(labels == emptied[0]))].parent
        raise InputError(f"{folder}: expected a class folder with images, got no readable one")
    return good, [(str(paths[number]), causes[number]) for number in bad]
