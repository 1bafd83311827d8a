"""A file against its network, on random images.

Two correct programs round differently, and a network may magnify that: the sign of an activation turns a difference,
however small, into one of 2 when the activation lies close enough to 0; cos and sin of a large phase lose digits.
Among millions of signs a few always turn, and give other logits although nothing is wrong. So a file that fails the
plain comparison gets a second one, cut into parts before its signs and phases: every part is given the network's values.
The logits must then agree, and at every cut the file's values with the network's.
"""

from dataclasses import dataclass

import numpy as np
from mindspore import Tensor

from src.common.errors import InputError, first_line
from src.graph.meanings import binarize

from .modes import eager

# Of logits; of values at cuts as well, there relative to the largest value when that is above 1.
TOLERANCE = 1e-4
FREE_SIZES = (1, 3)  # batches that a file of free batch size is run on
SEED = 1


@dataclass(frozen=True)
class Comparison:
    """Differences from the network, all of them the largest over the images.

    difference: of a logit, in parts or, when `in_parts` is False, end to end; end_to_end: of a logit, end to end.
    signs: at the cuts; turned: how many fall otherwise in the file; margin: of values at the cuts.
    """

    difference: float
    end_to_end: float
    in_parts: bool = False
    signs: int = 0
    turned: int = 0
    margin: float = 0.0

    @property
    def agrees(self):
        """True where the file computes what the network computes; False for NaN."""
        return self.difference <= TOLERANCE and self.margin <= TOLERANCE

    def __str__(self):
        if not self.in_parts:
            return f"{self.difference:.2g}"
        turned = f"{self.turned} of {self.signs} signs fall otherwise; " if self.signs else ""
        return (
            f"{self.difference:.2g} in parts, cut before signs and phases ({turned}at the cuts up to {self.margin:.2g}); "
            f"{self.end_to_end:.2g} end to end"
        )


def random_batches(batch_size, image_size):
    """Arrays (B, 3, H, W), uniform on [-1, 1) from a fixed seed; for a free batch size one of each FREE_SIZES.

    The range is that of normalised images: on others a trained network is far from what its norms expect.
    """
    random = np.random.default_rng(SEED)
    sizes = FREE_SIZES if batch_size is None else (batch_size,)
    return [random.random((size, 3, image_size, image_size), np.float32) * 2 - 1 for size in sizes]


def outputs_of(network, batches):
    """The network's logits, computed eagerly. Raises InputError for images that it cannot take."""
    with eager():
        try:
            return [network(Tensor(images)).asnumpy() for images in batches]
        except (RuntimeError, TypeError, ValueError) as error:
            size = batches[0].shape[-1]
            raise InputError(
                f"data.image_size: {type(network).__name__} cannot compute images of {size} x {size} here: "
                f"{first_line(error)}"
            ) from error


def compare(run, batches, expected):
    """The Comparison of run(images) with the expected logits."""
    difference = max(largest(run(images) - logits) for images, logits in zip(batches, expected))
    return Comparison(difference, difference)


def compare_in_parts(run, reference, cuts, batches, expected, end_to_end):
    """The Comparison of the parts of a file.

    Args:
        run: (images, values) -> (logits, the file's own values), as from `load_onnx_in_parts`.
        reference: images -> (logits, values), the network's at the cuts.
        cuts: the Cuts, in the order of the values.
        end_to_end: the largest difference of a logit, end to end.
    """
    difference, signs, turned, margin = 0.0, 0, 0, 0.0
    for images, logits in zip(batches, expected):
        reference_logits, values = reference(images)
        part_logits, own_values = run(images, values)
        difference = max(difference, largest(reference_logits - logits), largest(part_logits - logits))
        for cut, value, own in zip(cuts, values, own_values):
            for binarization in cut.binarizations:
                wrong = binarize(own, **binarization) != binarize(value, **binarization)
                signs, turned = signs + wrong.size, turned + int(wrong.sum())
            finite = np.isfinite(value).all() and np.isfinite(own).all()
            margin = max(margin, largest(own - value) / max(1.0, largest(value)) if finite else float("inf"))
    return Comparison(difference, end_to_end, True, signs, turned, margin)


def largest(values):
    """The largest absolute value, 0 for none, infinity where there is a NaN."""
    peak = float(np.abs(values).max(initial=0.0))
    return peak if peak == peak else float("inf")
