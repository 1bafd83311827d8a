// Orders of channels in rows of slots (picture in plan.h).
#pragma once
#include <cstdint>
#include <vector>

namespace bimlp {

using ChannelOrder = std::vector<int32_t>;  // channel of each slot, or -1 for padding

// Smallest multiple of `unit` that is at least n.
int round_up(int n, int unit);

// Order of a map: both halves of its channels, each padded to whole blocks.
ChannelOrder halves_order(int channels);

// Channel i in slot i, padded to a multiple of `unit`.
ChannelOrder identity_order(int channels, int unit);

// Slot of each channel.
ChannelOrder slots_of_channels(const ChannelOrder &order, int channels);

// Order of phase and amplitude: block 2 p holds channels 2 c, block 2 p + 1 channels 2 c + 1, for the c of block p.
ChannelOrder even_odd_order(const ChannelOrder &trunk, int channels);

// Order of the hidden layer: block 4 q + i holds channels 4 c + i for the channels c of block q.
ChannelOrder quarters_order(const ChannelOrder &trunk);

// Order of the wave's even (0) or odd (1) channels, which are input 0 or 1 of the local FC's channel in the same slot.
ChannelOrder wave_input_order(const ChannelOrder &trunk, int odd);

}  // namespace bimlp
