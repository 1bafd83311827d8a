"""Evaluation: every image once, whatever the batch and the workers; hits; classes; what stops it."""

import time

import numpy as np
import pytest

from src.common.errors import InputError
from src.learn.compiled import Compiled
from src.learn.evaluate import evaluate, hits, padded
from src.learn.parallel import Workers


class Rows:
    """A validation split of five images in batches of two; the label is the first pixel."""

    size = 5
    skipped_late = ()

    def epoch(self, index):
        images = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1)
        for start in (0, 2, 4):
            yield images[start : start + 2], np.arange(start, min(start + 2, 5), dtype=np.int32)


def silent(function):
    return Compiled(function, "nothing", lambda text: None)


def one_hot_of_pixel(x):
    return (x.reshape(-1, 1) == np.arange(7)).astype(np.float32)


def test_the_last_partial_batch_counts():
    score = evaluate(silent(one_hot_of_pixel), Rows(), 2, Workers())
    assert (score.total, score.correct, score.top1, score.top5) == (5, 5, 1.0, 1.0)


def test_each_class_is_counted():
    def wrong_at_three(x):
        return one_hot_of_pixel(np.where(x == 3, 1, x))

    score = evaluate(silent(wrong_at_three), Rows(), 2, Workers(), classes=7)
    assert score.per_class == ((1, 1), (1, 1), (1, 1), (0, 1), (1, 1), (0, 0), (0, 0)) and score.correct == 4


@pytest.mark.parametrize(
    "images, batch_size, workers, rows",
    [(5, 2, 1, 2), (5, 5, 1, 5), (5, 5000, 1, 5), (9, 5000, 2, 5), (9, 4, 2, 4), (5, 5000, 7, 1)],
)
def test_no_more_rows_are_computed_than_a_worker_has_images(images, batch_size, workers, rows):
    """And all batches have the same number of rows."""
    shapes, data = [], Numbers(-(-images // workers), images, batch_size)

    def predict(x):
        shapes.append(x.shape)
        return one_hot_of_pixel(x)

    others = images - data.own
    score = evaluate(silent(predict), data, batch_size, Others(0, workers, others))
    assert (score.total, score.correct) == (images, images)
    assert set(shapes) == {(rows, 1, 1, 1)} and len(shapes) == 1 + -(-data.own // batch_size)


class Numbers:
    """A validation split of so many images, `own` of them this worker's, in batches; the label is the first pixel."""

    skipped_late = ()

    def __init__(self, own, size, batch_size):
        self.own, self.size, self.batch_size = own, size, batch_size

    def epoch(self, index):
        for start in range(0, self.own, self.batch_size):
            labels = np.arange(start, min(start + self.batch_size, self.own), dtype=np.int32)
            yield labels.astype(np.float32).reshape(-1, 1, 1, 1), labels


class Others(Workers):
    """The first of several; the others add so many images, all of them right."""

    def __init__(self, rank, size, images):
        super().__init__(rank, size)
        object.__setattr__(self, "images", images)

    def sum(self, values):
        return [float(value) + (self.images if place < 3 else 0) for place, value in enumerate(values)]


def test_compiling_is_not_counted_as_evaluation():
    calls = []

    def slow_at_first(x):
        calls.append(x.shape)
        time.sleep(0.1 if len(calls) > 1 else 1)
        return one_hot_of_pixel(x)

    predict = silent(slow_at_first)
    score = evaluate(predict, Rows(), 2, Workers())
    assert (score.correct, len(calls)) == (5, 1 + 3) and 0.3 <= score.seconds < 0.9
    evaluate(predict, Rows(), 2, Workers())
    assert len(calls) == 4 + 3


def test_a_lost_image_is_an_error():
    rows = Rows()
    rows.size = 6
    with pytest.raises(ValueError, match="expected 6 images, got 5"):
        evaluate(silent(one_hot_of_pixel), rows, 2, Workers())


class TwoWorkers(Workers):
    """The first of two; `other` is what the second one adds: images, hits, hits among five, files found bad late, whether
    it stops."""

    def __init__(self, *other):
        super().__init__(0, 2)
        object.__setattr__(self, "other", other)

    def sum(self, values):
        return [float(mine + others) for mine, others in zip(values, self.other, strict=True)]


def test_files_that_another_worker_found_bad_are_not_missed():
    rows = Rows()
    rows.size, rows.skipped_late = 8, [("a.png", "cut off")]  # of 9, this worker's five without one of six
    score = evaluate(silent(one_hot_of_pixel), rows, 2, TwoWorkers(2, 1, 2, 1, 0))
    assert (score.total, score.correct, score.correct5) == (7, 6, 7)
    with pytest.raises(ValueError, match="expected 8 images, got 7"):
        evaluate(silent(one_hot_of_pixel), rows, 2, TwoWorkers(2, 1, 2, 0, 0))


def test_an_evaluation_is_left_off_when_one_worker_stops():
    stop, calls = [], []

    def predict(x):
        calls.append(x.shape)
        stop.append(15)
        return one_hot_of_pixel(x)

    assert evaluate(silent(one_hot_of_pixel), Rows(), 2, TwoWorkers(1, 1, 1, 0, 1)) is None
    assert evaluate(silent(predict), Rows(), 2, Workers(), stop) is None
    assert len(calls) == 2  # of the first batch, which was computed once more when it compiled


def test_no_readable_image_is_bad_input():
    rows = Rows()
    rows.size, rows.skipped_late, rows.epoch = 0, [("a.png", "cut off")] * 5, lambda index: iter(())
    with pytest.raises(InputError, match="images that can be read, got none"):
        evaluate(silent(one_hot_of_pixel), rows, 2, Workers())


def test_hits_count_top1_and_top5():
    scores = np.array([[9, 8, 7, 6, 5, 4], [4, 5, 6, 7, 8, 9]], np.float32)
    assert hits(scores, np.array([0, 1])) == (1, 2)
    assert hits(scores, np.array([5, 0])) == (0, 0)


def test_padding_repeats_the_last_image():
    images = np.arange(2, dtype=np.float32).reshape(2, 1)
    np.testing.assert_array_equal(padded(images, 4)[:, 0], [0, 1, 1, 1])
    assert padded(images, 2) is images
