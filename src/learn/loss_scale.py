"""Loss scaling: a factor on the loss keeps float16 from rounding gradients to 0; the update divides by it."""

import numpy as np
from mindspore import Tensor

OFF, DYNAMIC = "off", "dynamic"
FLOOR, CEILING = 1.0, 1e30  # of a dynamic scale


def next_scale(scale, steps, finite, window, growth, backoff):
    """(dynamic loss scale after a step, steps without overflow since it changed).

    Overflow: (max(FLOOR, backoff scale), 0). Else steps + 1; at `window` of them (min(CEILING, growth scale), 0).

    Args:
        steps: without overflow since it changed, before this one.
        finite: whether the step's gradients are.
    """
    if not finite:
        return max(FLOOR, backoff * scale), 0
    if steps + 1 < window:
        return scale, steps + 1
    return min(CEILING, growth * scale), 0


class LossScale:
    """Loss scale of one stage by train.loss_scale; Progress holds its state: loss_scale (0: off), scale_steps.

    Attributes:
        on: whether there is one.
        dynamic: whether it moves.
        start: the first one, 0 where there is none.
    """

    def __init__(self, train):
        self.on, self.dynamic = train.loss_scale != OFF, train.loss_scale == DYNAMIC
        self.rule = train.loss_scale_window, train.loss_scale_growth, train.loss_scale_backoff
        self.start = 0.0
        if self.on:
            self.start = train.loss_scale_start if self.dynamic else float(train.loss_scale)

    def can_fall(self, progress):
        """True where a smaller scale is left: an overflow is then no fault of the numbers."""
        return self.dynamic and progress.loss_scale > FLOOR

    def move(self, progress, finite):
        """Take note of a step whose loss is finite; finite: whether its gradients are."""
        if self.dynamic:
            moved = next_scale(progress.loss_scale, progress.scale_steps, finite, *self.rule)
            progress.loss_scale, progress.scale_steps = moved

    def tensor(self, progress):
        """The scale as the step takes it, a tensor of one number; None where it is off."""
        return Tensor(np.float32(progress.loss_scale)) if self.on else None
