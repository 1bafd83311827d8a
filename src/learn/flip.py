"""Flip ratio: the share of binary weights whose sign changed."""

import numpy as np


def signs(weights):
    """The signs of real weights, as one array of bools: True for +1 (w > 0), by sign(0) = -1."""
    if not weights:
        return np.zeros(0, bool)
    return np.concatenate([w.asnumpy().reshape(-1) > 0 for w in weights])


def flip_ratio(before, after):
    """Share of differing signs of two arrays from `signs`, in [0, 1]; 0 where there are none."""
    return float(np.mean(before != after)) if before.size else 0.0
