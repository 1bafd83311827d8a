"""One split of a data set: images by number, with labels. Two kinds: pixels in memory, files on disk.

Both have: classes, labels (N,), len, [i], skipped (a list of (path, reason) of skipped files), skipped_numbers (of files
found bad since opening), contents.
"""

import dataclasses
import typing
import zlib
from collections.abc import Callable

import numpy as np

from src.data import images


class Contents(typing.NamedTuple):
    """Number of a split's images, skipped ones included, and a CRC-32 that tells other data. A folder's CRC-32 is that of
    the names, other sources' that of pixels and labels: a file that turns bad changes neither."""

    images: int
    checksum: int


def contents_of(pixels, labels):
    """The Contents of images in memory: uint8 (N, H, W, C), int32 (N,)."""
    return Contents(len(labels), zlib.crc32(labels.tobytes(), zlib.crc32(np.ascontiguousarray(pixels))))


@dataclasses.dataclass
class ArraySplit:
    """Images of one size, decoded in memory.

    Args:
        classes: K names; label k means classes[k].
        pixels: uint8 (N, H, W, 3).
        labels: int32 (N,).
        contents: the Contents.
        skipped: (path, reason) of skipped files.
    """

    classes: tuple
    pixels: np.ndarray
    labels: np.ndarray
    contents: Contents
    skipped: list = dataclasses.field(default_factory=list)
    skipped_numbers: tuple = ()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        """Pixels, uint8 (H, W, 3)."""
        return self.pixels[number]

    def first_fault(self, numbers):
        """None: every image was decoded when the split was opened."""


@dataclasses.dataclass
class FileSplit:
    """Image files of any size, read when they are asked for; src/data/memory.py says how.

    Args:
        classes: K names; label k means classes[k].
        paths: N paths.
        labels: int32 (N,).
        pixels: total of all pictures.
        contents: the Contents.
        skipped: (path, reason) of skipped files.
        read: function from a path to an array.
        cached: whether an array stays in memory once it was asked for.
        cache: number -> array; several threads fill it.
    """

    classes: tuple
    paths: list
    labels: np.ndarray
    pixels: int
    contents: Contents
    skipped: list = dataclasses.field(default_factory=list)
    skipped_numbers: set = dataclasses.field(default_factory=set)
    read: Callable = images.encoded
    cached: bool = False
    cache: dict = dataclasses.field(default_factory=dict)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        """Array of the file, by `read`."""
        array = self.cache.get(number)
        if array is None:
            array = self.read(self.paths[number])
            if self.cached:
                self.cache[number] = array
        return array

    def first_fault(self, numbers):
        """(number, reason) of the first file that cannot be decoded, or None. Decodes one after another."""
        for number in numbers:
            cause = None if number in self.cache else images.fault(self.paths[number])
            if cause is not None:
                return number, cause
        return None

    def skip(self, number, cause):
        """Skip a file from now on: it cannot be read."""
        self.skipped_numbers.add(number)
        self.skipped.append((str(self.paths[number]), cause))
