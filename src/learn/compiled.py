"""Log of compilations: a first call takes seconds to minutes and would look like a hang."""

import gc
import time
from contextlib import nullcontext

from src.common.errors import InputError, first_line

from .graph_cache import graph_cache


class Compiled:
    """A function that compiles one Cell on its first call, and logs it: "compiling <what> ..." and "compiled in 12.3 s",
    or "<what> ready in 1.2 s (compiled before)" where the graph was kept by an earlier process.

    Args:
        function: calls the Cell.
        what: words for it, as "the training step".
        log: function of one text.
        identity: decides the graph, with the shapes of the arguments (see `graph_cache`); None: the graph is not kept.

    Attributes:
        ready: whether the first call is over.

    Raises InputError at the first call for what the framework cannot compile or compute, most often for a setting; its
    own exception is the cause.
    """

    def __init__(self, function, what, log, identity=None):
        self.function, self.what, self.log, self.identity = function, what, log, identity
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
                self.log(f"compiling {self.what} ...")
            result = self._first_call(arguments)
        self.ready = True
        seconds = time.perf_counter() - start
        self.log(
            f"{self.what} ready in {seconds:.1f} s (compiled before)"
            if found
            else f"compiled in {seconds:.1f} s"
        )
        return result

    def _first_call(self, arguments):
        try:
            return self.function(*arguments)
        except InputError:
            raise
        except (RuntimeError, TypeError, ValueError) as error:
            shapes = [tuple(a.shape) for a in arguments if a is not None and len(a.shape) == 4]
            batch = f" for images {shapes[0]}" if shapes else ""
            raise InputError(
                f"{self.what}: MindSpore cannot compute it{batch}: {first_line(error)} (data.image_size, the batch size "
                "or a setting of the model may be the reason; python -X dev shows all that MindSpore says)"
            ) from error

    def _keeping(self, arguments):
        if self.identity is None or graph_cache() is None:
            return nullcontext(False)
        shapes = [None if a is None else (list(a.shape), str(a.dtype)) for a in arguments]
        return graph_cache().keeping([self.what, self.identity, shapes])
