"""Augmentation of training images by MindSpore's operators, in the order of running.

Per image: uint8 (H, W, 3), or a file's bytes, -> uint8 (S, S, 3), S = data.image_size.
Per batch, normalised (transform.py): images float32 (B, 3, S, S) and labels (B, K) -> the same shapes by RandomErasing,
Mixup and CutMix.
"""

import numpy as np
from mindspore.dataset import transforms, vision

from src.common.errors import InputError
from src.data.rand_augment import LARGEST, rand_augment

CROP_RATIO = (3 / 4, 4 / 3)  # of the random resized crop, width over height
ERASE_AREA = (0.02, 1 / 3)  # share of the image that RandomErasing fills
ERASE_RATIO = (0.3, 1 / 0.3)  # of the erased rectangle, height over width
ERASE_ATTEMPTS = 10


def decode(content):
    """Pixels of a JPEG, PNG or PPM file's bytes as the pipeline decodes them. Raises ValueError."""
    try:
        return vision.Decode()(content)
    except RuntimeError as error:  # its text speaks of the pipeline, over many lines
        raise ValueError("cut off or damaged: MindSpore cannot decode it") from error


def crops_resized(data):
    """Whether training takes random resized crops of whole pictures; else it starts from what Transform.centre gives."""
    return tuple(data.crop_scale) != (1.0, 1.0)


def training(data, encoded):
    """Operators per training image.

    Args:
        data: the settings under `data`.
        encoded: whether the images are files' bytes; else they are pixels.
    """
    size, operators = data.image_size, []
    if crops_resized(data):
        crop = vision.RandomCropDecodeResize if encoded else vision.RandomResizedCrop
        operators = [crop(size, tuple(data.crop_scale), CROP_RATIO, vision.Inter.BICUBIC)]
    if data.crop_padding:
        operators.append(vision.RandomCrop(size, padding=data.crop_padding))
    if data.flip:
        operators.append(_random_flip(data.flip))
    if data.rand_augment:
        operators.append(_rand_augment(data))
    return operators


def mixing(data):
    """Operators per batch of images and labels: none, or Mixup, or CutMix, or a draw of one of the two."""
    operators = []
    if data.mixup:
        operators.append(vision.MixUpBatch(float(data.mixup)))
    if data.cutmix:
        operators.append(vision.CutMixBatch(vision.ImageBatchFormat.NCHW, float(data.cutmix), 1.0))
    return [transforms.RandomChoice(operators)] if len(operators) == 2 else operators


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
