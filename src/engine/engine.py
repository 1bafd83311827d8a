"""Engine: a packed file's network on this machine's CPU, without MindSpore."""

import ctypes
import json
import os
import weakref

import numpy as np

from ..common.errors import InputError
from .library import library


class Handle:
    """An engine in C, as ctypes takes it. It is freed with the last reference: a call that is under way holds one."""

    def __init__(self, address):
        self._as_parameter_ = address
        weakref.finalize(self, library().bimlp_close, address).atexit = False


class Engine:
    """A packed network. Binary weights and activations are bits, multiplied by XOR and popcount.

    with Engine.load("model.packed") as engine:
        logits = engine.logits(images)

    Any thread may call it. Calls of one engine wait for each other, those of different engines do not. A forked process
    can use the engine of its parent; to one that is started anew it cannot be sent (there are no copies): it loads the
    file itself.

    Attributes:
        description: dict; variant, instruction_set, threads, image_size, resize, classes, class_names, mean, std, ..
    """

    def __init__(self, handle):
        self._handle = handle
        self.description = json.loads(library().bimlp_describe(handle))

    @classmethod
    def load(cls, path, threads=1):
        """The engine of a packed file. BIMLP_INSTRUCTION_SET names an instruction set; else it is the processor's best.
        BIMLP_PLAN is "fused", the default, or "plain", one operation after the other.

        Raises:
            InputError: no such file, not a whole packed file, an instruction set that is not there, no C++ compiler.
        """
        address = ctypes.c_void_p()
        check(library().bimlp_open(os.fsencode(path), threads, ctypes.byref(address)))
        return cls(Handle(address.value))

    @property
    def handle(self):
        """The engine in C. Raises InputError where it is closed."""
        handle = self._handle
        if handle is None:
            raise InputError("engine: it is closed")
        return handle

    def logits(self, images):
        """Logits (B, K), float32.

        Args:
            images: pixels, uint8 (B, S, S, 3), or numbers, float32 (B, 3, S, S), (pixel / 255 - mean) / std.

        Raises:
            InputError: another type or shape; a number that is not finite; the engine is closed.
        """
        handle, images = self.handle, np.ascontiguousarray(images)
        self.require(images, ("uint8", "float32"))
        logits = np.empty((len(images), self.description["classes"]), np.float32)
        if images.dtype == np.uint8:
            call, kind = library().bimlp_run_pixels, ctypes.c_uint8
        else:
            call, kind = library().bimlp_run_numbers, ctypes.c_float
        check(call(handle, pointer(images, kind), len(images), pointer(logits, ctypes.c_float)))
        return logits

    def profile(self, images):
        """Seconds per kind of work for float32 images as in `logits`: dict. The engine must have one thread.

        Raises:
            InputError: as `logits`; several threads.
        """
        handle, images = self.handle, np.ascontiguousarray(images)
        self.require(images, ("float32",))
        kinds = library().bimlp_op_kinds().decode().split("\n")
        seconds = np.zeros(len(kinds))
        to = pointer(seconds, ctypes.c_double)
        check(library().bimlp_profile(handle, pointer(images, ctypes.c_float), len(images), to))
        return dict(zip(kinds, seconds.tolist()))

    def require(self, images, types):
        """Raise InputError unless the images have one of the types and its shape."""
        size = self.description["image_size"]
        shapes = {"uint8": (size, size, 3), "float32": (3, size, size)}
        if images.dtype.name not in types or images.shape[1:] != shapes[images.dtype.name]:
            wanted = " or ".join(f"{name} (B, {', '.join(map(str, shapes[name]))})" for name in types)
            raise InputError(f"images: expected {wanted}, got {images.dtype.name} {images.shape}")

    def close(self):
        """Wait for the calls under way in other threads and free the engine. A closed engine stays closed."""
        handle, self._handle = self._handle, None
        if handle is not None:
            library().bimlp_wait(handle)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __reduce__(self):
        raise InputError(
            "engine: it cannot be copied or sent to another process; open the file in each process"
        )


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
