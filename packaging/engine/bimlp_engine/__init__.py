"""The 1-bit engine: networks from packed files on a CPU, without a framework.

with Engine.load("model.packed") as engine:
    logits = engine.logits(read_picture("cat.jpg", engine.description)[None])
"""

from .common.errors import InputError
from .data.images import load_centred
from .data.transform import Transform
from .engine import Engine, instruction_sets

__all__ = ["Engine", "InputError", "instruction_sets", "read_picture"]


def read_picture(path, description):
    """The middle of a picture as the network was evaluated on: uint8 (S, S, 3).

    Args:
        path: a file that Pillow reads.
        description: Engine.description.

    Raises:
        InputError: the file is missing, cut off, no picture, or too large.
    """
    return load_centred(
        path, Transform(*(description[key] for key in ("image_size", "resize", "mean", "std")))
    )
