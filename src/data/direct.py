"""Batches without MindSpore's pipeline: all of evaluation, and training on what none of its operators is needed for."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from src.data import augment

AHEAD = 1  # batches that threads read besides the one that is waited for


class InMemory:
    """Whole batches by NumPy from images in memory; they are padded once.

    In the caller's thread: a training step uses every core, and another thread would take from it more than the
    batch costs.

    Args:
        split: an ArraySplit of images of data.image_size.
        data: the settings under `data`.
        training: whether to crop and flip.
    """

    def __init__(self, split, data, training):
        self._padding, self._flip = (data.crop_padding, data.flip) if training else (0, 0.0)
        pad = (self._padding, self._padding)
        padded = np.pad(split.pixels.transpose(0, 3, 1, 2), ((0, 0), (0, 0), pad, pad))
        # (N, 3, 2 padding + 1, 2 padding + 1, S, S): every crop of every image, without a copy
        self._crops = np.lib.stride_tricks.sliding_window_view(padded, split.pixels.shape[1:3], axis=(2, 3))
        self._normalize = augment.Normalize(data)

    def batches(self, order, batch_size, generator):
        """Yield float32 (B, 3, S, S) for one stretch of `order` after the other; the last may be smaller."""
        for numbers in _stretches(order, batch_size):
            draws = generator.random((len(numbers), 3))  # top, left, flip
            top, left = (draws[:, :2] * (2 * self._padding + 1)).astype(int).T
            planes = self._crops[numbers, :, top, left]
            mirrored = draws[:, 2] < self._flip
            planes[mirrored] = planes[mirrored, :, :, ::-1]
            yield self._normalize(planes)


class FromFiles:
    """Evaluation of image files, which threads read ahead.

    Args:
        split: a FileSplit whose elements are uint8 (S, S, 3).
        data: the settings under `data`.
        threads: how many read at once.
    """

    def __init__(self, split, data, threads):
        self._split, self._threads = split, threads
        self._normalize = augment.Normalize(data)

    def batches(self, order, batch_size, _generator):
        """As InMemory's; nothing is drawn. Raises UnreadableImage."""
        pool, ahead = ThreadPoolExecutor(self._threads), deque()
        try:
            for numbers in _stretches(order, batch_size):
                ahead.append([pool.submit(self._split.__getitem__, number) for number in numbers])
                if len(ahead) > AHEAD:
                    yield self._batch(ahead.popleft())
            while ahead:
                yield self._batch(ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, reading):
        pixels = np.stack([each.result() for each in reading])  # (B, S, S, 3)
        return self._normalize(pixels.transpose(0, 3, 1, 2))


def _stretches(order, batch_size):
    return (order[start : start + batch_size] for start in range(0, len(order), batch_size))
