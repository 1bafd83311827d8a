"""Network of an exported file by itself: images of any number, and the description that the file carries."""

import numpy as np

from src.common.errors import InputError

from .packed_file import Description, description_violations


class ExportedNetwork:
    """A network, as Engine (src/engine) is one.

    run: images (B, 3, S, S) -> logits (B, K), float32. batch: the number of images that it takes, or None for any.
    description: dict; variant, image_size, resize, classes, class_names, mean, std.
    """

    def __init__(self, run, description, batch):
        self.run, self.description, self.batch = run, description, batch

    def logits(self, images):
        """Logits (B, K) of images (B, 3, S, S), float32, (pixel / 255 - mean) / std. B: any, whatever the file's batch is.

        Raises:
            InputError: images of another size; the runtime cannot compute them.
        """
        expected = (3, *[self.description["image_size"]] * 2)
        if images.shape[1:] != expected:
            raise InputError(f"images: expected {expected} each, got {images.shape[1:]}")
        step = self.batch or len(images)
        parts = [self._part(images[start : start + step], step) for start in range(0, len(images), step)]
        return np.concatenate(parts)

    def _part(self, images, step):
        """Logits of images, filled up with zeros to `step`."""
        missing = ((0, step - len(images)), *[(0, 0)] * 3)
        return self.run(np.pad(images, missing))[: len(images)]


def description_of(path, entries):
    """The description, as of an Engine, of the entries of read_feeding. Raises InputError where they are not sound."""
    whole = [entries[key] for key in ("image_size", "resize", "classes")]
    colours, names = [entries[key] for key in ("mean", "std")], entries["class_names"]
    sound = (
        all(type(number) is int for number in whole)
        and all(isinstance(colour, list) and len(colour) == 3 for colour in colours)
        and all(type(number) in (int, float) for colour in colours for number in colour)
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and len(names) in (0, entries["classes"])
    )
    if not sound:
        raise InputError(
            f"{path}: expected whole sizes, three means and stds, and a name for each class or none"
        )
    size, resize, classes = whole
    broken = description_violations(Description("", size, resize, *map(tuple, colours)))
    if broken:
        raise InputError(f"{path}: expected {broken[0]}")
    return {
        "variant": entries["model"], "image_size": size, "resize": resize, "classes": classes,
        "class_names": names, "mean": tuple(colours[0]), "std": tuple(colours[1]),
    }  # fmt: skip
