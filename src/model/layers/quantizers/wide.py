"""Quantizers of QuickNet and MeliusNet: sign without scale, with a straight-through estimator wider than [-1, 1]."""

from ..gradients import ste_meliusnet, ste_quicknet
from .base import SignSTE


class QuickNetQuantizer(SignSTE):
    """QuickNet (Bannink et al., arXiv 2011.09398).

    Forward: x_b = sign(x), w_b = sign(w), no scale.
    Gradient: dx = dx_b where |x| <= 1.25, else 0; dw = dw_b where |w| <= 1.25, else 0.
    """

    activation_ste = "ste_quicknet"

    @staticmethod
    def weight_ste(c, d):
        return ste_quicknet(c, d)


class MeliusNetQuantizer(SignSTE):
    """MeliusNet (Bethge et al., arXiv 2001.05936).

    Forward: x_b = sign(x), w_b = sign(w), no scale.
    Gradient: dx = dx_b where |x| <= 1.3, else 0; dw = dw_b where |w| <= 1.3, else 0.
    """

    activation_ste = "ste_meliusnet"

    @staticmethod
    def weight_ste(c, d):
        return ste_meliusnet(c, d)
