"""Sign and the straight-through estimators of its derivative (paper, sections 2.1 and 3.1).

sign(x) = +1 where x > 0, else -1 (Eq. 1), everywhere in this project. So sign(0) = -1; larq has +1, PyTorch 0.
A straight-through estimator is a function (x, gradient of sign(x)) -> gradient of x. GRADIENTS is their table.
"""

import math

from mindspore import dtype as mstype
from mindspore import ops


def sign(x):
    """Sign by Eq. 1: +1 where x > 0, else -1. sign(0), sign(-0.0) and sign(nan) are -1."""
    return ops.cast(x > 0, mstype.float32) * 2 - 1


def heaviside(x):
    """Heaviside step at 0.5: 1 where x > 0.5, else 0. That is x clipped to [0, 1] and rounded."""
    return ops.cast(x > 0.5, mstype.float32)


def ste(x, dout, bound=1.0):
    """Straight-through estimator (arXiv 1602.02830): dx = dout where |x| <= bound, else 0."""
    return dout * ops.cast(ops.abs(x) <= bound, mstype.float32)


def ste_quicknet(x, dout):
    """Straight-through estimator of QuickNet (arXiv 2011.09398): dx = dout where |x| <= 1.25, else 0."""
    return ste(x, dout, 1.25)


def ste_meliusnet(x, dout):
    """Straight-through estimator of MeliusNet (arXiv 2001.05936): dx = dout where |x| <= 1.3, else 0."""
    return ste(x, dout, 1.3)


def approx_sign(x, dout):
    """Polynomial of Bi-Real Net (arXiv 1808.00278): dx = 2 max(1 - |x|, 0) dout."""
    return dout * (2 * ops.relu(1 - ops.abs(x)))


def clip_grad(x, dout):
    """Gradient clipping, Eq. 3 read literally: dx = dout clipped to [-1, 1], whatever x is."""
    return ops.clamp(dout, -1.0, 1.0)


def dorefa(x, dout):
    """Straight-through estimator of DoReFa-Net (arXiv 1606.06160): dx = dout where 0 <= x <= 1, else 0."""
    return dout * ops.cast(ops.logical_and(x >= 0, x <= 1), mstype.float32)


DSQ_ALPHA = 0.2  # 1 - tanh(k) at the ends of [-1, 1]: the initial value in DSQ's paper, constant here
DSQ_K = 0.5 * math.log(2 / DSQ_ALPHA - 1)


def dsq(x, dout):
    """DSQ (arXiv 1908.05033): dx = k (1 - tanh^2(k x)) / tanh(k) dout where |x| <= 1, else 0.

    The factor is the derivative of tanh(k x) / tanh(k).
    """
    t = ops.tanh(DSQ_K * x)
    return ste(x, dout) * (DSQ_K / (1 - DSQ_ALPHA) * (1 - t * t))


BNN_PLUS_BETA = 5.0


def swish_sign(x, dout):
    """SignSwish of BNN+ (arXiv 1812.11800): dx = b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)) dout, b = 5.

    The factor is negative for |x| > 0.48.
    """
    u = ops.clamp(BNN_PLUS_BETA * x, -80.0, 80.0)  # cosh stays finite
    return dout * (BNN_PLUS_BETA * (2 - u * ops.tanh(0.5 * u)) / (1 + ops.cosh(u)))


GRADIENTS = {
    "ste": ste,
    "ste_quicknet": ste_quicknet,
    "ste_meliusnet": ste_meliusnet,
    "approx_sign": approx_sign,
    "clip_grad": clip_grad,
    "dorefa": dorefa,
    "dsq": dsq,
    "swish_sign": swish_sign,
}
