"""Wave of the PATM (arXiv 2111.12294), with cosine and sine by operations or by polynomials."""

from mindspore import nn, ops


class CosSin(nn.Cell):
    """Cosine and sine, theta -> (cos theta, sin theta), by MindSpore's operations."""

    def construct(self, theta):
        return ops.cos(theta), ops.sin(theta)


# Minimax coefficients on |h| <= pi / 2, from the highest power of h^2 down:
# sin h = h + h * P(h^2) to 5e-9, cos h = 1 + P(h^2) to 3e-10 before rounding.
_SIN = (2.60005436e-06, -1.98066147e-04, 8.33301712e-03, -1.66666567e-01)
_COS = (-2.60771031e-07, 2.47618864e-05, -1.38884038e-03, 4.16666418e-02, -0.5)
_TURN_HIGH = 6.28125  # 2 pi in two parts: k * high is exact for |k| < 2^15
_TURN_LOW = 1.9353071795864769e-3


class PolynomialCosSin(nn.Cell):
    """Cosine and sine by polynomials, theta -> (cos theta, sin theta), to 4e-7 for |theta| <= 1e3.

    theta = 2 pi k + 2 h with |h| <= pi / 2; cos = 1 - 2 sin^2 h, sin = 2 sin h cos h.
    Backward: dtheta = dsin cos - dcos sin, computed from the outputs.
    """

    def construct(self, theta):
        turns = ops.floor(theta * 0.15915494309189535 + 0.5)
        h = (theta - turns * _TURN_HIGH - turns * _TURN_LOW) * 0.5
        u = h * h
        sine = u * _SIN[0]
        for coefficient in _SIN[1:]:
            sine = (sine + coefficient) * u
        sine = sine * h + h
        cosine = u * _COS[0]
        for coefficient in _COS[1:]:
            cosine = (cosine + coefficient) * u
        doubled = sine + sine
        return 1 - doubled * sine, doubled * cosine + doubled

    def bprop(self, theta, out, dout):
        return (dout[1] * out[0] - dout[0] * out[1],)


class Wave(nn.Cell):
    """Wave of the PATM: (theta, z) -> [z cos theta, z sin theta], two feature maps of C channels -> one of 2C."""

    work = "trigonometry"

    def __init__(self, cos_sin, axis):
        super().__init__()
        self.cos_sin, self.axis = cos_sin, axis

    def construct(self, theta, z):
        cos, sin = self.cos_sin(theta)
        return ops.concat((z * cos, z * sin), self.axis)

    def lower(self, graph, theta, z):
        parts = [z * graph.add("unary", theta, function=name) for name in ("cos", "sin")]
        return graph.add("concat", *parts)
