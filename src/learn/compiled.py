"""Saying that something is being compiled: a first call takes seconds to minutes and would look like a hang."""

import gc
import time
from contextlib import nullcontext

from .graph_cache import graph_cache


class Compiled:
    """A function that compiles one Cell on its first call, and says so: "compiling <what> ..." and "compiled in 12.3 s",
    or "<what> ready in 1.2 s (compiled before)" where the graph was kept by an earlier process.

    Args:
        function: calls the Cell.
        what: words for it, as "the training step".
        speak: called with one text.
        identity: what decides the graph besides the shapes of the arguments (see `graph_cache`); None: it is not kept.

    Attributes:
        ready: whether the first call is over.
    """

    def __init__(self, function, what, speak, identity=None):
        self.function, self.what, self.speak, self.identity = function, what, speak, identity
        self.ready = False

    def __call__(self, *arguments):
        if self.ready:
            return self.function(*arguments)
        # A Cell that is freed while another is compiled takes that one's key of the arguments with it, and the second
        # call would compile again.
        gc.collect()
        start = time.perf_counter()
        with self._keeping(arguments) as found:
            if not found:
                self.speak(f"compiling {self.what} ...")
            result = self.function(*arguments)
        self.ready = True
        seconds = time.perf_counter() - start
        self.speak(
            f"{self.what} ready in {seconds:.1f} s (compiled before)"
            if found
            else f"compiled in {seconds:.1f} s"
        )
        return result

    def _keeping(self, arguments):
        if self.identity is None or graph_cache() is None:
            return nullcontext(False)
        shapes = [None if a is None else (list(a.shape), str(a.dtype)) for a in arguments]
        return graph_cache().keeping([self.what, self.identity, shapes])
