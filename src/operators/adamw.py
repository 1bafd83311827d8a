"""Fused AdamW as a Cell."""

import ctypes
import time

from mindspore import nn

from .library import library_path
from .operator import operator

POLL_INTERVAL, MAX_SLEEP = 2.0e-4, 60.0  # seconds


class FusedAdamW(nn.Cell):
    """Fused AdamW step: (coefficients, decays, weights, moments1, moments2, gradients, loss (1,)) -> gradient norm (1,).

    Updates weights and moments in place if norm and loss are finite, else nothing; see native/adamw.cc.
    """

    def __init__(self, parameters):
        super().__init__()
        written = (False, False) + (True,) * (3 * parameters) + (False,) * (parameters + 1)
        self.run = operator("adamw", lambda *shapes: (1,), 1, written)
        self.updates = ctypes.CDLL(library_path()).adamw_updates
        self.updates.restype = ctypes.c_int64

    def construct(self, coefficients, decays, weights, moments1, moments2, gradients, loss):
        return self.run(coefficients, decays, *weights, *moments1, *moments2, *gradients, loss)

    def sleep_until(self, updates):
        """Sleep until the operator has run `updates` times in this process, at most MAX_SLEEP seconds.

        MindSpore waits for a result by spinning, on a core that the operators could use.
        """
        end = time.monotonic() + MAX_SLEEP
        while self.updates() < updates and time.monotonic() < end:
            time.sleep(POLL_INTERVAL)
