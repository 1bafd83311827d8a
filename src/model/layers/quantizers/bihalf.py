"""Bi-half: as many weights of +1 as of -1 in each filter."""

import math

from mindspore import dtype as mstype
from mindspore import ops

from .base import SignSTE

GAIN = math.sqrt(2)  # of He's rule


class BiHalf(SignSTE):
    """Bi-half (Li et al., "Equal Bits: Enforcing Equally Distributed Binary Network Weights", arXiv 2112.03406).

    Forward: x_b = sign(x); in each filter of n weights the floor(n / 2) smallest become -1, the others +1, so
    c = w - the largest of the former; w_b = sqrt(2 / n) sign(c). Weights equal to that one are -1 as well.
    Gradient: dx = dx_b where |x| <= 1, else 0 (the authors' code: |x| < 1); dw = sqrt(2 / n) dw_b everywhere.
    """

    @staticmethod
    def normalize_weight(w):
        flat = w.reshape(w.shape[0], -1)
        if flat.shape[1] < 2:
            return ops.ones_like(w)
        last = flat.shape[1] // 2 - 1
        ordered, _ = ops.sort(flat, 1)
        return (flat - ordered[:, last : last + 1]).reshape(w.shape)

    @staticmethod
    def scale(c):
        inputs = c.size // c.shape[0]
        return ops.ones((c.shape[0],), mstype.float32) * (GAIN / math.sqrt(inputs))

    @staticmethod
    def weight_ste(c, d):
        return d
