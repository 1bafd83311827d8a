"""AdaBin: two values of each filter and of each layer's activations that need not be opposite."""

import numpy as np
from mindspore import Parameter, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import initializer

from ..binarize import ActivationQuantizer, WeightQuantizer
from .base import SignSTE
from .irnet import STEEPNESS
from .moving import SteSign, state, tanh_ste

EPS = 1e-12  # of a filter's variance: a filter of equal numbers has the gradient 0


class AdaBinActivation(ActivationQuantizer):
    """Activation quantizer of AdaBin with alpha and beta of the layer, 1 and 0 at first."""

    def __init__(self, config):
        super().__init__()
        self.alpha, self.beta = (Parameter(initializer(value, (1,))) for value in ("ones", "zeros"))
        self.function = config.backend.affine_sign(config.quantization.gradient)

    def construct(self, x):
        return self.function(x, self.alpha, self.beta)

    def lower(self, graph, x):
        signs, alpha, beta = self.lower_signs(graph, x)
        return graph.affine(signs, factor=alpha, offset=alpha * beta)

    def lower_signs(self, graph, x):
        """(symbol of signs s, alpha, beta) with x_b = alpha (s + beta).

        z > 0 is x > beta where alpha > 0, else x < beta, which is not x > the number below beta: s is the opposite sign then,
        and so are the returned alpha and beta.
        """
        alpha, beta = self.alpha.asnumpy(), self.beta.asnumpy()
        below = np.nextafter(beta, np.float32(-np.inf))
        signs = graph.add("binarize", x, levels=(-1, 1), threshold=beta if alpha[0] > 0 else below)
        return (signs, alpha, beta) if alpha[0] > 0 else (signs, -alpha, -beta)


class AdaBinWeight(WeightQuantizer):
    """Weight quantizer of AdaBin: w -> alpha_o sign(c) + beta_o, the values themselves, so that there is no scale behind the sum.

    t: steepness of the gradient, which moves with the epochs.
    """

    def __init__(self):
        super().__init__()
        self.sign, self.t = SteSign(tanh_ste), state(STEEPNESS(0, 1))

    def moments(self, w):
        """Filters as rows without their mean (O, n), population deviation (O, 1), mean (O, 1)."""
        rows = w.reshape(w.shape[0], -1)
        mean = ops.mean(rows, 1, True)
        centred = rows - mean
        return centred, ops.sqrt(ops.mean(centred * centred, 1, True) + EPS), mean

    def construct(self, w):
        centred, deviation, mean = self.moments(w)
        return (deviation * self.sign(centred / deviation, self.t) + mean).reshape(w.shape)

    def scale(self, w):
        return ops.ones((w.shape[0],), mstype.float32)

    def epoch_state(self, epoch, epochs, w):
        return [(self.t, STEEPNESS(epoch, epochs))]

    def lower_conv(self, graph, x, layer):
        """Symbol of a BinaryConv2d: with x_b = a (s + b) and w_b = a_o s_o + b_o, of which a padded tap has s = -b,

        y_o = a a_o (conv(s, s_o) + b sum s_o) + a b_o (conv(s, 1) + b n), n the numbers of a filter.
        The sum over the window, conv(s, 1), is one filter for all outputs of a group.
        """
        signs, alpha, beta = layer.rsign.lower_signs(graph, x)
        centred, deviation, mean = (v.asnumpy() for v in self.moments(layer.weight))
        positive, groups, n = centred > 0, layer.groups, centred.shape[1]
        shape = layer.weight.shape
        factor, total = alpha * deviation[:, 0], np.where(positive, 1.0, -1.0).sum(1)
        offset = beta * (factor * total + alpha * mean[:, 0] * n)
        pad_value = float(layer.pad_value / alpha[0] - beta[0])
        y = layer.lower_sums(graph, signs, positive.reshape(shape), pad_value)
        window = layer.lower_sums(graph, signs, np.ones((groups, *shape[1:]), bool), pad_value, bias=False)
        shares = (alpha * mean).reshape(-1, 1, 1, 1)
        notes = {"bias": False, "counted": False}  # a product for each output, as the scale is
        window = graph.add(
            "conv2d", window, weight=shares, stride=1, padding=(0,) * 4, groups=groups, notes=notes
        )
        y = graph.affine(y, factor, offset) + window
        bias = layer.bias_values()
        return y if bias is None else graph.affine(y, offset=bias)


class AdaBin(SignSTE):
    """AdaBin (Tu et al., arXiv 2208.08084), with the activation function of two slopes.

    Forward: z = (x - beta) / alpha, x_b = alpha (sign(z) + beta) with alpha and beta learned for each layer, as in the
    authors' code (the paper: alpha sign(z) + beta); c = (w - beta_o) / alpha_o, w_b = alpha_o sign(c) + beta_o, beta_o the
    mean and alpha_o the population deviation of filter o. sign(0) is -1 here and 0 in the authors' code.
    Gradient: through z and c, alpha and beta of both; of the signs dz = ds max(2 - 2 |z|, 0), the polynomial of Bi-Real Net
    (arXiv 1808.00278), and dc = ds k t (1 - tanh^2(t c)), k = max(1 / t, 1), as in IR-Net and with its t of epoch e.
    """

    activation_function = "two_slope"
    activation_ste = "approx_sign"

    @classmethod
    def activation(cls, channels, config):
        return AdaBinActivation(config)

    @classmethod
    def weight(cls, shape, config):
        return AdaBinWeight()
