"""One split of a data set: images by number, with labels. Two kinds: pixels in memory, files on disk.

Both have: class_names, labels (N,), len, [i], shape ((height, width), or None where [i] is a file's bytes),
skipped (a list of (path, reason) of what was left out), unreadable (numbers found bad since opening).
"""

import dataclasses

import numpy as np

from src.data import images


@dataclasses.dataclass
class ArraySplit:
    """Images of one size, decoded in memory.

    Args:
        class_names: K names; label k means class_names[k].
        pixels: uint8 (N, H, W, 3).
        labels: int32 (N,).
        skipped: (path, reason) of files left out.
    """

    class_names: tuple
    pixels: np.ndarray
    labels: np.ndarray
    skipped: list = dataclasses.field(default_factory=list)
    unreadable: tuple = ()

    @property
    def shape(self):
        """(height, width) of every image."""
        return self.pixels.shape[1:3]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        """Pixels, uint8 (H, W, 3)."""
        return self.pixels[number]

    def first_fault(self, numbers):
        """None: every image was decoded when the split was opened."""


@dataclasses.dataclass
class FileSplit:
    """Image files of any size, read when they are asked for.

    Args:
        class_names: K names; label k means class_names[k].
        paths: N paths.
        labels: int32 (N,).
        skipped: (path, reason) of files left out.
    """

    class_names: tuple
    paths: list
    labels: np.ndarray
    skipped: list = dataclasses.field(default_factory=list)
    unreadable: set = dataclasses.field(default_factory=set)
    shape = None

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        """The file's bytes, uint8 (length,)."""
        return images.encoded(self.paths[number])

    def first_fault(self, numbers):
        """(number, reason) of the first file that cannot be decoded, or None. Decodes one after another."""
        for number in numbers:
            cause = images.fault(self.paths[number], thorough=True)
            if cause is not None:
                return number, cause
        return None

    def leave_out(self, number, cause):
        """Remember that a file cannot be read."""
        self.unreadable.add(number)
        self.skipped.append((str(self.paths[number]), cause))
