"""Network of the authors' published checkpoints, for evaluation only.

The authors' released code computes another network than their paper describes. `ReleasedBiMLP` reproduces its
arithmetic under its parameter names, so that a published file loads as it is:

    net = create_model("released_bimlp_s")
    mindspore.load_param_into_net(net, mindspore.load_checkpoint("BiMLP_S.ckpt"))

Where the released code departs from the paper (R: reproduced here, -: not):

1  R  activations are rounded to -1, 0 or +1; no gradient passes
2  R  the weight scale is a mean over the input channels of one tap, not over the whole filter
3  R  sign(0) = 0 for weights
4  -  the weights' gradient is unmasked: nothing is trained here
5  R  shortcuts carry x + b, the shifted input of the sign; in the MLP they carry x
6  R  the first shortcut of the MLP has a norm and an RPReLU of its own
7  R  BiMLP-M normalises its trunk by GroupNorm with one group, BiMLP-S by BatchNorm
8  -  the drop path's mask has a wrong rank: there is no drop path in evaluation
9  -  the head squeezes the batch axis away when there is one image: here a mean over (H, W)

Attributes have the checkpoints' names, because MindSpore names parameters by them: `move*` are the shifts b
of RSign, `theta_*` and `fc_*` the phase and amplitude of a wave, `tfc_*` its local FC, `sfc_*` the Spatial
Binary FC; `_h` filters are (1, 7) and mix along the width, `_w` filters are (7, 1) and mix along the height.
Shapes: B images, C channels, H and W pixels, O output channels.
"""

from functools import partial

import numpy as np
from mindspore import Parameter, nn, ops
from mindspore.common.initializer import Normal, initializer

from src.model.layers.layout import NCHW
from src.model.layers.merges import BranchSoftmax
from src.model.layers.pools import lower_mean_of_max_pools
from src.model.variant import Variant

EPS = 1.0e-5  # of every norm


def parameter(shape, start="zeros", requires_grad=True):
    """Parameter of a shape with the initializer `start`."""
    return Parameter(initializer(start, shape), requires_grad=requires_grad)


def per_channel(v):
    """Vector (C,) in the shape (1, C, 1, 1), which broadcasts over feature maps."""
    return v.reshape((1, -1, 1, 1))


def three_valued(x, t):
    """Ternary rounding: +1 where x > t, -1 where x < -t, else 0. That is rint(clip(x, -1, 1)) for t = 0.5, sign, sign(0) = 0, for 0."""
    return ops.cast(x > t, x.dtype) - ops.cast(x < -t, x.dtype)


def scaled_sign(weight):
    """Weight quantizer alpha sign(W) with sign(0) = 0 and alpha = mean of |W| over axis 1 (departures 2, 3).

    A 1x1 FC has one scale per filter. The wave's filters (two channels) have one per tap. Depth-wise filters have
    real weights, because sign(w) |w| = w.
    """
    return three_valued(weight, 0.0) * ops.abs(weight).mean(axis=(1,), keep_dims=True)


class UniShortcut(nn.Cell):
    """Uni-shortcut U(x), Eq. 12, (B, C, H, W) -> (B, O, H, W): O / C copies, or the mean of C / O adjacent channels."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def construct(self, x):
        b, c, h, w = x.shape
        if c == self.channels:
            return x
        if c < self.channels:
            return ops.tile(x, (1, self.channels // c, 1, 1))
        return x.reshape((b, self.channels, c // self.channels, h, w)).mean(axis=(2,))

    def lower(self, graph, x):
        channels = x.shape[1]
        if channels == self.channels:
            return x
        if channels < self.channels:
            return graph.add("concat", *(x,) * (self.channels // channels))
        return graph.add("group_mean", x, group=channels // self.channels)


class Mean(nn.Cell):
    """Global average pooling: (B, C, H, W) -> (B, C, 1, 1)."""

    def construct(self, x):
        return x.mean(axis=(2, 3), keep_dims=True)

    def lower(self, graph, x):
        return graph.add("global_mean", x)


def binary_fc(x, shift, fc, norm, act):
    """Channel or Spatial Binary FC, Eq. 10 and 11 with departure 5: RPReLU(BN(FC(q(x + b))) + U(x + b))."""
    x = shift(x)
    return act(norm(fc(x)) + fc.shortcut(x))


class Wave(nn.Cell):
    """Wave of the PATM: z, theta (B, C, H, W) -> (B, 2C, H, W), all z cos(theta), then all z sin(theta)."""

    work = "trigonometry"

    def construct(self, amplitude, theta):
        return ops.concat((amplitude * ops.cos(theta), amplitude * ops.sin(theta)), 1)

    def lower(self, graph, amplitude, theta):
        parts = [amplitude * graph.add("unary", theta, function=name) for name in ("cos", "sin")]
        return graph.add("concat", *parts)


class Conv2d(nn.Cell):
    """Full-precision convolution with bias, square kernel, zero padding."""

    def __init__(self, c_in, c_out, kernel, stride, padding):
        super().__init__()
        self.weight, self.bias = parameter((c_out, c_in, kernel, kernel), Normal(0.02)), parameter((c_out,))
        self.conv = ops.Conv2D(c_out, (kernel, kernel), pad_mode="pad", pad=padding, stride=stride)
        self.window = {"stride": stride, "padding": (padding,) * 4, "groups": 1}

    def construct(self, x):
        return self.conv(x, self.weight) + per_channel(self.bias)

    def lower(self, graph, x):
        y = graph.add("conv2d", x, weight=self.weight.asnumpy(), notes={"bias": True}, **self.window)
        return graph.affine(y, offset=self.bias.asnumpy())


class Dense(nn.Cell):
    """FC with bias, x W^T + bias: (B, C) -> (B, O)."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.weight, self.bias = parameter((c_out, c_in), Normal(0.02)), parameter((c_out,))

    def construct(self, x):
        return ops.matmul(x, self.weight.T) + self.bias

    def lower(self, graph, x):
        weight = self.weight.asnumpy()[:, :, None, None]
        y = graph.add("conv2d", x, weight=weight, stride=1, padding=(0,) * 4, groups=1, notes={"bias": True})
        return graph.affine(y, offset=self.bias.asnumpy())


class Shift(nn.Cell):
    """Shift x + b, one b per channel."""

    def __init__(self, channels):
        super().__init__()
        self.bias = parameter((1, channels, 1, 1))

    def construct(self, x):
        return x + self.bias

    def lower(self, graph, x):
        return graph.affine(x, offset=self.bias.asnumpy().ravel())


class PReLU(nn.Cell):
    """PReLU max(x, 0) + w min(x, 0), one w per channel."""

    work = "activation"

    def __init__(self, channels):
        super().__init__()
        self.w = parameter((1, channels, 1, 1), 0.25)

    def construct(self, x):
        return ops.relu(x) - self.w * ops.relu(-x)

    def lower(self, graph, x):
        slope = self.w.asnumpy().ravel()
        return graph.add("prelu", x, positive=[1], negative=slope)


class RPReLU(nn.Cell):
    """RPReLU of the paper: PReLU(x + b1) + b2."""

    def __init__(self, channels):
        super().__init__()
        self.move1, self.move2, self.act = Shift(channels), Shift(channels), PReLU(channels)

    def construct(self, x):
        return self.move2(self.act(self.move1(x)))


class BatchNorm(nn.Cell):
    """BatchNorm with stored statistics: gamma (x - mean) / sqrt(variance + eps) + beta per channel."""

    work = "normalisation"

    def __init__(self, channels):
        super().__init__()
        self.moving_mean = parameter((channels,), requires_grad=False)
        self.moving_variance = parameter((channels,), "ones", requires_grad=False)
        self.gamma, self.beta = parameter((channels,), "ones"), parameter((channels,))

    def construct(self, x):
        scale = self.gamma / ops.sqrt(self.moving_variance + EPS)
        return x * per_channel(scale) + per_channel(self.beta - self.moving_mean * scale)

    def lower(self, graph, x):
        gamma, beta, mean, variance = (
            p.asnumpy().astype(np.float64)
            for p in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        factor = gamma / np.sqrt(variance + EPS)
        return graph.affine(x, factor, beta - mean * factor)


class GroupNorm(nn.Cell):
    """GroupNorm with one group: gamma (x - mean) / sqrt(variance + eps) + beta, statistics per image (departure 7)."""

    work = "normalisation"

    def __init__(self, channels):
        super().__init__()
        self.gamma, self.beta = parameter((channels,), "ones"), parameter((channels,))

    def construct(self, x):
        x = x - x.mean(axis=(1, 2, 3), keep_dims=True)
        x = x / ops.sqrt(ops.square(x).mean(axis=(1, 2, 3), keep_dims=True) + EPS)
        return x * per_channel(self.gamma) + per_channel(self.beta)

    def lower(self, graph, x):
        factor, offset = self.gamma.asnumpy(), self.beta.asnumpy()
        return graph.add("layer_norm", x, epsilon=EPS, factor=factor, offset=offset)


NORMS = {"batch": BatchNorm, "group": GroupNorm}


class BinaryConv2d(nn.Cell):
    """Binary convolution conv(q(x), alpha sign(W)), zero padding to the input's size, no bias (departures 1, 2, 3)."""

    counted_bias = False  # whether the paper's costs have a bias that the layer has not

    def __init__(self, c_in, c_out, kernel=(1, 1), groups=1):
        super().__init__()
        self.weight = parameter((c_out, c_in // groups, *kernel), Normal(0.02))
        self.conv = ops.Conv2D(c_out, kernel, pad_mode="same", group=groups)
        self.shortcut = UniShortcut(c_out)
        self.window = {"stride": 1, "padding": tuple(size // 2 for size in kernel) * 2, "groups": groups}

    def construct(self, x):
        return self.conv(three_valued(x, 0.5), scaled_sign(self.weight))

    def lower(self, graph, x):
        weight = self.weight.asnumpy()
        x = graph.add("binarize", x, levels=(-1, 0, 1), threshold=[0.5])
        notes = {"bias": self.counted_bias}
        scale = np.abs(weight.astype(np.float64)).mean(axis=1)
        if (
            scale[0].size > 1 or not weight.all()
        ):  # one scale per tap, or a weight of 0: no sign times a scale per filter
            weight = np.sign(weight) * scale[:, None]
            return graph.add("conv2d", x, weight=weight, notes={**notes, "binary": True}, **self.window)
        y = graph.add("binary_conv2d", x, weight=weight > 0, pad_value=0, notes=notes, **self.window)
        return graph.affine(y, scale.ravel())


class BinaryMLP(nn.Cell):
    """Channel Binary MLP, C -> hidden -> O, also the reweight MLP (departures 5 and 6).

    y = RPReLU2(BN1(FC1(q(x + b))) + RPReLU1(BN0(U(x)))); out = RPReLU3(BN2(FC2(q(y + b'))) + U(y)).
    """

    def __init__(self, c_in, hidden, c_out):
        super().__init__()
        self.move1, self.fc1 = Shift(c_in), BinaryConv2d(c_in, hidden)
        self.act1, self.act2, self.act3 = RPReLU(hidden), RPReLU(hidden), RPReLU(c_out)
        self.move2, self.fc2 = Shift(hidden), BinaryConv2d(hidden, c_out)
        self.fc1.counted_bias = self.fc2.counted_bias = True
        self.norm1, self.norm2, self.norm0 = BatchNorm(hidden), BatchNorm(c_out), BatchNorm(hidden)

    def construct(self, x):
        shortcut = self.act1(self.norm0(self.fc1.shortcut(x)))
        y = self.act2(self.norm1(self.fc1(self.move1(x))) + shortcut)
        return self.act3(self.norm2(self.fc2(self.move2(y))) + self.fc2.shortcut(y))


class SpatialBlock(nn.Cell):
    """MBB block 1 after its norm: two Spatial Binary MLPs and a Channel Binary FC (departure 5).

    a = softmax over the three branches of Reweight(GAP(h + w + c + z)), Reweight a `BinaryMLP` C -> C/4 -> 3C
    whose output channel 3 k + i weighs branch i of channel k; out = Proj(h a0 + w a1 + c a2 + z).
    """

    def __init__(self, c):
        super().__init__()
        self.fc_h, self.fc_w, self.fc_c, self.proj = (BinaryConv2d(c, c) for _ in range(4))
        self.theta_h_conv, self.theta_w_conv = BinaryConv2d(c, c), BinaryConv2d(c, c)
        for conv in (self.proj, self.theta_h_conv, self.theta_w_conv):
            conv.counted_bias = True
        self.tfc_h = BinaryConv2d(2 * c, c, (1, 7), groups=c)
        self.tfc_w = BinaryConv2d(2 * c, c, (7, 1), groups=c)
        self.reweight = BinaryMLP(c, c // 4, 3 * c)
        self.move_fch, self.move_fcw, self.move_fcc, self.move_proj = (Shift(c) for _ in range(4))
        self.move_thetah, self.move_thetaw = Shift(c), Shift(c)
        self.move_tfch, self.move_tfcw = Shift(2 * c), Shift(2 * c)
        self.fc_h_bn, self.fc_w_bn, self.theta_h_bn, self.theta_w_bn = (BatchNorm(c) for _ in range(4))
        self.norm_h, self.norm_w, self.norm_c, self.norm_proj = (BatchNorm(c) for _ in range(4))
        self.fc_h_act, self.fc_w_act, self.theta_h_act, self.theta_w_act = (RPReLU(c) for _ in range(4))
        self.act_h, self.act_w, self.act_c, self.act_proj = (RPReLU(c) for _ in range(4))
        self.wave, self.mean, self.softmax = Wave(), Mean(), BranchSoftmax(3, NCHW)

    def construct(self, z):
        theta = binary_fc(z, self.move_thetah, self.theta_h_conv, self.theta_h_bn, self.theta_h_act)
        amplitude = binary_fc(z, self.move_fch, self.fc_h, self.fc_h_bn, self.fc_h_act)
        h = binary_fc(self.wave(amplitude, theta), self.move_tfch, self.tfc_h, self.norm_h, self.act_h)
        theta = binary_fc(z, self.move_thetaw, self.theta_w_conv, self.theta_w_bn, self.theta_w_act)
        amplitude = binary_fc(z, self.move_fcw, self.fc_w, self.fc_w_bn, self.fc_w_act)
        w = binary_fc(self.wave(amplitude, theta), self.move_tfcw, self.tfc_w, self.norm_w, self.act_w)
        c = binary_fc(z, self.move_fcc, self.fc_c, self.norm_c, self.act_c)
        a = self.softmax(self.reweight(self.mean(h + w + c + z)))
        f = h * a[0] + w * a[1] + c * a[2] + z
        return binary_fc(f, self.move_proj, self.proj, self.norm_proj, self.act_proj)


class ScalarMerge(nn.Cell):
    """Sum x + w_0 h + w_1 w + (1 - w_0 - w_1) c of an input and three branches with two learned scalars."""

    def construct(self, weight, x, h, w, c):
        w0, w1 = weight[0], weight[1]
        return x + w0 * h + w1 * w + (1 - w0 - w1) * c

    def lower(self, graph, weight, x, h, w, c):
        w0, w1 = weight.asnumpy()
        return x + h * w0 + w * w1 + c * (1 - w0 - w1)


class Block(nn.Cell):
    """Residual block of both MBB blocks: x <- x + SpatialBlock(Norm1(x)); m = Norm2(x); x <- x + out(m).

    out = w0 s_h + w1 s_w + (1 - w0 - w1) MLP(m), s_h and s_w the Spatial Binary FCs of m, whose weights stay
    real (departure 2) and whose shortcuts carry m + b (5).
    """

    def __init__(self, c, norm):
        super().__init__()
        self.weight = parameter((2,))
        self.merge = ScalarMerge()
        self.norm1, self.attn = norm(c), SpatialBlock(c)
        self.norm2, self.mlp = norm(c), BinaryMLP(c, 4 * c, c)
        self.move_h, self.move_w = Shift(c), Shift(c)
        self.sfc_h = BinaryConv2d(c, c, (1, 7), groups=c)
        self.sfc_w = BinaryConv2d(c, c, (7, 1), groups=c)
        self.act1, self.act2, self.norm_h, self.norm_w = RPReLU(c), RPReLU(c), BatchNorm(c), BatchNorm(c)

    def construct(self, x):
        x = x + self.attn(self.norm1(x))
        m = self.norm2(x)
        h = binary_fc(m, self.move_h, self.sfc_h, self.norm_h, self.act1)
        w = binary_fc(m, self.move_w, self.sfc_w, self.norm_w, self.act2)
        return self.merge(self.weight, x, h, w, self.mlp(m))


class Embedding(nn.Cell):
    """Stem and downsampling: RPReLU(Norm(conv(x) + bias)), then the mean of max-pools, if any (departure 7).

    (B, C, H, W) -> (B, O, H', W'), full precision; the pools have stride 2 and padding SAME.
    """

    def __init__(self, c_in, c_out, norm, kernel=1, stride=1, padding=0, pools=()):
        super().__init__()
        self.proj = Conv2d(c_in, c_out, kernel, stride, padding)
        self.norm, self.act = norm(c_out), RPReLU(c_out)
        self.pool = MeanPool(pools) if pools else nn.Identity()

    def construct(self, x):
        return self.pool(self.act(self.norm(self.proj(x))))


class MeanPool(nn.Cell):
    """Mean of max-pools with stride 2 and padding SAME, which the maximum ignores."""

    work = "pooling"

    def __init__(self, kernels):
        super().__init__()
        self.kernels = kernels
        self.pools = [ops.MaxPool(kernel_size=k, strides=2, pad_mode="same") for k in kernels]

    def construct(self, x):
        return sum([pool(x) for pool in self.pools]) / len(self.pools)

    def lower(self, graph, x):
        return lower_mean_of_max_pools(graph, x, self.kernels)


class ReleasedBiMLP(nn.Cell):
    """Released network: images (B, 3, H, W) -> logits (B, num_classes) (departures 7 and 9).

    depths, widths: blocks and channels of the four stages. norm: "batch" (S) or "group" (M), for the stem,
    the downsamplings, Norm1, Norm2 and the last norm; all other norms are BatchNorm with stored statistics.
    Raises ValueError for an unknown norm, for other than four depths and widths, for widths that are not
    multiples of 4 (the shortcuts of the reweighting), and when it is called in training mode.
    """

    def __init__(self, depths, widths, num_classes=1000, norm="batch"):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm: expected one of {', '.join(NORMS)}, got {norm!r}")
        if len(depths) != 4 or len(widths) != 4:
            raise ValueError(f"depths and widths: expected four each, got {depths} and {widths}")
        if any(c < 4 or c % 4 for c in widths):
            raise ValueError(f"widths: expected multiples of 4, got {widths}")
        layer = NORMS[norm]
        self.patch_embed = Embedding(3, widths[0], layer, kernel=7, stride=4, padding=2)
        network = []
        for stage in range(4):
            if stage > 0:
                network.append(Embedding(widths[stage - 1], widths[stage], layer, pools=(2, 3, 5, 7)))
            network.append(nn.SequentialCell([Block(widths[stage], layer) for _ in range(depths[stage])]))
        self.network = nn.SequentialCell(network)
        self.norm, self.head, self.mean = layer(widths[-1]), Dense(widths[-1], num_classes), Mean()

    def construct(self, x):
        if self.training:
            raise ValueError(
                "released network: expected evaluation mode, got training mode; call set_train(False)"
            )
        x = self.mean(self.norm(self.network(self.patch_embed(x))))
        return self.head(x.reshape(-1, x.shape[1]))


def _variant(depths, norm):
    network = partial(ReleasedBiMLP, depths, (64, 128, 320, 512), norm=norm)
    return Variant(network, precisions=("binary",))


VARIANTS = {
    "released_bimlp_s": _variant((2, 2, 4, 2), "batch"),
    "released_bimlp_m": _variant((2, 3, 10, 3), "group"),
}
