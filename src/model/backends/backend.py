"""Backend: how the operations of layers are computed."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """Layout of the feature maps between layers, and makers of the Cells that compute on them.

    The Cells that the makers return have no parameters, but for those of shortcut_conv.

    axis: channel axis of the feature maps, NCHW or CNHW.
    conv(weight_shape, stride, padding, groups): Cell (x, weight) -> y; the weight is (O, C / groups, kh, kw), padding a pair.
    conv_bias(.., compute_type): Cell (x, weight, bias) -> y, float32, with operands in the compute type.
    shortcut_conv(conv, in_channels, config): ShortcutConv, or a subclass of it with the same parameters.
    batch_norm(): Cell (x, gamma, beta, mean, variance) -> y, or None for MindSpore's.
    scale(): Cell (x, f (C,)) -> f_c x.
    rprelu(): Cell (x, b1, slope, b2) -> y.
    two_slope(): Cell (x, p, n) -> p_c max(x, 0) + n_c min(x, 0).
    affine_sign(gradient): Cell (x, alpha (1,), beta (1,)) -> alpha (sign((x - beta) / alpha) + beta), gradient a key of GRADIENTS.
    binarize(function, gradient): Cell (x, b) -> function(x + b), gradient a key of GRADIENTS.
    wave(): Cell (theta, z) -> wave.
    pad(kernel, stride, padding, value): Cell x -> y, padded as layers/padding.Pad.
    max_pool(kernel, stride, padding): Cell x -> y, max-pool with a square window; padding a number or "same".
    multi_max_pool(): Cell x -> y, mean of four max-pools.
    fan_out(readers): Cell x -> (x, .., x), one for each reader, so that a backend can add their gradients in one pass.
    mean_of_sum(branches): Cell (z, maps) -> (mean over H, W of z + sum of maps, z, maps), the maps for their next reader.
    softmax_merge(branches): Cell (logits, z, maps) -> z + weighted sum of maps.
    scalar_merge(branches): Cell (weights, maps) -> weighted sum of maps.
    """

    axis: int
    conv: Callable
    conv_bias: Callable
    shortcut_conv: Callable
    batch_norm: Callable
    scale: Callable
    rprelu: Callable
    two_slope: Callable
    affine_sign: Callable
    binarize: Callable
    wave: Callable
    pad: Callable
    max_pool: Callable
    multi_max_pool: Callable
    fan_out: Callable
    mean_of_sum: Callable
    softmax_merge: Callable
    scalar_merge: Callable
