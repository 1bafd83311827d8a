"""What the batches of a split start from, and whether the pictures of a folder stay in memory once they are read.

Training with random resized crops starts from whole pictures, all else from their middles (`Transform.centre`).
Of a folder either all pictures stay or none: its training batches follow from the files and data.memory alone.
"""

import dataclasses
import functools

import numpy as np
from PIL import Image

from src.data import images

GIB = 2**30


def in_memory(split, transform, whole):
    """The ArraySplit of what batches start from, uint8 (H, W, 3) or (S, S, 3).

    Args:
        split: as the source gives it.
        transform: whose middles batches start from.
        whole: whether batches start from whole pictures.
    """
    if whole:
        return split
    pixels = np.stack([transform.centre(Image.fromarray(image)) for image in split.pixels])
    return dataclasses.replace(split, pixels=pixels)


def from_files(split, transform, whole, share, most):
    """(FileSplit of what batches start from, one line on where its pictures stay).

    Elements are uint8 (S, S, 3); where batches start from whole pictures (H, W, 3) if they stay in memory, else a
    file's bytes, which MindSpore decodes in part.

    Args:
        split, transform, whole: as for `in_memory`.
        share: pictures of the split that this process reads in the course of time.
        most: GiB that they may take, data.memory.
    """
    needed = 3 * split.pixels if whole else 3 * transform.image_size**2 * share
    keep = needed <= most * GIB
    if not whole:
        read = functools.partial(images.load_centred, transform=transform)
    else:
        read = images.load_rgb if keep else images.encoded
    if keep:
        words = f"kept in memory once read, {needed / GIB:.2g} GiB"
    else:
        words = f"read anew in every epoch: {needed / GIB:.2g} GiB would not fit in data.memory={most:g}"
    return dataclasses.replace(split, read=read, keep=keep), words
