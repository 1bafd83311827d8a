"""The binarization methods of section 2.1 and Table 7: one class each, one row of QUANTIZERS each.

What they have in common: x_b = sign(x) with the gradient where |x| <= 1, and weights w_b = alpha sign(w). alpha stays
outside of the integer sum: y = alpha_o (x_b * sign(w)_o), which is the same number.
"""

from mindspore import dtype as mstype
from mindspore import nn, ops

from .binarize import dsq, sign, ste, swish_sign, weight_scale

TINY = 1.0e-30  # instead of a scale of 0


class SignSTE:
    """sign and the straight-through estimator, "1-bit" in Table 7: w_b = sign(w), x_b = sign(x), no scale.

    dw = dw_b where |w| <= 1, else 0; dx = dx_b where |x| <= 1, else 0.

    What other methods replace:
        value: x -> x_b; gradient: name of the (x, dx_b) -> dx in GRADIENTS; fixed_ste: the method is nothing
        without it.
        normalize_weight: w -> c, whose sign is taken; weight_ste: (c, gradient of sign(c)) -> dw.
        scale: c -> alpha (O,), one number per output channel, a constant in the backward pass.
        rsign: x is shifted by RSign's learned b before it; rprelu: the method's activation function is RPReLU.
    """

    rsign = rprelu = fixed_ste = False
    binarize = staticmethod(sign)
    activation_ste = "ste"

    @staticmethod
    def normalize_weight(w):
        return w

    @staticmethod
    def scale(c):
        return ops.ones((c.shape[0],), mstype.float32)

    @staticmethod
    def weight_ste(c, d):
        return ste(c, d)


class XNORNet(SignSTE):
    """XNOR-Net: c = w - mean over the input channels; w_b = alpha_o sign(c), alpha_o = mean |clamp(c, -1, 1)| of
    filter o.

    dw = alpha_o dw_b where |c| <= 1, else 0: the centring is an update of w, not a part of the function. Depth-wise
    filters, which have one input channel and would all become 0, are not centred. Its scale per position, which its
    own code leaves out, is left out.
    """

    @staticmethod
    def normalize_weight(w):
        return w - ops.mean(w, 1, True) if w.shape[1] > 1 else w

    @staticmethod
    def scale(c):
        return weight_scale(ops.clamp(c, -1.0, 1.0))


def heaviside(x):
    """1 where x > 0.5, else 0: x clipped to [0, 1] and rounded."""
    return ops.cast(x > 0.5, mstype.float32)


class DoReFa(SignSTE):
    """DoReFa-Net (1/1): w_b = E sign(w), E = mean |w| of the whole layer; dw = dw_b everywhere.

    x_b = 1 where x > 0.5, else 0 (x clipped to [0, 1] and rounded); dx = dx_b where 0 <= x <= 1, else 0. A sum over K
    inputs is an integer in [-K, K] of any parity.
    """

    fixed_ste = True
    binarize = staticmethod(heaviside)
    activation_ste = "dorefa"

    @staticmethod
    def scale(c):
        return ops.stop_gradient(ops.mean(ops.abs(c)) * ops.ones((c.shape[0],), mstype.float32))

    @staticmethod
    def weight_ste(c, d):
        return d / ops.maximum(ops.mean(ops.abs(c)), TINY)


class ReActNet(SignSTE):
    """ReActNet: x_b = sign(x + b) (RSign), RPReLU; w_b = alpha_o sign(w), alpha_o = mean |w_o| of filter o.

    dx = dx_b max(2 - 2 |x + b|, 0) (Bi-Real); dw = dw_b where |w| <= 1, else 0, without the factor alpha.
    """

    rsign = rprelu = True
    activation_ste = "approx_sign"
    scale = staticmethod(weight_scale)

    @staticmethod
    def weight_ste(c, d):
        return ste(c, d) / ops.maximum(weight_scale(c), TINY).reshape(-1, 1, 1, 1)


class DSQ(SignSTE):
    """Differentiable soft quantization at 1 bit: forward sign; backward, for weights and activations, the
    derivative of s tanh(k x) on [-1, 1], with s tanh(k) = 1: s k (1 - tanh^2(k x)), 0 outside. k = 1.0986, where
    tanh(k) = 0.8."""

    fixed_ste = True
    activation_ste = "dsq"

    @staticmethod
    def weight_ste(c, d):
        return dsq(c, d)


class BNNPlus(SignSTE):
    """BNN+: forward sign; backward, for weights and activations, the derivative of SignSwish(x) = 2 s(b x) (1 + b x
    (1 - s(b x))) - 1, s the logistic function: b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)), b = 5."""

    fixed_ste = True
    activation_ste = "swish_sign"

    @staticmethod
    def weight_ste(c, d):
        return swish_sign(c, d)


class BiMLPQuantizer(SignSTE):
    """The paper's: x_b = sign(x + b) (RSign), RPReLU; w_b = alpha_o sign(w), alpha_o = mean |w_o| of filter o.

    dx = dx_b where |x + b| <= 1, else 0; dw = alpha_o dw_b where |w| <= 1, else 0.
    """

    rsign = rprelu = True
    scale = staticmethod(weight_scale)


QUANTIZERS = {
    "bimlp": BiMLPQuantizer,
    "sign": SignSTE,
    "xnor": XNORNet,
    "dorefa": DoReFa,
    "reactnet": ReActNet,
    "dsq": DSQ,
    "bnn_plus": BNNPlus,
}


CHOICES = ("auto", "ste", "approx_sign", "clip_grad")


def gradient_name(quantizer, name):
    """The name in GRADIENTS of the activations' gradient under a row of QUANTIZERS; "auto" is the method's own.

    Raises ValueError for a name that is not in CHOICES, or where the method is nothing without its own.
    """
    if name not in CHOICES:
        raise ValueError(f"activation_gradient: expected one of {', '.join(CHOICES)}, got {name!r}")
    method = QUANTIZERS[quantizer]
    if name == "auto":
        return method.activation_ste
    if method.fixed_ste:
        raise ValueError(
            f"activation_gradient: quantizer {quantizer} has its own, expected auto, got {name!r}"
        )
    return name


class BinarizeWeight(nn.Cell):
    """w -> sign(normalize_weight(w)), exactly -1 or +1; backward the quantizer's weight_ste."""

    def __init__(self, quantizer):
        super().__init__()
        self.normalize_weight, self.ste = quantizer.normalize_weight, quantizer.weight_ste

    def construct(self, w):
        return sign(self.normalize_weight(w))

    def bprop(self, w, out, dout):
        return (self.ste(self.normalize_weight(w), dout),)
