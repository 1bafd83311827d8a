"""Random erasing of normalised images, by NumPy."""

import numpy as np

ERASE_AREA = (0.02, 1 / 3)  # share of the image that RandomErasing fills
ERASE_RATIO = (0.3, 1 / 0.3)  # of the erased rectangle, height over width
ERASE_ATTEMPTS = 10


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
