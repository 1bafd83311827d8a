"""Token mixing of the Spatial Binary MLP (paper, sections 2.2 and 3.2): PATM, CycleFC, axial shift.

Each is a Cell along one axis, "width" or "height": (B, C, H, W) -> (B, C, H, W).
"""

import numpy as np
from mindspore import Tensor, nn

from .binary_fc import channel_binary_fc, spatial_binary_fc
from .layout import shuffle_channels, shuffled_order


class SpatialBinaryMLP(nn.Cell):
    """PATM of Wave-MLP (arXiv 2111.12294) with binary FCs.

    theta = CBFC(x), z = CBFC(x); wave = [z cos theta, z sin theta] (2C channels); y = SBFC(wave), 2C -> C in C groups.
    Output channel c reads wave channels 2c and 2c + 1; its shortcut is their mean.
    """

    def __init__(self, channels, axis, config):
        super().__init__()
        self.phase_fc = channel_binary_fc(channels, channels, config)
        self.phase_fc.fc.counted_bias = True  # as Wave-MLP's phase FC has it
        self.amplitude_fc = channel_binary_fc(channels, channels, config)
        self.mix_fc = spatial_binary_fc(2 * channels, channels, axis, config)
        self.fan_out = config.backend.fan_out(2)
        self.wave = self.make_wave(config.backend)

    def make_wave(self, backend):
        """Cell (theta, z) -> wave."""
        return backend.wave()

    def construct(self, x):
        a, b = self.fan_out(x)
        return self.mix_fc(self.wave(self.phase_fc(a), self.amplitude_fc(b)))


class InterleavedBinaryMLP(SpatialBinaryMLP):
    """PATM with interleaved waves: wave channels 2c, 2c + 1 are z_c cos theta_c, z_c sin theta_c.

    Output channel c of the local FC then reads both parts of wave c. An experiment of this project, not the paper's.
    """

    def make_wave(self, backend):
        return InterleavedWave(backend)


class InterleavedWave(nn.Cell):
    """Wave with interleaved channels: (theta, z) -> channels z_0 cos theta_0, z_0 sin theta_0, z_1 cos theta_1, .."""

    def __init__(self, backend):
        super().__init__()
        self.wave, self.axis = backend.wave(), backend.axis

    def construct(self, theta, z):
        return shuffle_channels(self.wave(theta, z), 2, self.axis)

    def lower(self, graph, theta, z):
        wave = self.wave(theta, z)
        return graph.add("permute", wave, order=shuffled_order(wave.shape[1], 2))


class Shift(nn.Cell):
    """Shift per channel along one axis: y[c, p] = x[c, p + d(c)], 0 outside. A local FC with one tap of 1 per channel.

    offsets: d(c) for each channel, from -reach to reach.
    """

    def __init__(self, offsets, reach, axis, backend):
        super().__init__()
        taps = 2 * reach + 1
        kernel = {"width": (1, taps), "height": (taps, 1)}[axis]
        weight = np.zeros((len(offsets), taps), np.float32)
        weight[np.arange(len(offsets)), np.asarray(offsets) + reach] = 1
        shape = (len(offsets), 1, *kernel)
        self.weight = Tensor(weight.reshape(shape))
        self.conv = backend.conv(shape, 1, tuple(size // 2 for size in kernel), len(offsets))

    def construct(self, x):
        return self.conv(x, self.weight)

    def lower(self, graph, x):
        channels, _, *kernel = self.weight.shape
        padding = tuple(size // 2 for size in kernel) * 2
        window = {"stride": 1, "padding": padding, "groups": channels}
        return graph.add("conv2d", x, weight=self.weight.asnumpy(), notes={"counted": False}, **window)


CYCLE = 3  # CycleMLP's receptive field along one axis


def cycle_offsets(channels):
    """Offsets of CycleFC, Eq. 7: d(c) = ((c + k // 2) mod k) - k // 2, k = 3, which is 0, 1, -1, 0, .."""
    return (np.arange(channels) + CYCLE // 2) % CYCLE - CYCLE // 2


class CycleBinaryFC(nn.Cell):
    """CycleFC of CycleMLP (arXiv 2107.10224; Eq. 6, 7) with a binary FC: CBFC(shift(x)), offsets d of cycle_offsets."""

    def __init__(self, channels, axis, config):
        super().__init__()
        self.shift = Shift(cycle_offsets(channels), CYCLE // 2, axis, config.backend)
        self.fc = channel_binary_fc(channels, channels, config)

    def construct(self, x):
        return self.fc(self.shift(x))


class CycleBinaryMLP(nn.Cell):
    """Two Cycle Binary FCs along one axis. They cost about as much as the PATM."""

    def __init__(self, channels, axis, config):
        super().__init__()
        self.fc1 = CycleBinaryFC(channels, axis, config)
        self.fc2 = CycleBinaryFC(channels, axis, config)

    def construct(self, x):
        return self.fc2(self.fc1(x))


SHIFT_SIZE = 5  # groups of AS-MLP's axial shift


def axial_offsets(channels):
    """Offsets of the axial shift: d(c) = s // 2 - g for channel c in group g = c // ceil(C / s), s = 5."""
    group = -(-channels // SHIFT_SIZE)
    return SHIFT_SIZE // 2 - np.arange(channels) // group


class AxialShiftBinaryMLP(nn.Cell):
    """Axial shift of AS-MLP (arXiv 2107.08391) with binary FCs: CBFC(shift(CBFC(x))), offsets d of axial_offsets."""

    def __init__(self, channels, axis, config):
        super().__init__()
        self.fc1 = channel_binary_fc(channels, channels, config)
        self.shift = Shift(axial_offsets(channels), SHIFT_SIZE // 2, axis, config.backend)
        self.fc2 = channel_binary_fc(channels, channels, config)

    def construct(self, x):
        return self.fc2(self.shift(self.fc1(x)))


# name -> (channels, axis, config) -> Cell
TOKEN_MIXERS = {
    "patm": SpatialBinaryMLP,
    "patm_interleaved": InterleavedBinaryMLP,
    "cycle_fc": CycleBinaryMLP,
    "axial_shift": AxialShiftBinaryMLP,
}
