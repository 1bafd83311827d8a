"""Quantizers without state: XNOR-Net, DoReFa-Net, Bi-Real Net, ReActNet, DSQ, BNN+, UAD-BNN, BiMLP (paper, section 2.1)."""

from mindspore import dtype as mstype
from mindspore import ops

from ..gradients import dsq, heaviside, ste, swish_sign
from .base import TINY, SignSTE, weight_scale


class XNORNet(SignSTE):
    """XNOR-Net (Rastegari et al., arXiv 1603.05279).

    Forward: x_b = sign(x); c = w - mean of w over the input channels; w_b = alpha_o sign(c),
    alpha_o = mean |clamp(c, -1, 1)| of filter o.
    Gradient: dx = dx_b where |x| <= 1, else 0; dw = alpha_o dw_b where |c| <= 1, else 0. No gradient passes through
    the centring, as in the authors' code, which centres the stored weights.

    Depth-wise filters have one input channel and stay as they are: centred, they would all be 0. There is no scale per
    position of the activations, as in the authors' code.
    """

    @staticmethod
    def normalize_weight(w):
        return w - ops.mean(w, 1, True) if w.shape[1] > 1 else w

    @staticmethod
    def scale(c):
        return weight_scale(ops.clamp(c, -1.0, 1.0))


class DoReFa(SignSTE):
    """DoReFa-Net with 1-bit weights and activations (Zhou et al., arXiv 1606.06160).

    Forward: x_b = 1 where x > 0.5, else 0; w_b = E sign(w), E = mean |w| of the layer.
    Gradient: dx = dx_b where 0 <= x <= 1, else 0; dw = dw_b everywhere.

    A sum over K inputs is an integer in [-K, K] of any parity.
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


class BiReal(SignSTE):
    """Bi-Real Net (Liu et al., arXiv 1808.00278).

    Forward: x_b = sign(x); w_b = alpha_o sign(w), alpha_o = mean |w_o| of filter o.
    Gradient: dx = dx_b max(2 - 2 |x|, 0); dw = dw_b where |w| <= 1, else 0, without the factor alpha_o.
    """

    activation_ste = "approx_sign"
    scale = staticmethod(weight_scale)

    @staticmethod
    def weight_ste(c, d):
        return ste(c, d) / ops.maximum(weight_scale(c), TINY).reshape(-1, 1, 1, 1)


class ReActNet(BiReal):
    """ReActNet (Liu et al., arXiv 2003.03488), with RSign and RPReLU.

    Forward: x_b = sign(x + b); w_b = alpha_o sign(w), alpha_o = mean |w_o| of filter o.
    Gradient: dx = dx_b max(2 - 2 |x + b|, 0), the polynomial of Bi-Real Net (arXiv 1808.00278); dw = dw_b where
    |w| <= 1, else 0, without the factor alpha_o.
    """

    rsign, activation_function = True, "rprelu"


class DSQ(SignSTE):
    """Differentiable soft quantization at 1 bit (Gong et al., arXiv 1908.05033).

    Forward: x_b = sign(x), w_b = sign(w), no scale.
    Gradient: dx = dx_b phi'(x), dw = dw_b phi'(w), phi(x) = tanh(k x) / tanh(k):
    phi'(x) = k (1 - tanh^2(k x)) / tanh(k) for |x| <= 1, else 0; k = 1.0986, where tanh(k) = 0.8.
    """

    fixed_ste = True
    activation_ste = "dsq"

    @staticmethod
    def weight_ste(c, d):
        return dsq(c, d)


class BNNPlus(SignSTE):
    """BNN+ (Darabi et al., arXiv 1812.11800).

    Forward: x_b = sign(x), w_b = sign(w), no scale.
    Gradient: dx = dx_b s'(x), dw = dw_b s'(w), s = SignSwish: s(x) = 2 sigma(b x) (1 + b x (1 - sigma(b x))) - 1, sigma
    the logistic function, b = 5; s'(x) = b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)).
    """

    fixed_ste = True
    activation_ste = "swish_sign"

    @staticmethod
    def weight_ste(c, d):
        return swish_sign(c, d)


class BiMLPQuantizer(SignSTE):
    """BiMLP (Xu et al., arXiv 2212.14158), with RSign and RPReLU.

    Forward: x_b = sign(x + b); w_b = alpha_o sign(w), alpha_o = mean |w_o| of filter o.
    Gradient: dx = dx_b where |x + b| <= 1, else 0; dw = alpha_o dw_b where |w| <= 1, else 0.
    """

    rsign, activation_function = True, "rprelu"
    scale = staticmethod(weight_scale)


class UAD(SignSTE):
    """UAD-BNN (Kim et al., "Improving Accuracy of Binary Neural Networks using Unbalanced Activation Distribution", CVPR 2021),
    with PReLU.

    Forward: x_b = sign(x - t), the same t for all layers; w_b = alpha_o sign(w), alpha_o = mean |w_o| of filter o.
    Gradient: dx = dx_b where |x - t| <= 1, else 0; dw = alpha_o dw_b where |w| <= 1, else 0.

    The authors find t by a sweep; here it is `activation_threshold` of the layers, 0.1 where none is given (ours). No code was
    published; scale and gradient of the weights are taken from XNOR-Net and BiMLP.
    """

    activation_function = "prelu"
    threshold = 0.1
    scale = staticmethod(weight_scale)
