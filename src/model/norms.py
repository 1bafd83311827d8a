"""Norms of the trunk: BatchNorm and LayerNorm on maps (paper, Table 4)."""

from mindspore import nn

from .layout import BATCH_FIRST, to_layout


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm over B, H, W of a map, with the running statistics moving by a tenth per step."""

    def __init__(self, channels, arithmetic):
        super().__init__(channels, eps=1e-5, momentum=0.9, affine=True, use_batch_statistics=None)
        self.axis = arithmetic.axis
        maker = arithmetic.form.fused_norm
        self.fused = maker() if maker else None

    def construct(self, x):
        if self.fused is not None:
            return self.fused(x, self.gamma, self.beta, self.moving_mean, self.moving_variance)[0]
        if self.axis == BATCH_FIRST:
            return super().construct(x)
        c, b, h, w = x.shape
        return super().construct(x.reshape(1, c, b * h, w)).reshape(c, b, h, w)


class LayerNorm(nn.GroupNorm):
    """LayerNorm on maps: mean and variance over the C, H, W of each image, that is GroupNorm with one group."""

    def __init__(self, channels, arithmetic):
        super().__init__(1, channels, eps=1e-5, affine=True)
        self.axis = arithmetic.axis

    def construct(self, x):
        return to_layout(super().construct(to_layout(x, self.axis)), self.axis)


NORMS = {"batch": BatchNorm, "layer": LayerNorm}
