"""The input pipelines of src/data in Pillow and NumPy, as a good user of both would write them.

Training: random resized crop, flip, normalise, channels first; evaluation: shorter side to 256/224 of the size, centre
crop. Bicubic with antialiasing. Pillow resizes a box without a copy of the crop, or of what is cut off afterwards;
NumPy normalises in place. Threads take images: both libraries free the interpreter while they work.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

SCALE, RATIO, FLIP = (0.08, 1.0), (3 / 4, 4 / 3), 0.5
AHEAD = 1  # batches, besides the one that is waited for


class PillowLoader:
    """Batches of <path>/<split>/<class>/<image>: float32 (B, 3, size, size) and labels (B,)."""

    def __init__(self, path, split, size, batch_size, mean, std, threads):
        folders = sorted(folder for folder in (Path(path) / split).iterdir())
        self.files = [
            (str(f), label) for label, folder in enumerate(folders) for f in sorted(folder.iterdir())
        ]
        self.training, self.size, self.batch_size, self.threads = split == "train", size, batch_size, threads
        self.factor = (1 / (255 * np.float32(std)))[:, None, None]
        self.shift = (-np.float32(mean) / np.float32(std))[:, None, None]

    def epoch(self, seed):
        """Yield all batches; in training shuffled, and without a last one that is not full."""
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(self.files)) if self.training else np.arange(len(self.files))
        end = len(order) // self.batch_size * self.batch_size if self.training else len(order)
        with ThreadPoolExecutor(self.threads) as pool:
            ahead = []
            for start in range(0, end, self.batch_size):
                numbers = order[start : min(start + self.batch_size, end)]
                batch = np.empty((len(numbers), 3, self.size, self.size), np.float32)
                seeds = generator.integers(2**63, size=len(numbers))
                work = [pool.submit(self.load, *job) for job in zip(numbers, seeds, batch)]
                ahead.append((work, batch, np.array([self.files[n][1] for n in numbers])))
                if len(ahead) > AHEAD:
                    yield finished(*ahead.pop(0))
            yield from (finished(*each) for each in ahead)

    def load(self, number, seed, out):
        """One image into out (3, size, size)."""
        with Image.open(self.files[number][0]) as file:
            image = file if file.mode == "RGB" else file.convert("RGB")
            generator = np.random.default_rng(seed) if self.training else None
            box = random_box(*image.size, generator) if self.training else self.centre_box(*image.size)
            image = image.resize((self.size, self.size), Image.Resampling.BICUBIC, box)
        pixels = np.asarray(image)
        if self.training and generator.random() < FLIP:
            pixels = pixels[:, ::-1]
        out[:] = pixels.transpose(2, 0, 1)
        out *= self.factor
        out += self.shift

    def centre_box(self, width, height):
        """Box of the image in the centre crop of the resized one: (left, top, right, bottom)."""
        shorter = round(self.size * 256 / 224)
        box = []
        for side in (width, height):
            resized = shorter * side // min(width, height)
            offset = (resized - self.size) // 2
            box.append((offset * side / resized, (offset + self.size) * side / resized))
        return box[0][0], box[1][0], box[0][1], box[1][1]


def finished(work, batch, labels):
    """A batch once all its images are loaded."""
    for each in work:
        each.result()
    return batch, labels


def random_box(width, height, generator):
    """(left, top, right, bottom) of a random resized crop."""
    for _ in range(10):
        area = width * height * generator.uniform(*SCALE)
        ratio = math.exp(generator.uniform(*map(math.log, RATIO)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = generator.integers(width - w + 1), generator.integers(height - h + 1)
            return left, top, left + w, top + h
    w, h = min(width, round(height * RATIO[1])), min(height, round(width / RATIO[0]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h
