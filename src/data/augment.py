"""The operators of the input pipeline: MindSpore's own, listed in the order in which they run.

Per image: uint8 (H, W, 3), or a file's bytes, -> float32 (3, S, S), S = data.image_size.
Per batch: float32 (B, 3, S, S) and labels (B, K) -> the same shapes.

Pixels are 0..255 up to Normalize, whose mean and std are given for [0, 1] and so multiplied by 255.
RandomErasing, Mixup and CutMix follow it.
"""

import numpy as np
from mindspore.dataset import transforms, vision

from src.data.rand_augment import LARGEST, rand_augment
from src.errors import InputError

# Shorter side before the centre crop, over image_size: photographs lose a border, small images nothing.
EVALUATION_SCALE = {"digits": 1, "cifar10": 1, "imagenet": 256 / 224}
CROP_RATIO = (3 / 4, 4 / 3)  # of the random resized crop, width over height
ERASE_AREA = (0.02, 1 / 3)  # share of the image that RandomErasing fills
ERASE_RATIO = (0.3, 1 / 0.3)  # of the erased rectangle, height over width
ERASE_ATTEMPTS = 10


def decode(content):
    """Pixels of a JPEG, PNG or PPM file's bytes as the pipeline decodes them. Raises RuntimeError."""
    return vision.Decode()(content)


def training(data, shape):
    """Operators per training image.

    Args:
        data: the settings under `data`.
        shape: (height, width) of the images, or None for files' bytes of any size.
    """
    size = data.image_size
    if tuple(data.crop_scale) != (1.0, 1.0):
        crop = vision.RandomCropDecodeResize if shape is None else vision.RandomResizedCrop
        operators = [crop(size, tuple(data.crop_scale), CROP_RATIO, vision.Inter.BICUBIC)]
    else:
        operators = _centre(data, shape)
    if data.crop_padding:
        operators.append(vision.RandomCrop(size, padding=data.crop_padding))
    if data.flip:
        operators.append(_random_flip(data.flip))
    if data.rand_augment:
        operators.append(_rand_augment(data))
    return operators + _normalize(data)


def evaluation(data, shape):
    """Operators per image of evaluation and prediction; arguments as for `training`."""
    return _centre(data, shape) + _normalize(data)


def mixing(data):
    """Operators per batch of images and labels: none, or Mixup, or CutMix, or a draw of one of the two."""
    operators = []
    if data.mixup:
        operators.append(vision.MixUpBatch(float(data.mixup)))
    if data.cutmix:
        operators.append(vision.CutMixBatch(vision.ImageBatchFormat.NCHW, float(data.cutmix), 1.0))
    return [transforms.RandomChoice(operators)] if len(operators) == 2 else operators


def _centre(data, shape):
    """Decode if need be, resize the shorter side, centre crop to (S, S). Bicubic, with Pillow's pixels."""
    size, shorter = data.image_size, round(data.image_size * EVALUATION_SCALE[data.source])
    if shape == (size, size) and shorter == size:
        return []
    decoding = [vision.Decode()] if shape is None else []
    return [*decoding, vision.Resize(shorter, vision.Inter.PILCUBIC), vision.CenterCrop(size)]


def _random_flip(probability):
    """Mirror left and right at random.

    Not RandomHorizontalFlip: each of MindSpore's operators starts the same generator from the same seed,
    so two that draw equally often per image are in step. RandomCrop and RandomHorizontalFlip are: every
    mirrored image would be one shifted down. A policy of one entry draws a different number of times.
    """
    return vision.RandomSelectSubpolicy([[(vision.HorizontalFlip(), float(probability))]])


def _rand_augment(data):
    """RandAugment, with uncovered corners in the mean colour."""
    if data.rand_augment > LARGEST:
        raise InputError(
            f"data.rand_augment: expected a magnitude from 0 to {LARGEST}, came {data.rand_augment}"
        )
    return rand_augment(data.rand_augment, tuple(round(255 * mean) for mean in data.mean))


def _normalize(data):
    """(pixel / 255 - mean) / std, and channels first."""
    mean, std = ([255.0 * value for value in values] for values in (data.mean, data.std))
    return [vision.Normalize(mean, std), vision.HWC2CHW()]


class RandomErasing:
    """Fill a random rectangle of some images with normal noise (Zhong et al. 2020, pixel-wise).

    MindSpore's operator of that name draws from Python's global generators, which the whole process
    shares; this one has its own. It takes whole batches, in order, in one thread.

    Args:
        probability: share of images with an erased rectangle.
        generator: numpy Generator, drawn from in order of the batches.
    """

    def __init__(self, probability, generator):
        self.probability = probability
        self.generator = generator

    def __call__(self, images):
        """Normalised images, float32 (B, 3, S, S) -> the same shape."""
        images = images.copy()
        chosen = self.generator.random(len(images)) < self.probability
        for index in np.flatnonzero(chosen):
            self._erase(images[index])
        return images

    def _erase(self, image):
        """Erase one rectangle of an image (C, H, W) in place; none if no drawn one fits."""
        channels, height, width = image.shape
        for _ in range(ERASE_ATTEMPTS):
            area = self.generator.uniform(*ERASE_AREA) * height * width
            ratio = np.exp(self.generator.uniform(*np.log(ERASE_RATIO)))
            h, w = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if h <= height and w <= width:
                top, left = self.generator.integers(height - h + 1), self.generator.integers(width - w + 1)
                noise = self.generator.standard_normal((channels, h, w), np.float32)
                image[:, top : top + h, left : left + w] = noise
                return
