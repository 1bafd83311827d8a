"""Norms of the trunk: BatchNorm and LayerNorm on feature maps (paper, Table 4)."""

import numpy as np
from mindspore import nn, ops

from .layout import NCHW, add_per_channel, channel_sum, per_channel, to_layout

MOMENTUM = 0.9  # share of a running statistic that a step keeps
EPS = 1e-5  # added to a variance, in PyTorch's networks and in the fused operators


class SyncStatistics(nn.Cell):
    """Mean and variance per channel over the images of all workers: feature map -> (C,), (C,), number of values.

    Two all-reduces forward, two backward. MindSpore's SyncBatchNorm runs on Ascend only.
    """

    def __init__(self, axis, workers):
        super().__init__()
        self.axis, self.workers = axis, workers
        self.sum = ops.AllReduce(ops.ReduceOp.SUM) if workers > 1 else nn.Identity()

    def construct(self, x):
        values = self.workers * (x.size // x.shape[self.axis])
        mean = self.sum(channel_sum(x, self.axis)) / values
        centred = add_per_channel(x, -mean, self.axis)
        return mean, self.sum(channel_sum(centred * centred, self.axis)) / values, values


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm over B, H, W. A step moves the running statistics by a tenth (momentum 0.9 in MindSpore, 0.1 in PyTorch).

    In training the statistics are over the images of this worker, or of all workers with model.sync_bn.
    eps: added to the variance, the config's if it is not given; Keras has 1e-3. scale, center: whether gamma and beta are learned, else they stay 1 and 0.
    """

    work = "normalisation"

    def __init__(self, channels, config, eps=None, scale=True, center=True):
        eps = config.norm_eps if eps is None else eps
        super().__init__(channels, eps=eps, momentum=MOMENTUM, affine=True, use_batch_statistics=None)
        self.gamma.requires_grad, self.beta.requires_grad = scale, center
        self.axis = config.axis
        self.sync_statistics = None
        if config.sync_workers:
            self.sync_statistics = SyncStatistics(config.axis, config.sync_workers)
        self.operator = config.backend.batch_norm() if eps == EPS else None

    def construct(self, x):
        if self.sync_statistics is not None and self.training:
            return self.synchronized(x)
        if self.operator is not None:
            return self.operator(x, self.gamma, self.beta, self.moving_mean, self.moving_variance)
        if self.axis == NCHW:
            return super().construct(x)
        c, b, h, w = x.shape
        return super().construct(x.reshape(1, c, b * h, w)).reshape(c, b, h, w)

    def synchronized(self, x):
        """BatchNorm with the statistics of all workers; updates the running statistics."""
        mean, variance, values = self.sync_statistics(x)
        unbiased = variance * (values / max(values - 1, 1))
        updates = (
            ops.assign(self.moving_mean, self.running_average(self.moving_mean, mean)),
            ops.assign(self.moving_variance, self.running_average(self.moving_variance, unbiased)),
        )
        scale = self.gamma * ops.rsqrt(variance + self.eps)
        y = add_per_channel(x * per_channel(scale, self.axis), self.beta - mean * scale, self.axis)
        return ops.depend(y, updates)

    def lower(self, graph, x):
        gamma, beta, mean, variance = (
            p.asnumpy().astype(np.float64)
            for p in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        factor = gamma / np.sqrt(variance + self.eps)
        return graph.affine(x, factor, beta - mean * factor)

    def running_average(self, running, value):
        """Running statistic after a step, without gradient."""
        return MOMENTUM * running + (1 - MOMENTUM) * ops.stop_gradient(value)


class LayerNorm(nn.GroupNorm):
    """LayerNorm over the C, H, W of each image: GroupNorm with one group."""

    work = "normalisation"

    def __init__(self, channels, config):
        super().__init__(1, channels, eps=EPS, affine=True)
        self.axis = config.axis

    def construct(self, x):
        return to_layout(super().construct(to_layout(x, self.axis)), self.axis)

    def lower(self, graph, x):
        factor, offset = self.gamma.asnumpy(), self.beta.asnumpy()
        return graph.add("layer_norm", x, epsilon=self.eps, factor=factor, offset=offset)


NORMS = {"batch": BatchNorm, "layer": LayerNorm}
