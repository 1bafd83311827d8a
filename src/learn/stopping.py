"""Ctrl-C, SIGTERM and SIGHUP end a run after a whole step, or a batch of an evaluation, instead of at once."""

import signal
from contextlib import contextmanager


class Stopped(Exception):
    """A signal ended the run after a whole step; `code` is the exit code, 128 + the signal's number."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def signals_noted():
    """Within, SIGINT, SIGTERM and SIGHUP are noted in the yielded list instead of ending the process.

    A SIGHUP that the process was started to ignore, as by nohup, stays ignored.
    """
    noted, numbers = [], [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {n: signal.signal(n, lambda number, frame: noted.append(number)) for n in numbers}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
