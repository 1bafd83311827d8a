"""Fused full-precision layers, norm and activation functions as Cells without parameters."""

from mindspore import nn, ops

from .operator import convolved_shape, operator, settings, window


class FusedConv(nn.Cell):
    """Fused full-precision convolution with a window of any size: (x, weight, bias) -> (y, saved).

    The channels of x are in as many groups as they are times the second number of the weight's shape.
    """

    def __init__(self, weight_shape, stride, padding):
        super().__init__()

        def shapes(window, x, weight, bias):
            return convolved_shape(x, weight, stride, padding), weight

        geometry = {"weight_shape": weight_shape, "stride": stride, "padding": padding}
        self.run = operator("conv_forward", shapes, 2, **geometry)
        self.back_input = operator("conv_backward_input", lambda window, dy, x, saved: x, 1)
        self.back_weight = operator(
            "conv_backward_weight", lambda window, dy, x, saved: (saved, dy[:1]), 2, **geometry
        )
        self.window = window(weight_shape, stride, padding)

    def construct(self, x, weight, bias):
        return self.run(self.window, x, weight, bias)

    def bprop(self, x, weight, bias, out, dout):
        dx = self.back_input(self.window, dout[0], x, out[1])
        dweight, dbias = self.back_weight(self.window, dout[0], x, out[1])
        return dx, dweight, dbias


class FusedDense(nn.Cell):
    """Fused FC: (x (K, B, H, W), weight (O, ...), bias) -> (y (O, B, H, W), saved), y = W x + bias, W (O, K)."""

    def __init__(self):
        super().__init__()
        self.run = operator("dense_forward", lambda x, weight, bias: ((weight[0], *x[1:]), weight), 2)
        self.back = operator("dense_backward", lambda dy, x, saved: (x, saved, (saved[0],)), 3)

    def construct(self, x, weight, bias):
        return self.run(x, weight, bias)

    def bprop(self, x, weight, bias, out, dout):
        return self.back(dout[0], x, out[1])


class FusedNorm(nn.Cell):
    """Fused BatchNorm: (x, gamma, beta, running mean, running variance) -> (y, saved).

    Training updates the running statistics.
    """

    def __init__(self):
        super().__init__()
        self.run = operator(
            "norm_forward", lambda flags, x, *rest: (x, (3 * x[0],)), 2, (False,) * 4 + (True, True)
        )
        self.back = operator("norm_backward", lambda flags, dy, x, saved: (x, x[:1], x[:1]), 3)
        self.in_training = settings("fp32", "ste", True)
        self.in_evaluation = settings("fp32", "ste", False)

    def construct(self, x, gamma, beta, mean, variance):
        flags = self.in_training if self.training else self.in_evaluation
        return self.run(flags, x, gamma, beta, mean, variance)

    def bprop(self, x, gamma, beta, mean, variance, out, dout):
        flags = self.in_training if self.training else self.in_evaluation
        dx, dgamma, dbeta = self.back(flags, dout[0], x, out[1])
        none = ops.zeros_like(mean)
        return dx, dgamma, dbeta, none, none


class FusedScale(nn.Cell):
    """Fused product with a number per channel: (x, f (C,)) -> (f_c x, saved)."""

    def __init__(self):
        super().__init__()
        self.run = operator("scale_forward", lambda x, f: (x, f), 2)
        self.back = operator("scale_backward", lambda dy, x, saved: (x, saved), 2)

    def construct(self, x, f):
        return self.run(x, f)

    def bprop(self, x, f, out, dout):
        return self.back(dout[0], x, out[1])


class FusedRPReLU(nn.Cell):
    """Fused RPReLU: (x, b1, slope, b2) -> (y, saved)."""

    def __init__(self):
        super().__init__()
        self.run = operator("rprelu_forward", lambda x, *rest: (x, (2 * x[0],)), 2)
        self.back = operator("rprelu_backward", lambda dy, x, saved: (x, x[:1], x[:1], x[:1]), 4)

    def construct(self, x, b1, slope, b2):
        return self.run(x, b1, slope, b2)

    def bprop(self, x, b1, slope, b2, out, dout):
        return self.back(dout[0], x, out[1])


class FusedTwoSlope(nn.Cell):
    """Fused two-slope PReLU: (x, p (C,), n (C,)) -> (p max(x, 0) + n min(x, 0), saved)."""

    def __init__(self):
        super().__init__()
        self.run = operator("two_slope_forward", lambda x, p, n: (x, (2 * x[0],)), 2)
        self.back = operator("two_slope_backward", lambda dy, x, saved: (x, x[:1], x[:1]), 3)

    def construct(self, x, p, n):
        return self.run(x, p, n)

    def bprop(self, x, p, n, out, dout):
        return self.back(dout[0], x, out[1])
