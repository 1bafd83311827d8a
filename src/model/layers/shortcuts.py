"""Shortcuts around binary layers: the Uni-shortcut, and the two that Table 5 compares it with."""

from mindspore import nn, ops

from .layout import GroupMean


class Repeat(nn.Cell):
    """Concatenation of n copies: channel k of the output is x[k mod C]."""

    def __init__(self, copies, axis):
        super().__init__()
        self.copies, self.axis = copies, axis

    def construct(self, x):
        return ops.concat((x,) * self.copies, self.axis)

    def lower(self, graph, x):
        return graph.add("concat", *(x,) * self.copies)


def uni_shortcut(in_channels, out_channels, axis):
    """Uni-shortcut, Eq. 12: the Cell U from in_channels to out_channels.

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
    """Traditional shortcut: the identity where the widths are equal, else None."""
    return nn.Identity() if in_channels == out_channels else None


def no_shortcut(in_channels, out_channels, axis):
    """No shortcut: None."""
    return None


# name -> (in_channels, out_channels, axis) -> a Cell, or None for none
SHORTCUTS = {"uni": uni_shortcut, "same_shape": same_shape_shortcut, "none": no_shortcut}
