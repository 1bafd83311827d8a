"""Evaluation: every image once, on one worker or several."""

import time
from dataclasses import dataclass

import numpy as np

from src.common.errors import InputError


@dataclass(frozen=True)
class Score:
    """Counts over the whole split, and the speed of all workers together.

    per_class: (right, images) of each class; () where nobody asked for them.
    """

    total: int
    correct: int
    correct5: int
    seconds: float
    per_class: tuple = ()

    @property
    def top1(self):
        return self.correct / self.total

    @property
    def top5(self):
        return self.correct5 / self.total

    @property
    def images_per_second(self):
        return self.total / self.seconds


def best_classes(logits):
    """The five most likely classes of each row, best first: logits (B, K) -> (B, 5). Ties go to the lower class."""
    return np.argsort(-logits, axis=1, kind="stable")[:, :5]


def require_finite(logits, what):
    """Raises InputError, which begins with the words `what`, where a logit is NaN or an infinity."""
    if not np.isfinite(logits).all():
        raise InputError(f"{what}: expected finite logits, got NaN or infinity from the network")


def hits(logits, labels):
    """(top-1, top-5) counts; logits (B, K), labels (B,)."""
    match = best_classes(logits) == labels[:, None]
    return int(match[:, 0].sum()), int(match.any(axis=1).sum())


def padded(images, size):
    """images (b, ...) filled up to `size` rows with copies of the last: one shape, one compiled graph."""
    missing = size - len(images)
    return np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images


def class_counts(logits, labels, classes):
    """(right, images) of each class, (2, classes); logits (B, K), labels (B,)."""
    right = labels[best_classes(logits)[:, 0] == labels]
    return np.stack([np.bincount(each, minlength=classes) for each in (right, labels)])


def evaluate(predict, dataset, batch_size, workers, stop=(), classes=0):
    """Score of `predict` (images -> logits, arrays) over dataset.epoch(0), summed over the workers.

    batch_size: of the batches that dataset.epoch gives; the last one is filled up, and where a worker's images are fewer
    in all, to their number.
    predict: has `ready`; when it is not ready yet (not compiled), the first batch is computed once more for that,
    outside of the time that is measured.
    classes: their number, for the counts of each class; 0 for none.
    stop: as soon as there is something in it, this worker leaves off; None is returned then, to all workers.

    Raises:
        ValueError: the workers did not see every image exactly once.
        InputError: no image can be read any more.
    """
    start = time.perf_counter()
    counts, of_classes = np.zeros(3, int), np.zeros((2, classes), int)
    rows = min(batch_size, -(-dataset.size // workers.size))
    for images, labels in dataset.epoch(0):
        if stop:
            break
        batch = padded(images, rows)
        if not predict.ready:
            begin = time.perf_counter()
            predict(batch)
            start += time.perf_counter() - begin
        logits = predict(batch)[: len(labels)]
        require_finite(logits, "evaluation")
        counts += (len(labels), *hits(logits, labels))
        if classes:
            of_classes += class_counts(logits, labels, classes)
    late = len(dataset.skipped_late)  # each worker reads a part of the images and finds the bad ones in it
    sums = workers.sum([*counts, late, bool(stop), *of_classes.T.flat])
    total, correct, correct5, all_late, stops, *flat = (round(v) for v in sums)
    if stops:
        return None
    expected = dataset.size + late - all_late
    if total != expected:
        raise ValueError(f"evaluation: expected {expected} images, got {total}")
    if not total:
        raise InputError("evaluation: expected images that can be read, got none")
    per_class = tuple(zip(flat[::2], flat[1::2]))
    return Score(total, correct, correct5, max(time.perf_counter() - start, 1e-9), per_class)
