"""Sampler: a random graph in the making, with the values of the images on which an engine will be compared.

A binarize of numbers near its threshold could differ between two right programs. Thresholds are therefore drawn from the
values: in the middle of a wide gap between neighbours, or, where values are exact (exact.py), at a value itself.
"""

import random

import numpy as np

from src.data.transform import Normalize
from src.graph.ir import GraphBuilder
from src.graph.ops import OPS
from tests.graph.exact import grid_of
from tests.graph.packed_files import COLOURS

IMAGES = 3  # two that two threads share, and one whose rows they share
CHANNELS = (
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    12,
    15,
    16,
    17,
    24,
    31,
    32,
    33,
    47,
    48,
    49,
    63,
    64,
    65,
    96,
    100,
    127,
    128,
    129,
)
MAX_NUMBERS = 1 << 14  # of a map
MAX_NODES = 80
HALF_GAP = 1e-4  # of a threshold to the next value, relative to the map's largest number
LARGE, SMALL = 16.0, 0.05  # numbers beyond which a map is normalised


def images_of(size, seed):
    """Random pixels of a seed, normalised: (IMAGES, 3, size, size)."""
    pixels = np.random.default_rng((seed, 1)).integers(0, 256, (IMAGES, 3, size, size), np.uint8)
    return Normalize(COLOURS)(pixels)


def most_channels(height, width):
    """Most channels of a map of this size."""
    return max(1, MAX_NUMBERS // (height * width))


def best_thresholds(rows, three_levels, tolerance):
    """Thresholds, one for each row of numbers: the middle of a wide gap between neighbours, of |numbers| for three levels.

    The gap is the widest of the middle three quarters; if it is below twice the tolerance, the widest of all; if that is
    too, the threshold is above all numbers, or below them.
    """
    ordered = np.sort(np.abs(rows) if three_levels else rows, axis=1).astype(np.float64)
    count, places = ordered.shape[1], np.arange(len(ordered))
    gaps, best = np.diff(ordered, axis=1), np.full(len(ordered), -1)
    for low, high in ((count // 8, count - count // 8 - 1), (0, count - 1)):
        if high > low:
            widest = low + np.argmax(gaps[:, low:high], axis=1)
            best = np.where((best < 0) & (gaps[places, widest] > 2 * tolerance), widest, best)
    middle = ordered[places, best] / 2 + ordered[places, (best + 1) % count] / 2
    below = (places % 2 == 0) & (not three_levels)
    outside = np.where(below, ordered[:, 0] - 1, ordered[:, -1] + 1)
    return np.where(best >= 0, middle, outside).astype(np.float32)


class Sampler:
    """Graph in the making. random: of choices; numbers: of arrays; values: arrays of the nodes so far, the image first.

    work: multiplications that further convolutions and pools may take. exact: whether all values shall be exact
    (exact.py): numbers are multiples of 1/4 or powers of two.
    """

    def __init__(self, seed):
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        size = self.random.choice(
            (1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 11, 12, 13, 14, 15, 16, 16, 17, 21, 28, 33, 40)
        )
        self.builder = GraphBuilder((3, size, size))
        self.values, self.grids = [images_of(size, seed)], [None]
        self.work, self.exact = int(10 ** self.random.uniform(4.3, 5.7)), self.coin(0.2)

    # --- the graph so far ---

    @property
    def last(self):
        """Value made last."""
        return len(self.values) - 1

    @property
    def full(self):
        """True where the graph has nodes enough."""
        return len(self.values) > MAX_NODES

    def shape(self, value):
        """Shape (C, H, W) of a value."""
        return self.builder.shapes[value]

    def largest(self, value):
        """Largest |number| of a value."""
        return float(np.abs(self.values[value]).max())

    def add(self, op, *inputs, **arguments):
        """Value of a new node."""
        value = self.builder.add(op, *inputs, **arguments)
        node = self.builder.nodes[-1]
        parts = node.attributes, node.tensors
        shapes = [self.shape(each) for each in inputs]
        self.grids.append(grid_of(op, [self.grids[each] for each in inputs], shapes, *parts))
        self.values.append(
            OPS[op].meaning(*(self.values[each] for each in inputs), **node.attributes, **node.tensors)
        )
        return value

    # --- choices ---

    def coin(self, share=0.5):
        """True in this share of all calls."""
        return self.random.random() < share

    def choose(self, options):
        """One of some options."""
        return self.random.choice(options)

    def any_value(self, fits=lambda shape: True):
        """A value whose shape fits: the last one often; None where there is none."""
        if fits(self.shape(self.last)) and self.coin(0.6):
            return self.last
        found = [value for value, shape in enumerate(self.builder.shapes) if fits(shape)]
        return self.choose(found) if found else None

    def channels(self, limit, fits=lambda channels: True):
        """A number of channels up to a limit that fits, 1 if nothing does."""
        found = [c for c in CHANNELS if c <= limit and fits(c)]
        return self.choose(found) if found else 1

    def width_of_map(self, value):
        """Most channels of a map of a value's height and width."""
        return most_channels(*self.shape(value)[1:])

    def spend(self, work):
        """True where so many multiplications are left, which are then taken."""
        if work > self.work:
            return False
        self.work -= work
        return True

    # --- tensors ---

    def vector(self, channels, low, high):
        """Numbers from `low` to `high`, one per channel or one for all."""
        numbers = self.numbers.uniform(low, high, 1 if self.coin(0.2) else channels)
        return np.round(4 * numbers) / 4 if self.exact or self.coin(0.1) else numbers

    def filters(self, shape):
        """Filters (O, C / groups, kh, kw) that keep the size of numbers."""
        numbers = self.numbers.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
        return np.round(4 * numbers) / 4 if self.exact else numbers

    def bits(self, shape):
        """Random bits (O, C / groups, kh, kw)."""
        return self.numbers.random(shape) < self.random.uniform(0.2, 0.8)

    def pad_value(self):
        """Number outside of the map of a binary convolution: a level or any other."""
        level, other = self.choose((-1, 0, 1)), self.numbers.uniform(-3, 3)
        other = np.round(4 * other) / 4 if self.exact else other
        return float(other) if self.numbers.random() < 0.3 else level

    def thresholds(self, value, three_levels):
        """Thresholds of a binarize of a value: one per channel, or one for all."""
        rows = self.values[value].swapaxes(0, 1).reshape(self.shape(value)[0], -1)
        rows = rows.reshape(1, -1) if self.coin(0.15) else rows
        if self.grids[value] is not None and self.coin(0.4):
            found = rows[np.arange(len(rows)), self.numbers.integers(rows.shape[1], size=len(rows))]
        else:
            found = best_thresholds(rows, three_levels, HALF_GAP * self.largest(value))
        if not three_levels:
            return found
        positive = self.numbers.random(len(found)) > 0.1  # below 0 numbers are above t or below -t everywhere
        return np.where(positive, np.abs(found), -np.abs(found))

    # --- single steps that patterns share ---

    def binarize(self, value, levels=None):
        """Value of a binarize of a value."""
        levels = levels or self.choose(((-1, 1), (-1, 1), (0, 1), (-1, 0, 1)))
        return self.add("binarize", value, levels=levels, threshold=self.thresholds(value, len(levels) == 3))

    def affine(self, value, low=-1.5, high=1.5):
        """Value of an affine with factors from `low` to `high`."""
        channels = self.shape(value)[0]
        factor, offset = self.vector(channels, low, high), self.vector(channels, -1, 1)
        return self.add("affine", value, factor=factor, offset=offset)

    def offset(self, value):
        """Value of an affine that adds alone."""
        return self.add("affine", value, factor=[1], offset=self.vector(self.shape(value)[0], -0.5, 0.5))

    def norm(self, value):
        """Value of an affine that gives each channel mean 0 and deviation 1, or nearly: it makes rounding errors little larger."""
        x = self.values[value].astype(np.float64)
        deviation = x.std((0, 2, 3))
        mean = np.clip(x.mean((0, 2, 3)), -2 * deviation, 2 * deviation)
        least = max(0.2 * self.largest(value), 0.05)
        maker = self.builder.nodes[value - 1] if value else None
        if (
            maker and maker.op == "binary_conv2d"
        ):  # the engine folds the number of its inputs into an offset, which is rounded
            least = max(least, maker.tensors["weight"][0].size / 50)
        factor = self.numbers.uniform(0.7, 1.3, len(mean)) / np.maximum(deviation, least)
        factor = 2 ** np.round(np.log2(factor)) if self.exact else factor
        offset = self.numbers.uniform(-0.3, 0.3, len(mean)) - mean * factor
        return self.add(
            "affine", value, factor=factor, offset=np.round(4 * offset) / 4 if self.exact else offset
        )

    def moderate(self, value):
        """The value, or its norm if its numbers are large or small."""
        return value if SMALL <= self.largest(value) <= LARGE else self.norm(value)

    def activation(self, value):
        """Value of a prelu, at times with two slopes."""
        channels = self.shape(value)[0]
        positive = self.vector(channels, 0.5, 1.5) if self.coin(0.2) else [1]
        negative = [0] if self.coin(0.2) else self.vector(channels, -0.5, 0.9)
        return self.add("prelu", value, positive=positive, negative=negative)
