"""Flip ratio: the share of binary weights whose sign changed."""

import numpy as np
from mindspore import Parameter, Tensor


def signs(weights):
    """The signs of real weights, as one array of bools: True for +1 (w > 0), by sign(0) = -1."""
    if not weights:
        return np.zeros(0, bool)
    return np.concatenate([w.asnumpy().reshape(-1) > 0 for w in weights])


def flip_ratio(before, after):
    """Share of differing signs of two arrays from `signs`, in [0, 1]; 0 where there are none."""
    return float(np.mean(before != after)) if before.size else 0.0


class FlipRatio:
    """The flip ratio of an epoch's binary weights; the run state holds its first signs, in `parameter`."""

    def __init__(self, weights):
        self.weights = weights
        self.parameter = Parameter(Tensor(self._packed()), name="run_signs", requires_grad=False)

    def _packed(self):
        """One bit each, and at least one byte."""
        return np.packbits(np.append(signs(self.weights), False))

    def begin(self):
        """Begin an epoch."""
        self.parameter.set_data(Tensor(self._packed()))

    def ratio(self):
        """The flip ratio since the epoch began."""
        now = signs(self.weights)
        before = np.unpackbits(self.parameter.asnumpy())[: now.size].astype(bool)
        return flip_ratio(before, now)
