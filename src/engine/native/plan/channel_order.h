// Orders of channels in rows of slots (picture in ops/layers.h).
#pragma once
#include <cstdint>
#include <vector>

namespace bimlp {

using ChannelOrder = std::vector<int32_t>;  // channel of each slot, or -1 for padding

// Smallest multiple of `unit` that is at least n.
int round_up(int n, int unit);

// Channel i in slot i, padded to a multiple of `unit`.
ChannelOrder identity_order(int channels, int unit);

// Order in which block n q + i holds channels n c + i for the channels c of block q of `order`.
ChannelOrder interleaved_order(const ChannelOrder &order, int n, int channels);

}  // namespace bimlp
