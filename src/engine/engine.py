"""Engine: a packed file's network on this machine's CPU, without MindSpore."""

import ctypes
import json
import os

import numpy as np

from src.errors import InputError

from .library import library


class Engine:
    """A packed BiMLP. Its weights and activations are bits, multiplied by XOR and popcount.

    with Engine.load("model.packed") as engine:
        logits = engine.logits(images)

    Attributes:
        description: dict; variant, instruction_set, threads, image_size, resize, classes, class_names, mean, std, ..
    """

    def __init__(self, handle):
        self.handle = handle
        self.description = json.loads(library().bimlp_describe(handle))

    @classmethod
    def load(cls, path, threads=1):
        """The engine of a packed file. BIMLP_INSTRUCTION_SET names an instruction set; else it is the processor's best.

        Raises:
            InputError: no such file, not a whole packed file, an instruction set that is not there, no C++ compiler.
        """
        handle = ctypes.c_void_p()
        check(library().bimlp_open(os.fsencode(path), threads, ctypes.byref(handle)))
        return cls(handle)

    def logits(self, images):
        """Logits (B, K), float32.

        Args:
            images: pixels, uint8 (B, S, S, 3), or numbers, float32 (B, 3, S, S), (pixel / 255 - mean) / std.

        Raises:
            InputError: another type or shape; a number that is not finite; the engine is closed.
        """
        if self.handle is None:
            raise InputError("engine: it is closed")
        images, size = np.ascontiguousarray(images), self.description["image_size"]
        shapes = {"uint8": (size, size, 3), "float32": (3, size, size)}
        if images.dtype.name not in shapes or images.shape[1:] != shapes.get(images.dtype.name):
            raise InputError(
                f"images: expected uint8 (B, {size}, {size}, 3) or float32 (B, 3, {size}, {size}), came "
                f"{images.dtype.name} {images.shape}"
            )
        logits = np.empty((len(images), self.description["classes"]), np.float32)
        if images.dtype == np.uint8:
            call, kind = library().bimlp_run_pixels, ctypes.c_uint8
        else:
            call, kind = library().bimlp_run_numbers, ctypes.c_float
        check(call(self.handle, pointer(images, kind), len(images), pointer(logits, ctypes.c_float)))
        return logits

    def profile(self, images):
        """Seconds per kind of work for float32 images as in `logits`: dict. The engine must have one thread."""
        kinds = library().bimlp_kinds_of_work().decode().split("\n")
        seconds, images = np.zeros(len(kinds)), np.ascontiguousarray(images, np.float32)
        to = pointer(seconds, ctypes.c_double)
        check(library().bimlp_profile(self.handle, pointer(images, ctypes.c_float), len(images), to))
        return dict(zip(kinds, seconds.tolist()))

    def close(self):
        """Free it. A closed engine stays closed."""
        if self.handle is not None:
            library().bimlp_close(self.handle)
            self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __del__(self):
        self.close()


def instruction_sets():
    """The names of those that this machine and its compiler have, the best first."""
    return library().bimlp_instruction_sets().decode().split()


def pointer(array, kind):
    """A C pointer to an array's numbers, which must outlive it."""
    return array.ctypes.data_as(ctypes.POINTER(kind))


def check(failed):
    """Raises InputError with the engine's last error where a call has failed."""
    if failed:
        raise InputError(library().bimlp_last_error().decode(errors="replace"))
