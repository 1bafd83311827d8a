"""Batches without MindSpore's pipeline: all of evaluation, and training on what none of its operators is needed for."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from src.data.transform import Normalize


class InMemory:
    """Whole batches by NumPy from images in memory; they are padded once. A thread makes the next batch meanwhile.

    Args:
        split: an ArraySplit of images of one size, the network's.
        transform: whose mean and std normalise.
        drawn: (pixels of padding before a random crop, probability of a flip); (0, 0.0) in evaluation.
        worker: (rank, workers). What is drawn for an image does not depend on them: the images of a batch lie
            interleaved over the workers.
    """

    def __init__(self, split, transform, drawn, worker=(0, 1)):
        self._rank, self._workers = worker
        self._padding, self._flip = drawn
        pad = (self._padding, self._padding)
        padded = np.pad(split.pixels.transpose(0, 3, 1, 2), ((0, 0), (0, 0), pad, pad))
        # (N, 3, 2 padding + 1, 2 padding + 1, S, S): every crop of every image, without a copy
        self._crops = np.lib.stride_tricks.sliding_window_view(padded, split.pixels.shape[1:3], axis=(2, 3))
        self._normalize = Normalize(transform)

    def batches(self, order, batch_size, generator):
        """Yield float32 (B, 3, S, S) for one stretch of `order` after the other; the last may be smaller."""
        pool = ThreadPoolExecutor(1)
        stretches = _stretches(order, batch_size)
        jobs = ((numbers, self._draws(len(numbers), generator)) for numbers in stretches)
        try:
            for made in _one_ahead(pool.submit(self._batch, *job) for job in jobs):
                yield made.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _draws(self, images, generator):
        """Of a batch of all workers, this one's rows."""
        return generator.random((images * self._workers, 3))[self._rank :: self._workers]

    def _batch(self, numbers, draws):
        """draws: (B, 3) in [0, 1), for top, left and flip."""
        top, left = (draws[:, :2] * (2 * self._padding + 1)).astype(int).T
        planes = self._crops[numbers, :, top, left]
        mirrored = draws[:, 2] < self._flip
        planes[mirrored] = planes[mirrored, :, :, ::-1]
        return self._normalize(planes)


class FromFiles:
    """Evaluation of image files, which threads read ahead.

    Args:
        split: a FileSplit whose elements are uint8 (S, S, 3).
        transform: whose mean and std normalise.
        threads: how many read at once.
    """

    def __init__(self, split, transform, threads):
        self._split, self._threads = split, threads
        self._normalize = Normalize(transform)

    def batches(self, order, batch_size, _generator):
        """As InMemory's; nothing is drawn. Raises UnreadableImage."""
        pool, read = ThreadPoolExecutor(self._threads), self._split.__getitem__
        stretches = _stretches(order, batch_size)
        try:
            for reading in _one_ahead([pool.submit(read, number) for number in each] for each in stretches):
                yield self._batch(reading)
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, reading):
        pixels = np.stack([each.result() for each in reading])  # (B, S, S, 3)
        return self._normalize(pixels.transpose(0, 3, 1, 2))


def _one_ahead(started):
    """Yield what `started` does, each when the next one is started as well."""
    waiting = deque()
    for each in started:
        waiting.append(each)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def _stretches(order, batch_size):
    return (order[start : start + batch_size] for start in range(0, len(order), batch_size))
