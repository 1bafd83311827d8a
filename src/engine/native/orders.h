// Slots: which channel each position of a row of numbers or bits holds (see plan.h).
#pragma once
#include <cstdint>
#include <vector>

namespace bimlp {

using Order = std::vector<int32_t>;  // per slot the channel, or -1

int rounded(int n, int unit);  // up

// of a map: the halves of its channels, each filled up to whole blocks
Order halves_of(int channels);

// channels in turn, filled up
Order in_turn(int channels, int unit);

// channel -> slot
Order inverse(const Order &order, int channels);

// The phase's and amplitude's channels: block 2 p holds 2 c, block 2 p + 1 holds 2 c + 1 for the channels c of block p.
Order evens_and_odds(const Order &trunk, int channels);

// The hidden layer's channels: block 4 q + i holds 4 c + i for the channels c of block q.
Order quarters(const Order &trunk);

// The wave's even (0) or odd (1) channels: those that are an input of the local FC's channel at a slot.
Order wave_inputs(const Order &trunk, int odd);

}  // namespace bimlp
