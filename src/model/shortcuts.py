"""Shortcuts around binary layers: the Uni-shortcut and what Table 5 compares it with."""

from mindspore import nn, ops

from .layout import GroupMean


class Repeat(nn.Cell):
    """n copies side by side: channel k of the output is x[k mod C]."""

    def __init__(self, copies, axis):
        super().__init__()
        self.copies, self.axis = copies, axis

    def construct(self, x):
        return ops.concat((x,) * self.copies, self.axis)


def uni_shortcut(in_channels, out_channels, axis):
    """Eq. 12: the Cell U from maps of in_channels to maps of out_channels.

    Equal widths: the identity; out = n in: n copies concatenated; in = n out: the mean of n adjacent
    channels, out[j] = mean(x[n j .. n j + n - 1]).
    Raises ValueError when neither width is a multiple of the other.
    """
    if out_channels == in_channels:
        return nn.Identity()
    if out_channels % in_channels == 0:
        return Repeat(out_channels // in_channels, axis)
    if in_channels % out_channels == 0:
        return GroupMean(in_channels // out_channels, axis)
    raise ValueError(
        f"Uni-shortcut: expected widths of which one is a multiple of the other, got {in_channels} -> {out_channels}"
    )


def same_shape_shortcut(in_channels, out_channels, axis):
    """The traditional shortcut: x where the widths are equal, else none."""
    return nn.Identity() if in_channels == out_channels else None


def no_shortcut(in_channels, out_channels, axis):
    """None: the layer's output alone."""
    return None


# name -> (in_channels, out_channels, axis) -> a Cell, or None for none
SHORTCUTS = {"uni": uni_shortcut, "same_shape": same_shape_shortcut, "none": no_shortcut}
