"""Saying that something is being compiled: a first call takes seconds to minutes and would look like a hang."""

import time


class Compiled:
    """A jitted function that says, on its first call, "compiling <what> ..." and "compiled in 12.3 s".

    Args:
        function: the jitted function.
        what: words for it, as "the training step".
        speak: called with one text.

    Attributes:
        ready: whether the first call is over.
    """

    def __init__(self, function, what, speak):
        self.function, self.what, self.speak = function, what, speak
        self.ready = False

    def __call__(self, *arguments):
        if self.ready:
            return self.function(*arguments)
        self.speak(f"compiling {self.what} ...")
        start = time.perf_counter()
        result = self.function(*arguments)
        self.ready = True
        self.speak(f"compiled in {time.perf_counter() - start:.1f} s")
        return result
