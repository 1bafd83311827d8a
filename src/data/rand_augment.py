"""RandAugment (Cubuk et al. 2020) with the magnitudes and probability of Wave-MLP's recipe.

Two operations, drawn for every image from fourteen with replacement, each applied with probability 1/2.
Of that recipe are left out: its normal noise on the magnitude, and SolarizeAdd, which MindSpore lacks.

MindSpore 2.10's own RandAugment is not used: its two translations take pixels for shares of the image and
move nearly every image out of the frame. The single operators are right, and composed here.
"""

import itertools
import math

from mindspore.dataset import vision

MAX_MAGNITUDE = 10  # of every operation
PROBABILITY = 0.5  # with which a drawn operation is applied
ENHANCEMENT = 0.9  # largest deviation of a factor from 1: brightness, colour, contrast, sharpness
ROTATION = 30.0  # degrees
SHEAR = 0.3  # pixels per pixel
TRANSLATION = 0.45  # share of the height or width
BITS = 4  # of 8, that the weakest posterisation keeps; the strongest keeps 1


def rand_augment(magnitude, fill):
    """One operator, uint8 (H, W, 3) -> the same.

    Args:
        magnitude: 1 to MAX_MAGNITUDE, of every operation.
        fill: (red, green, blue) of uncovered corners, 0..255.
    """
    operations = _operations(magnitude / MAX_MAGNITUDE, fill)
    pairs = itertools.product(operations, repeat=2)
    return vision.RandomSelectSubpolicy([[(operation, PROBABILITY) for operation in pair] for pair in pairs])


def _operations(level, fill):
    """The fourteen, twice each: the two directions of those that have any, else the same again.

    Args:
        level: magnitude as a share of the largest.
        fill: as for `rand_augment`.
    """
    degrees, shear = level * ROTATION, math.degrees(math.atan(level * SHEAR))
    plain = [
        vision.AutoContrast(),
        vision.Equalize(),
        vision.Invert(),
        vision.Posterize(max(1, BITS - int(level * BITS))),
        vision.Solarize((256 - max(1, int(level * 256)), 255)),
    ]
    directed = []
    for sign in (-1, 1):
        factor, shift = 1 + sign * level * ENHANCEMENT, sign * level * TRANSLATION
        directed += [
            vision.AdjustBrightness(factor),
            vision.AdjustSaturation(factor),
            vision.AdjustContrast(factor),
            vision.AdjustSharpness(factor),
            _affine(fill, degrees=sign * degrees),
            _affine(fill, shear=(sign * shear, 0.0)),
            _affine(fill, shear=(0.0, sign * shear)),
            _affine(fill, translate=(shift, 0.0)),
            _affine(fill, translate=(0.0, shift)),
        ]
    return plain * 2 + directed


def _affine(fill, degrees=0.0, translate=(0.0, 0.0), shear=(0.0, 0.0)):
    """Turn, shift (shares of width and height) or shear (degrees) about the centre."""
    return vision.Affine(degrees, list(translate), 1.0, list(shear), vision.Inter.BILINEAR, fill)
