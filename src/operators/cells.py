"""Fused operators as Cells without parameters, each with its backward pass.

Feature maps are CNHW, (C, B, H, W). Each operator is defined in the C++ file of its name; tests compare it with the
Cells of the backend fast that it replaces. `saved` is a tensor for the backward pass.
"""

import ctypes
import math
import time

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.ops import signature

from .library import library_path

MAX_BRANCHES = 16  # kMaxBranches of native/merge.cc
POLL_INTERVAL, MAX_SLEEP = 2.0e-4, 60.0  # seconds
# in the order of the enumerations of native/settings.h
PRECISIONS = ("fp32", "binary_act", "binary")
GRADIENTS = ("ste", "approx_sign", "clip_grad", "dorefa", "dsq", "swish_sign")
SCALES = ("mean", "mean_forward", "none")
SAME = -1  # padding in native/max_pool.cc
NO_SHORTCUT, INPUT_SHORTCUT, OWN_SHORTCUT = range(3)


def operator(name, shapes, outputs, written=(), **attributes):
    """Operator of the C++ function `name` with float32 outputs.

    shapes: function from the inputs' shapes to the shape of the output, or to a tuple of `outputs` shapes.
    written: a bool per input, whether the function changes it in place; () for none.
    attributes: everything else that `shapes` depends on. MindSpore takes two operators for the same if their name,
    attributes and input shapes are equal.
    """
    types = mstype.float32 if outputs == 1 else (mstype.float32,) * outputs
    made = ops.Custom(f"{library_path()}:{name}", shapes, lambda *inputs: types, func_type="aot")
    for key, value in attributes.items():
        made.add_prim_attr(key, value)
    if written:
        read, write = signature.sig_rw.RW_READ, signature.sig_rw.RW_WRITE
        made.set_signatures(
            tuple(signature.make_sig(f"input{i}", write if each else read) for i, each in enumerate(written))
        )
        made.add_prim_attr("side_effect_mem", True)
    return made


def settings(precision, gradient, training, shortcut=INPUT_SHORTCUT, scale="mean"):
    """Settings of a fused layer as an int32 tensor, in the order of native/settings.h."""
    values = (
        PRECISIONS.index(precision),
        GRADIENTS.index(gradient),
        int(training),
        shortcut,
        SCALES.index(scale),
    )
    return Tensor(np.array(values, np.int32))


def convolved_shape(x, weight, stride, padding):
    """Shape (O, B, H', W') of a convolution's output. x: shape (C, B, H, W); padding: (height, width)."""
    sides = zip(x[2:], weight[2:], padding)
    return (weight[0], x[1], *((size + 2 * pad - kernel) // stride + 1 for size, kernel, pad in sides))


def window(weight, stride, padding):
    """Window of a convolution as an int32 tensor, in the order of native/grid.h."""
    return Tensor(np.array((*weight[2:], stride, *padding), np.int32))


class _FusedFC(nn.Cell):
    """Fused binary layer RPReLU(BN(FC(X_b)) + U(X)), or without U(X), in one pass per channel.

    (x, rsign bias, weight, gamma, beta, running mean, running variance, shift_in, slope, shift_out) ->
    (y, sums, saved). Training updates the running statistics.
    """

    name = ""  # of the C++ functions

    def __init__(self, precision, gradient, scale, weight_shape, in_channels, shortcut):
        super().__init__()
        out = weight_shape[0]
        saved = math.prod(weight_shape) + in_channels + 6 * out
        each, inputs = (out,), (in_channels,)

        def shapes(flags, x, *rest):
            y = (out, *x[1:])
            return y, y, (saved,)

        def gradient_shapes(flags, dy, x, *rest):
            return x, inputs, weight_shape, each, each, each, each, each

        written = (False,) * 6 + (True, True) + (False,) * 3  # the running statistics
        self.run = operator(f"{self.name}_forward", shapes, 3, written, weight_shape=weight_shape)
        self.back = operator(f"{self.name}_backward", gradient_shapes, 8, weight_shape=weight_shape)
        self.in_training = settings(precision, gradient, True, shortcut, scale)
        self.in_evaluation = settings(precision, gradient, False, shortcut, scale)

    def construct(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2):
        flags = self.in_training if self.training else self.in_evaluation
        return self.run(flags, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2)

    def bprop(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2, out, dout):
        flags = self.in_training if self.training else self.in_evaluation
        dx, dbias, dweight, dgamma, dbeta, db1, dslope, db2 = self.back(flags, dout[0], x, out[1], out[2])
        none = ops.zeros_like(mean)
        return dx, dbias, dweight, dgamma, dbeta, none, none, db1, dslope, db2


class FusedGlobalFC(_FusedFC):
    """Fused Channel Binary FC: weight (O, C, 1, 1)."""

    name = "fc"


class FusedLocalFC(_FusedFC):
    """Fused Spatial Binary FC: weight (O, G, 1, 7) or (O, G, 7, 1)."""

    name = "local_fc"


class FusedBinaryConv(nn.Cell):
    """Fused binary convolution RPReLU(BN(conv(X_b)) + U(X)), or without U(X), with a window of any size.

    (x, rsign bias, weight, gamma, beta, running mean, running variance, shift_in, slope, shift_out) ->
    (y, sums, saved). Training updates the running statistics. Arguments as in _FusedFC; padding: (height, width).
    """

    def __init__(self, precision, gradient, scale, weight_shape, stride, padding, shortcut):
        super().__init__()
        out, in_channels = weight_shape[:2]
        saved = math.prod(weight_shape) + in_channels + 6 * out

        def shapes(flags, window, x, *rest):
            y = convolved_shape(x, weight_shape, stride, padding)
            return y, y, (saved,)

        def gradient_shapes(flags, window, dy, x, r, *rest):
            own = (r,) if shortcut == OWN_SHORTCUT else ()
            return x, (in_channels,), weight_shape, *((out,),) * 5, *own

        geometry = {
            "weight_shape": weight_shape,
            "stride": stride,
            "padding": padding,
            "shortcut": shortcut,
        }
        written = (False,) * 8 + (True, True) + (False,) * 3  # the running statistics
        gradients = 9 if shortcut == OWN_SHORTCUT else 8
        self.run = operator("binary_conv_forward", shapes, 3, written, **geometry)
        self.back = operator("binary_conv_backward", gradient_shapes, gradients, **geometry)
        self.window = window(weight_shape, stride, padding)
        self.in_training = settings(precision, gradient, True, shortcut, scale)
        self.in_evaluation = settings(precision, gradient, False, shortcut, scale)

    def construct(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2):
        return self.forward(x, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2)

    def bprop(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2, out, dout):
        dx, dbias, dweight, dgamma, dbeta, db1, dslope, db2 = self.backward(dout[0], x, x, out)
        none = ops.zeros_like(mean)
        return dx, dbias, dweight, dgamma, dbeta, none, none, db1, dslope, db2

    def forward(self, *inputs):
        flags = self.in_training if self.training else self.in_evaluation
        return self.run(flags, self.window, *inputs)

    def backward(self, dy, x, r, out):
        flags = self.in_training if self.training else self.in_evaluation
        return self.back(flags, self.window, dy, x, r, out[1], out[2])


class FusedBinaryConvAdd(FusedBinaryConv):
    """Fused binary convolution with another map as its shortcut, RPReLU(BN(conv(X_b)) + R).

    (x, r, rsign bias, ..) -> (y, sums, saved), the others as in FusedBinaryConv.
    """

    def __init__(self, precision, gradient, scale, weight_shape, stride, padding):
        super().__init__(precision, gradient, scale, weight_shape, stride, padding, OWN_SHORTCUT)

    def construct(self, x, r, bias, weight, gamma, beta, mean, variance, b1, slope, b2):
        return self.forward(x, r, bias, weight, gamma, beta, mean, variance, b1, slope, b2)

    def bprop(self, x, r, bias, weight, gamma, beta, mean, variance, b1, slope, b2, out, dout):
        dx, dbias, dweight, dgamma, dbeta, db1, dslope, db2, dr = self.backward(dout[0], x, r, out)
        none = ops.zeros_like(mean)
        return dx, dr, dbias, dweight, dgamma, dbeta, none, none, db1, dslope, db2


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


class FusedBinarizeActivation(nn.Cell):
    """Fused activation quantizer: (x, b) -> (y, saved), y = sign(x + b), or heaviside(x + b) with zero_one.

    gradient: one of GRADIENTS.
    """

    def __init__(self, gradient, zero_one):
        super().__init__()
        self.run = operator("binarize_forward", lambda kind, x, b: (x, b), 2)
        self.back = operator("binarize_backward", lambda kind, dy, x, saved: (x, saved), 2)
        self.kind = Tensor(np.array((GRADIENTS.index(gradient), int(zero_one)), np.int32))

    def construct(self, x, b):
        return self.run(self.kind, x, b)

    def bprop(self, x, b, out, dout):
        return self.back(self.kind, dout[0], x, out[1])


class FusedWave(nn.Cell):
    """Fused wave: (theta, z) -> [z cos theta, z sin theta]."""

    def __init__(self):
        super().__init__()
        self.run = operator("wave_forward", lambda theta, z: (2 * theta[0], *theta[1:]), 1)
        self.back = operator("wave_backward", lambda dout, theta, z: (theta, z), 2)

    def construct(self, theta, z):
        return self.run(theta, z)

    def bprop(self, theta, z, out, dout):
        return self.back(dout, theta, z)


class FusedFanOut(nn.Cell):
    """Copies of a feature map for its readers, x -> (x, .., x). One pass adds their gradients."""

    def __init__(self, readers):
        super().__init__()
        self.readers = readers
        self.add = operator("sum_of", lambda first, *rest: first, 1)

    def construct(self, x):
        return (x,) * self.readers

    def bprop(self, x, out, dout):
        return (self.add(*dout),)


class FusedMeanOfSum(nn.Cell):
    """Fused global average pool of a sum: (z, (f_1, .., f_n)) -> (mean over H, W of z + sum f_i, z, (f_1, .., f_n)).

    The mean is (C, B, 1, 1). The feature maps are also outputs, so that one pass adds their two gradients.
    """

    def __init__(self, branches):
        super().__init__()
        self.run = operator("mean_of_sum", lambda z, *maps: (z[0], z[1], 1, 1), 1)
        self.back = operator("mean_of_sum_backward", lambda d, *maps: maps, 1 + branches)

    def construct(self, z, maps):
        return self.run(z, *maps), z, maps

    def bprop(self, z, maps, out, dout):
        gradients = self.back(dout[0], dout[1], *dout[2])
        return gradients[0], gradients[1:]


class FusedSoftmaxMerge(nn.Cell):
    """Fused softmax merge: (logits, z, (f_1, .., f_n)) -> z + sum_i softmax_i(logits) f_i.

    Raises ValueError for more than MAX_BRANCHES branches.
    """

    def __init__(self, branches):
        super().__init__()
        if branches > MAX_BRANCHES:
            raise ValueError(f"branches: expected at most {MAX_BRANCHES} with backend fused, got {branches}")
        self.run = operator("softmax_merge_forward", lambda logits, z, *maps: z, 1)
        self.back = operator(
            "softmax_merge_backward", lambda dout, logits, *maps: (logits, *maps), 1 + branches
        )

    def construct(self, logits, z, maps):
        return self.run(logits, z, *maps)

    def bprop(self, logits, z, maps, out, dout):
        gradients = self.back(dout, logits, *maps)
        return gradients[0], dout, gradients[1:]


class FusedScalarMerge(nn.Cell):
    """Fused scalar merge: (w, (f_1, .., f_n)) -> (sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n, saved)."""

    def __init__(self, branches):
        super().__init__()
        self.run = operator("scalar_merge_forward", lambda w, *maps: (maps[0], w), 2)
        self.back = operator(
            "scalar_merge_backward", lambda dout, w, *maps: ((maps[0][0], *w), *maps), 1 + branches
        )
        self.sum = ops.ReduceSum()

    def construct(self, w, maps):
        return self.run(w, *maps)

    def bprop(self, w, maps, out, dout):
        gradients = self.back(dout[0], out[1], *maps)
        return self.sum(gradients[0], 0), gradients[1:]


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


class FusedMaxPool(nn.Cell):
    """Fused max-pool with a square window: x -> (y, saved). stride: a number.

    padding: a number of at most half of the kernel, or "same" as of TensorFlow; it counts as -inf.
    Raises ValueError for a larger one.
    """

    def __init__(self, kernel, stride, padding):
        super().__init__()
        same = padding == "same"
        if not same and not 0 <= 2 * padding <= kernel:
            raise ValueError(
                f"padding: expected same or 0 .. {kernel // 2}, half of the kernel, got {padding}"
            )

        def shapes(window, x):
            sizes = (-(-n // stride) if same else (n + 2 * padding - kernel) // stride + 1 for n in x[2:])
            y = (*x[:2], *sizes)
            return y, y

        values = (kernel, stride, SAME if same else padding)
        self.run = operator("max_pool_forward", shapes, 2, window=values)
        self.back = operator("max_pool_backward", lambda window, dy, x, saved: x, 1, window=values)
        self.window = Tensor(np.array(values, np.int32))

    def construct(self, x):
        return self.run(self.window, x)

    def bprop(self, x, out, dout):
        return (self.back(self.window, dout[0], x, out[1]),)


class FusedPad(nn.Cell):
    """Fused padding with a number, x in the middle: x (C, B, H, W) -> y (C, B, H', W').

    padded: function from (H, W) to (H', W'), H' - H and W' - W not negative; of an odd one the smaller half is before.
    rule: all that `padded` depends on, as text.
    """

    def __init__(self, padded, value, rule):
        super().__init__()
        self.run = operator("pad_forward", lambda value, x: (*x[:2], *padded(x[2:])), 1, rule=rule)
        self.back = operator("pad_backward", lambda dy, x: x, 1)
        self.value = Tensor(np.array([value], np.float32))

    def construct(self, x):
        return self.run(self.value, x)

    def bprop(self, x, out, dout):
        return (self.back(dout, x),)


class FusedMultiMaxPool(nn.Cell):
    """Fused mean of the four max-pools of MultiMaxPool."""

    def __init__(self):
        super().__init__()
        self.run = operator(
            "multi_max_pool_forward", lambda x: (x[0], x[1], (x[2] + 1) // 2, (x[3] + 1) // 2), 1
        )
        self.back = operator("multi_max_pool_backward", lambda dy, x: x, 1)

    def construct(self, x):
        return self.run(x)

    def bprop(self, x, out, dout):
        return (self.back(dout, x),)


class FusedAdamW(nn.Cell):
    """Fused AdamW step: (coefficients, decays, weights, moments1, moments2, gradients, loss (1,)) -> gradient norm (1,).

    Updates weights and moments in place if norm and loss are finite, else nothing; see native/adamw.cc.
    """

    def __init__(self, parameters):
        super().__init__()
        written = (False, False) + (True,) * (3 * parameters) + (False,) * (parameters + 1)
        self.run = operator("adamw", lambda *shapes: (1,), 1, written)
        self.updates = ctypes.CDLL(library_path()).adamw_updates
        self.updates.restype = ctypes.c_int64

    def construct(self, coefficients, decays, weights, moments1, moments2, gradients, loss):
        return self.run(coefficients, decays, *weights, *moments1, *moments2, *gradients, loss)

    def sleep_until(self, updates):
        """Sleep until the operator has run `updates` times in this process, at most MAX_SLEEP seconds.

        MindSpore waits for a result by spinning, on a core that the operators could use.
        """
        end = time.monotonic() + MAX_SLEEP
        while self.updates() < updates and time.monotonic() < end:
            time.sleep(POLL_INTERVAL)
