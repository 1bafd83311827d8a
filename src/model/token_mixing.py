"""The Spatial Binary MLP in its local forms (paper, sections 2.2 and 3.2): PATM, CycleFC, axial shift."""

import numpy as np
from mindspore import Tensor, nn

from .elements import ChannelBinaryFC, SpatialBinaryFC
from .functions import interleave


class SpatialBinaryMLP(nn.Cell):
    """The PATM form along one axis, (B, C, H, W) -> (B, C, H, W).

    theta = CBFC(x), z = CBFC(x); wave = [z cos theta, z sin theta] (2C channels); SBFC 2C -> C with C
    groups: output c sees wave channels 2c and 2c + 1, and its shortcut is their mean.
    """

    def __init__(self, channels, axis, arithmetic):
        super().__init__()
        self.phase_fc = ChannelBinaryFC(channels, channels, arithmetic)
        self.amplitude_fc = ChannelBinaryFC(channels, channels, arithmetic)
        self.mix_fc = SpatialBinaryFC(2 * channels, channels, axis, arithmetic)
        self.fan_out = arithmetic.backend.fan_out(2)
        self.wave = self.make_wave(arithmetic.backend)

    def make_wave(self, backend):
        """The Cell (theta, z) -> wave."""
        return backend.wave()

    def construct(self, x):
        a, b = self.fan_out(x)
        return self.mix_fc(self.wave(self.phase_fc(a), self.amplitude_fc(b)))


class InterleavedBinaryMLP(SpatialBinaryMLP):
    """The PATM form with cos and sin side by side: wave channels 2c, 2c + 1 are z_c cos theta_c, z_c sin theta_c.

    So output c of the local FC sees both parts of wave c. An experiment, not the paper's.
    """

    def make_wave(self, backend):
        return InterleavedWave(backend)


class InterleavedWave(nn.Cell):
    """(theta, z) -> the wave with channels 2c, 2c + 1 of channel c."""

    def __init__(self, backend):
        super().__init__()
        self.wave, self.axis = backend.wave(), backend.axis

    def construct(self, theta, z):
        return interleave(self.wave(theta, z), self.axis)


class Shift(nn.Cell):
    """y[c, p] = x[c, p + d(c)] along one axis, 0 outside: a local FC with one tap of 1 per channel.

    offsets: d(c) for each channel, at most `reach` each way.
    """

    def __init__(self, offsets, reach, axis, backend):
        super().__init__()
        taps = 2 * reach + 1
        kernel = {"width": (1, taps), "height": (taps, 1)}[axis]
        weight = np.zeros((len(offsets), taps), np.float32)
        weight[np.arange(len(offsets)), np.asarray(offsets) + reach] = 1
        self.weight = Tensor(weight.reshape(-1, 1, *kernel))
        self.local_fc = backend.local_fc(kernel, len(offsets), 1)

    def construct(self, x):
        return self.local_fc(x, self.weight)


CYCLE = 3  # CycleMLP's receptive field along one axis


def cycle_offsets(channels):
    """d(c) = ((c + k // 2) mod k) - k // 2, k = 3: 0, 1, -1, 0, .. (Eq. 7)."""
    return (np.arange(channels) + CYCLE // 2) % CYCLE - CYCLE // 2


class CycleBinaryFC(nn.Cell):
    """CycleFC (Eq. 6, 7) as a Channel Binary FC: CBFC(shift(x)), channel c read at p + d(c) along one axis."""

    def __init__(self, channels, axis, arithmetic):
        super().__init__()
        self.shift = Shift(cycle_offsets(channels), CYCLE // 2, axis, arithmetic.backend)
        self.fc = ChannelBinaryFC(channels, channels, arithmetic)

    def construct(self, x):
        return self.fc(self.shift(x))


class CycleBinaryMLP(nn.Cell):
    """Two Cycle Binary FCs along one axis, which cost about what the PATM form does: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels, axis, arithmetic):
        super().__init__()
        self.fc1 = CycleBinaryFC(channels, axis, arithmetic)
        self.fc2 = CycleBinaryFC(channels, axis, arithmetic)

    def construct(self, x):
        return self.fc2(self.fc1(x))


SHIFT_SIZE = 5  # groups of AS-MLP's axial shift


def axial_offsets(channels):
    """d(c) = s // 2 - g for channel c in group g of s = 5, each of ceil(C / s): it reads position p - (g - s // 2)."""
    group = -(-channels // SHIFT_SIZE)
    return SHIFT_SIZE // 2 - np.arange(channels) // group


class AxialShiftBinaryMLP(nn.Cell):
    """AS-MLP's form along one axis: CBFC, axial shift, CBFC; (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels, axis, arithmetic):
        super().__init__()
        self.fc1 = ChannelBinaryFC(channels, channels, arithmetic)
        self.shift = Shift(axial_offsets(channels), SHIFT_SIZE // 2, axis, arithmetic.backend)
        self.fc2 = ChannelBinaryFC(channels, channels, arithmetic)

    def construct(self, x):
        return self.fc2(self.shift(self.fc1(x)))


# name -> (channels, axis, arithmetic) -> Cell
TOKEN_MIXERS = {
    "patm": SpatialBinaryMLP,
    "patm_interleaved": InterleavedBinaryMLP,
    "cycle_fc": CycleBinaryMLP,
    "axial_shift": AxialShiftBinaryMLP,
}
