"""Cases of the engine's benchmark: networks, their weights, and the tolerance between contenders."""

import math
from dataclasses import dataclass

import numpy as np

IMAGES = 8  # that are verified; the batch sizes divide it
CLASSES = 1000
FACTORS = ("gamma", "alpha", "positive")  # ends of names: gains of norms, AdaBin's scales, slopes above 0
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BITS, SINGLE = "bits", "f32"
# Largest difference from the reference's logits, in their standard deviation.
BINARY_LIMIT = (
    2e-2  # of the binary network: signs within rounding of their step fall otherwise, and many layers follow
)
LIMITS = {SINGLE: 1e-3, "bf16": 0.5, "f16": 0.5}  # of the others, by precision; unrelated logits differ by 4
# Of the norms behind binary layers, beside their shortcuts. With gains near 1 a network of random weights is chaotic: one
# sign that rounding turns changes all logits, so that nothing could be verified. It changes no time. Where a norm is before the
# sign instead, its shift keeps all values away from the step: clear_point.
GAIN = 0.03


@dataclass(frozen=True)
class Suite:
    """Networks of one run. ours: the binary one; baseline: it in fp32; others: key in the summary -> what would be
    taken instead, a network of MindCV."""

    ours: str
    baseline: str
    others: dict
    image_size: int
    batches: tuple
    threads: tuple

    def networks(self):
        """The networks' names, the binary one first."""
        return (self.ours, self.baseline, *self.others.values())


# The others reach 71.9 % and 69.8 % top-1 on ImageNet.
FULL = Suite(
    "bimlp_s", "wave_mlp_t", {"mobilenet_v2": "mobilenet_v2_100", "resnet18": "resnet18"}, 224, (1, 8), (1, 2)
)
# MobileNetV2's last maps would have one pixel: with random weights rounding decides its logits
QUICK = Suite("bimlp_t", "wave_mlp_nano", {"resnet18": "resnet18"}, 32, (1,), (1,))


def random_values(name, shape, generator):
    """Numbers for a parameter that keep activations near 1; FACTORS are 1 and more."""
    scale = 0.2 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:]))
    values = generator.normal(0, scale, shape)
    if name.endswith(FACTORS):
        values = 1 + np.abs(values)
    return values.astype(np.float32)


def clear_point(rows):
    """The point (C,) in the middle of the widest gap among the middle fifth of each row's numbers (C, N).

    Where these are all equal, the point lies one deviation of all rows below the row's least.
    """
    rows, count = np.sort(rows, 1), rows.shape[1]
    middle = rows[:, int(0.4 * count) : int(0.6 * count) + 2]
    gaps = np.diff(middle, axis=1)
    widest = gaps.argmax(1)[:, None]
    points = np.concatenate([np.take_along_axis(middle, widest + i, 1) for i in (0, 1)], 1).mean(1)
    return np.where(gaps.max(1) > 0, points, rows[:, 0] - rows.std())
