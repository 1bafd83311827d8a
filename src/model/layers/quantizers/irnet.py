"""IR-Net, and LCR-BNN, which has its quantizer."""

from functools import partial

from mindspore import ops

from ..binarize import WeightQuantizer
from .base import TINY, SignSTE
from .moving import MovingActivation, SteSign, log_schedule, standardized, state, tanh_ste

STEEPNESS = partial(log_schedule, 1e-3, 1e1)  # t of the published code


class IRNetWeight(WeightQuantizer):
    """Weight quantizer of IR-Net."""

    def __init__(self):
        super().__init__()
        self.sign, self.t = SteSign(tanh_ste), state(STEEPNESS(0, 1))

    def construct(self, w):
        return self.sign(standardized(w), self.t)

    def scale(self, w):
        c = standardized(w)
        mean = ops.maximum(ops.mean(ops.abs(c).reshape(c.shape[0], -1), 1), TINY)
        return ops.stop_gradient(ops.pow(2.0, ops.round(ops.log2(mean))))

    def epoch_state(self, epoch, epochs, w):
        return [(self.t, STEEPNESS(epoch, epochs))]


class IRNet(SignSTE):
    """IR-Net (Qin et al., arXiv 1909.10788).

    Forward: x_b = sign(x); c = (w - mean) / std of each filter, the unbiased deviation; w_b = 2^s sign(c),
    s = round(log2(mean |c|)), a constant in the backward pass.
    Gradient: that of the tanh, dx = dx_b k t (1 - tanh^2(t x)), and dw likewise through c, k = max(1 / t, 1). The
    standardisation is differentiated. In epoch e of E, t = 1e-3 (10 / 1e-3)^(e / E), as in the authors' code.
    """

    fixed_ste = True
    activation_ste = "tanh"

    @classmethod
    def activation(cls, channels, config):
        return MovingActivation(tanh_ste, STEEPNESS)

    @classmethod
    def weight(cls, shape, config):
        return IRNetWeight()


class LCR(IRNet):
    """LCR-BNN (Shang et al., arXiv 2207.06540): the quantizer of IR-Net. Its loss is `lcr` in learn/feature_loss.py."""
