// Slots: which channel each position of a row of numbers or bits holds (see plan.h).
#pragma once
#include <cstdint>
#include <vector>

namespace bimlp {

using ChannelOrder = std::vector<int32_t>;  // per slot the channel, or -1

int round_up(int n, int unit);  // up

// of a map: the halves of its channels, each filled up to whole blocks
ChannelOrder halves_order(int channels);

// channels in turn, filled up
ChannelOrder identity_order(int channels, int unit);

// channel -> slot
ChannelOrder slots_of_channels(const ChannelOrder &order, int channels);

// The phase's and amplitude's channels: block 2 p holds 2 c, block 2 p + 1 holds 2 c + 1 for the channels c of block p.
ChannelOrder even_odd_order(const ChannelOrder &trunk, int channels);

// The hidden layer's channels: block 4 q + i holds 4 c + i for the channels c of block q.
ChannelOrder quarters_order(const ChannelOrder &trunk);

// The wave's even (0) or odd (1) channels: those that are an input of the local FC's channel at a slot.
ChannelOrder wave_input_order(const ChannelOrder &trunk, int odd);

}  // namespace bimlp
