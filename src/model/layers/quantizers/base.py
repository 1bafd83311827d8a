"""Base of the quantizers: the activation quantizer and the weight quantizer of a binary convolution.

A quantizer is a class and one row of QUANTIZERS. It makes two Cells for each binary convolution:
    activation(channels, config)  ActivationQuantizer, x -> x_b
    weight(shape, config)         WeightQuantizer, w -> the weights of the convolution, and their scale alpha (O,)
The convolution is y_o = alpha_o sum x_b w_b. Where no state is learned or moves with the epochs, the quantizer is a set of
functions, and the two Cells of ../binarize.py apply them.

Notation: dx_b, dw_b are the gradients of the quantized values, dx, dw those of x and w. Layers multiply the scale after
the integer sum, y = alpha_o sum x_b sign(c), which equals sum x_b w_b. The weights' ste therefore receives the gradient of
sign(c), alpha_o dw_b.
"""

from mindspore import dtype as mstype
from mindspore import ops

from ..binarize import BinarizeActivation, BinarizeWeight
from ..gradients import sign, ste

TINY = 1.0e-30  # smallest divisor: a filter of zeros has the scale 0


def weight_scale(w):
    """Scale alpha_o = mean |w_o| of each filter o, a constant in the backward pass: (O, ...) -> (O,)."""
    return ops.stop_gradient(ops.mean(ops.abs(w).reshape(w.shape[0], -1), 1))


class SignSTE:
    """Sign with the straight-through estimator (Courbariaux et al., arXiv 1602.02830), "1-bit" in Table 7.

    Forward: x_b = sign(x), w_b = sign(w), no scale.
    Gradient: dx = dx_b where |x| <= 1, else 0; dw = dw_b where |w| <= 1, else 0.

    The other quantizers override what differs:
        binarize: the activation quantizer, x -> x_b.
        activation_ste: the activations' ste, a key of GRADIENTS.
        fixed_ste: whether model.activation_gradient may not replace activation_ste.
        normalize_weight: w -> c, the real number whose sign is taken.
        weight_ste: (c, gradient of sign(c)) -> dw.
        scale: c -> alpha (O,).
        threshold: t of sign(x - t).
        rsign: whether RSign adds a learned b to x first.
        activation_function: key of ACTIVATIONS that the method includes, or None.
    or, for states and learned numbers, `activation` and `weight`.
    """

    rsign = fixed_ste = False
    threshold = 0.0
    activation_function = None
    binarize = staticmethod(sign)
    activation_ste = "ste"

    @classmethod
    def activation(cls, channels, config):
        """ActivationQuantizer of a convolution with so many input channels; config: LayerConfig."""
        return BinarizeActivation(channels, config)

    @classmethod
    def weight(cls, shape, config):
        """WeightQuantizer of weights of a shape (O, C / groups, kh, kw); config: LayerConfig."""
        return BinarizeWeight(cls)

    @staticmethod
    def normalize_weight(w):
        return w

    @staticmethod
    def scale(c):
        return ops.ones((c.shape[0],), mstype.float32)

    @staticmethod
    def weight_ste(c, d):
        return ste(c, d)
