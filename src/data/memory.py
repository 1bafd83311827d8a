"""Pictures that the batches of a split start from, cached in memory or read in every epoch.

Training with random resized crops starts from uncropped pictures, all else from their middles (`Transform.centre`).
A folder's pictures are cached all or none: its training batches follow from the files and data.memory alone.
"""

import dataclasses
import functools

import numpy as np
from PIL import Image

from src.data import images

GIB = 2**30


def in_memory(split, transform, uncropped):
    """ArraySplit of the pictures that batches start from, uint8 (H, W, 3) or (S, S, 3).

    Args:
        split: as the source gives it.
        transform: the Transform that gives the middles.
        uncropped: whether batches start from uncropped pictures, not from middles.
    """
    if uncropped:
        return split
    pixels = np.stack([transform.centre(Image.fromarray(image)) for image in split.pixels])
    return dataclasses.replace(split, pixels=pixels)


def from_files(split, transform, uncropped, share, limit):
    """(FileSplit of the pictures that batches start from, one line on whether they are cached).

    Elements are uint8 (S, S, 3). Uncropped pictures are uint8 (H, W, 3) if they are cached, else a file's bytes, which
    MindSpore decodes in part.

    Args:
        split, transform, uncropped: as for `in_memory`.
        share: pictures of the split that this process reads in the course of time.
        limit: GiB of the cache, data.memory.
    """
    needed = 3 * split.pixels if uncropped else 3 * transform.image_size**2 * share
    cached = needed <= limit * GIB
    if not uncropped:
        read = functools.partial(images.load_centred, transform=transform)
    else:
        read = images.load_rgb if cached else images.encoded
    if cached:
        words = f"kept in memory once read, {needed / GIB:.2g} GiB"
    else:
        words = f"read anew in every epoch: {needed / GIB:.2g} GiB would not fit in data.memory={limit:g}"
    return dataclasses.replace(split, read=read, cached=cached), words
