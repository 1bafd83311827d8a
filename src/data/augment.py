"""Augmentation of training images by MindSpore's operators, in the order of running.

Per image: uint8 (H, W, 3), or a file's bytes, -> uint8 (S, S, 3), S = data.image_size.
Per batch, normalised (transform.py) and erased (erasing.py): images float32 (B, 3, S, S) and labels (B, K) -> the same
shapes by Mixup and CutMix.
"""

from mindspore.dataset import transforms, vision

from src.common.errors import InputError
from src.data.rand_augment import MAX_MAGNITUDE, rand_augment
from src.data.transform import crops_resized

CROP_RATIO = (3 / 4, 4 / 3)  # of the random resized crop, width over height


def decode(content):
    """Pixels of a JPEG, PNG or PPM file's bytes as the pipeline decodes them. Raises ValueError."""
    try:
        return vision.Decode()(content)
    except RuntimeError as error:  # its text speaks of the pipeline, over many lines
        raise ValueError("cut off or damaged: MindSpore cannot decode it") from error


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
    if data.rand_augment > MAX_MAGNITUDE:
        raise InputError(
            f"data.rand_augment: expected a magnitude from 0 to {MAX_MAGNITUDE}, got {data.rand_augment}"
        )
    return rand_augment(data.rand_augment, tuple(round(255 * mean) for mean in data.mean))
