"""Batches: one epoch of a split, for one of several ranks, directly or through MindSpore's input pipeline."""

import itertools
import os

import numpy as np

from src.common.errors import InputError
from src.data import direct, images, memory
from src.data.erasing import RandomErasing
from src.data.labels import in_classes
from src.data.sources import open_split
from src.data.splits import FileSplit
from src.data.transform import Normalize, crops_resized, transform_of


def create_dataset(cfg, split, rank=0, ranks=1, transform=None):
    """The batches of one split for one rank.

    Args:
        cfg: all settings; read are `seed` and those under `data`.
        split: "train" (augmented, soft labels) or "val".
        rank, ranks: this process, of how many.
        transform: the evaluation Transform; None: that of the settings.

    Raises:
        InputError: data that is missing, damaged, or too little for one batch; other classes than data.classes.
    """
    return Dataset(cfg, split, rank, ranks, transform)


class Dataset:
    """A split's batches; see `create_dataset`.

    Attributes:
        classes: tuple of K names, as the source or data.classes has them; label k means classes[k].
        contents: the split's Contents, the same on all ranks.
        storage: one line on whether a folder's pictures are kept in memory, "" for other sources.
    """

    def __init__(self, cfg, split, rank=0, ranks=1, transform=None):
        if not 0 <= rank < ranks:
            raise ValueError(f"rank: expected 0 to {ranks - 1}, got {rank}")
        self._seed, self._data = cfg.seed, cfg.data
        self._training = split == "train"
        self._rank, self._ranks = rank, ranks
        self._batch_size = cfg.data.batch_size if self._training else cfg.data.eval_batch_size
        self._threads = min(cfg.data.workers, os.cpu_count() or 1)
        opened = in_classes(open_split(cfg.data, split), cfg.data)
        self.contents = opened.contents
        self._transform = transform or transform_of(cfg.data)
        self._open(opened)
        self.classes = self._split.classes
        if self._training and not self.batches:
            raise InputError(
                f"data.batch_size: expected at most {len(self._split) // ranks} "
                f"({len(self._split)} training images on {ranks} devices), got {self._batch_size}"
            )

    def _open(self, split):
        """Decide what the batches start from and who makes them."""
        data, files = self._data, isinstance(split, FileSplit)
        uncropped = self._training and crops_resized(data)
        if files:
            share = len(split) if self._training else -(-len(split) // self._ranks)
            self._split, self.storage = memory.from_files(
                split, self._transform, uncropped, share, data.memory
            )
        else:
            self._split, self.storage = memory.in_memory(split, self._transform, uncropped), ""
        encoded = files and uncropped and not self._split.cached
        self._direct = self._pipeline = None
        if self._training:
            from src.data.pipeline import Pipeline  # which loads the framework: evaluation does without

            self._pipeline = Pipeline(data, encoded, Normalize(self._transform), self._threads)
        if not self._training and files:
            self._direct = direct.FromFiles(self._split, self._transform, self._threads)
        elif not self._training or not (files or uncropped or self._pipeline.mixes or data.rand_augment):
            worker = self._rank, self._ranks
            drawn = (data.crop_padding, data.flip) if self._training else (0, 0.0)
            self._direct = direct.InMemory(self._split, self._transform, drawn, worker)

    @property
    def size(self):
        """Images in the split, of all ranks together, without those that this rank knows to be skipped."""
        return len(self._split) - len(self._split.skipped_numbers)

    @property
    def skipped(self):
        """[(path, reason)] of the files skipped so far (data.bad_images=skip)."""
        return list(self._split.skipped)

    @property
    def skipped_late(self):
        """The files of `skipped` that were found bad after the split was opened: only this rank knows of them."""
        return self.skipped[len(self._split.skipped) - len(self._split.skipped_numbers) :]

    @property
    def batches(self):
        """Batches of one epoch of this rank."""
        if self._training:  # full batches, as many on every rank
            return len(self._split) // self._ranks // self._batch_size
        return -(-len(self._order(0)) // self._batch_size)

    def epoch(self, index):
        """Iterate over the batches of epoch `index`, numpy arrays.

        Training: images float32 (B, 3, S, S), labels float32 (B, K), each row summing to 1; order and
        augmentation depend on (seed, rank, index) only (crops and flips of images in memory not even on the rank: an
        image gets the same on any number of workers) and, where MindSpore's pipeline is needed, on the number
        of threads (data.workers, at most the machine's cores) and on whether pictures are kept in memory
        (data.memory). Validation: labels int32 (B,).

        Raises:
            InputError: a file turns out damaged on the way and data.bad_images is "error".
        """
        delivered = 0
        while True:
            try:
                for batch in itertools.islice(self._batches(index), delivered, None):
                    delivered += 1
                    yield batch
                return
            except (RuntimeError, images.UnreadableImage) as failure:
                self._skip_fault(index, delivered, failure)

    def _skip_fault(self, index, delivered, failure):
        """Find the file that stopped the epoch and skip it, or raise.

        The batches before it do not change by that, so the epoch can be run again up to there.
        """
        fault = self._split.first_fault(self._order(index)[delivered * self._batch_size :])
        if fault is None:
            raise failure
        number, cause = fault
        if self._data.bad_images != "skip":
            error = images.UnreadableImage(self._split.paths[number], cause)
            raise InputError(f"{error}; data.bad_images=skip skips such files") from failure
        self._split.skip(number, cause)

    def _order(self, index):
        """Numbers of this rank's images in epoch `index`, in order.

        In training, images skipped since opening are replaced by the epoch's first ones, so that every
        rank keeps its number of batches.
        """
        if not self._training:
            order = np.arange(self._rank, len(self._split), self._ranks)
            return order[self._readable(order)]
        order = np.random.default_rng([self._seed, index]).permutation(len(self._split))
        order = order[self._rank :: self._ranks][: self.batches * self._batch_size]
        readable = self._readable(order)
        if not readable.any():
            raise InputError(f"{self._data.path}: expected readable training images, got none")
        order[~readable] = np.resize(order[readable], np.count_nonzero(~readable))
        return order

    def _readable(self, numbers):
        """Which of the images can be read, as bools."""
        return ~np.isin(numbers, list(self._split.skipped_numbers))

    def _batches(self, index):
        """One run through the epoch."""
        order = self._order(index)
        streams = np.random.SeedSequence([self._seed, self._rank, index]).spawn(2)
        if self._direct is None:
            seed, erase = int(streams[0].generate_state(1)[0]), self._erase(np.random.default_rng(streams[1]))
            return self._pipeline.batches(self._split, order, seed, erase)
        streams[0] = np.random.SeedSequence([self._seed, 0, index]).spawn(1)[0]
        return self._directly(order, streams)

    def _directly(self, order, streams):
        """The epoch's batches without MindSpore's pipeline."""
        draws, erasing = map(np.random.default_rng, streams)
        labels, erase = self._split.labels[order], None
        if self._training:
            labels = np.eye(len(self.classes), dtype=np.float32)[labels]
            erase = self._erase(erasing)
        start = 0
        for batch in self._direct.batches(order, self._batch_size, draws):
            yield batch if erase is None else erase(batch), labels[start : start + len(batch)]
            start += len(batch)

    def _erase(self, generator):
        """RandomErasing, or None where it is off."""
        probability = self._data.random_erasing
        return RandomErasing(probability, generator) if probability else None
