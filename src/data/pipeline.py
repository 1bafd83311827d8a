"""Training batches through MindSpore's input pipeline, one epoch at a time."""

import contextlib
import random

import numpy as np
from mindspore import dataset as ms_dataset

from src.data import augment
from src.data.splits import FileSplit

QUEUE_ROWS = 4  # rows that wait before each operator; behind the batching a row is a batch
COLUMNS = ["image", "label"]


class Pipeline:
    """MindSpore's operators of a training split.

    Args:
        data: the settings under `data`.
        encoded: whether the split's elements are files' bytes; else they are pixels.
        normalize: uint8 (B, 3, S, S) -> float32.
        threads: per operator.

    Attributes:
        mixes: whether images and labels of a batch are mixed.
    """

    def __init__(self, data, encoded, normalize, threads):
        self._per_image, self._per_batch = augment.training(data, encoded), augment.mixing(data)
        self._normalize, self._threads, self._batch_size = normalize, threads, data.batch_size
        self.mixes = bool(self._per_batch)

    def batches(self, split, order, seed, erase):
        """Yield (images float32 (B, 3, S, S), labels float32 (B, K)) of the epoch.

        Args:
            order: numbers of the split's images.
            seed: of what the pipeline draws.
            erase: what is done to normalised batches in their order, or None.
        """
        with _global_settings(seed):
            rows = self._operators(_Rows(split, order), erase)
            iterator = rows.create_tuple_iterator(num_epochs=1, output_numpy=True)
        try:
            yield from map(tuple, iterator)
        finally:
            iterator.stop()

    def _operators(self, rows, erase):
        """MindSpore's dataset over `rows`: per-image operators, batching, per-batch operators."""

        def finish(pixels):
            """uint8 (B, S, S, 3) -> float32 (B, 3, S, S)."""
            batch = self._normalize(pixels.transpose(0, 3, 1, 2))
            return batch if erase is None else erase(batch)

        # Pixels in memory are handed out faster by one thread than by several.
        threads, readers = self._threads, 1 if rows.in_memory() else self._threads
        pipeline = ms_dataset.GeneratorDataset(
            rows, COLUMNS, shuffle=False, num_parallel_workers=readers, python_multiprocessing=False
        )
        if self._per_image:
            pipeline = pipeline.map(self._per_image, ["image"], num_parallel_workers=threads)
        pipeline = pipeline.batch(self._batch_size, num_parallel_workers=threads)
        # by one thread: erasing draws in the order of the batches
        pipeline = pipeline.map(finish, ["image"], num_parallel_workers=1, python_multiprocessing=False)
        if self._per_batch:
            pipeline = pipeline.map(self._per_batch, COLUMNS, num_parallel_workers=threads)
        return pipeline


class _Rows:
    """Rows that the pipeline reads: (image, one-hot label float32 (K,)) in the epoch's order."""

    def __init__(self, split, order):
        self._split, self._order = split, order
        self._classes = np.arange(len(split.classes))

    def in_memory(self):
        """True once all pictures are cached: no file is read any more."""
        return not isinstance(self._split, FileSplit) or all(n in self._split.cache for n in self._order)

    def __len__(self):
        return len(self._order)

    def __getitem__(self, position):
        number = self._order[position]
        return self._split[number], (self._classes == self._split.labels[number]).astype(np.float32)


@contextlib.contextmanager
def _global_settings(seed):
    """MindSpore's global seed and queue length for a pipeline that is created meanwhile.

    Both are read when the iterator is made. Setting the seed also seeds Python's and numpy's global
    generators, which belong to others: everything is put back.
    """
    config = ms_dataset.config
    before = config.get_seed(), config.get_prefetch_size(), random.getstate(), np.random.get_state()
    config.set_seed(seed)
    config.set_prefetch_size(QUEUE_ROWS)
    try:
        yield
    finally:
        config.set_seed(before[0])
        config.set_prefetch_size(before[1])
        random.setstate(before[2])
        np.random.set_state(before[3])
