"""The evaluation transform: from a picture to the numbers that the network sees. Pillow and NumPy alone."""

import dataclasses

import numpy as np
from PIL import Image

# Shorter side before the centre crop, over image_size: photographs lose a border, small images nothing.
EVALUATION_SCALE = {"digits": 1, "cifar10": 1, "imagenet": 256 / 224}


@dataclasses.dataclass(frozen=True)
class Transform:
    """Resizing of the shorter side to `resize` pixels, the middle `image_size` x `image_size`, then
    (pixel / 255 - mean) / std per channel. Settings or a packed file give the parameters; see `transform_of`."""

    image_size: int
    resize: int
    mean: tuple
    std: tuple

    def centre(self, picture):
        """The middle of a Pillow image in mode RGB: uint8 (S, S, 3)."""
        return centre(picture, self.image_size, self.resize)

    def __call__(self, pixels):
        """uint8 (H, W, 3) -> float32 (3, S, S)."""
        return Normalize(self)(self.centre(Image.fromarray(pixels)).transpose(2, 0, 1))


def transform_of(data):
    """The Transform of the settings under `data`."""
    return Transform(data.image_size, shorter_side(data), tuple(data.mean), tuple(data.std))


def shorter_side(data):
    """Pixels to which evaluation resizes a picture's shorter side. data: the settings under `data`."""
    return round(data.image_size * EVALUATION_SCALE[data.source])


def crops_resized(data):
    """True where training takes random resized crops of uncropped pictures; else it starts from Transform.centre."""
    return tuple(data.crop_scale) != (1.0, 1.0)


def centre(picture, size, shorter):
    """Resize the shorter side to `shorter`, then cut the middle S x S out; bicubic, with antialiasing.

    The pixels are those of MindSpore's Resize (PILCUBIC) and CenterCrop: columns before rows, which not every
    version of Pillow does by itself, and the longer side counted in single precision. Rows and columns
    that are cut off are not computed where that leaves the others as they are.

    Args:
        picture: a Pillow image in mode RGB.
        size, shorter: pixels.

    Returns:
        uint8 (S, S, 3).
    """
    width, height = (_resized(side, min(picture.size), shorter) for side in picture.size)
    left, top = (width - size) // 2, (height - size) // 2
    wide = picture.resize((width, picture.height), Image.Resampling.BICUBIC)
    narrow = wide.crop((left, 0, left + size, picture.height))
    tall = narrow.resize((size, height), Image.Resampling.BICUBIC)
    return np.asarray(tall.crop((0, top, size, top + size)))


def _resized(side, shorter_side, target):
    """Pixels of a side when the shorter one gets `target`."""
    if side == shorter_side:
        return target
    return int(np.float32(side) / np.float32(shorter_side) * np.float32(target))


class Normalize:
    """(pixel / 255 - mean) / std per channel: uint8 (..., 3, H, W) -> float32.

    Args:
        colours: has `mean` and `std`, three numbers each: a Transform, or the settings under `data`.
    """

    def __init__(self, colours):
        mean, std = (np.array(values) * 255 for values in (colours.mean, colours.std))
        self._mean, self._std = (np.float32(values)[:, None, None] for values in (mean, std))

    def __call__(self, planes):
        result = np.empty(planes.shape, np.float32)
        np.subtract(planes, self._mean, out=result)
        result /= self._std
        return result
