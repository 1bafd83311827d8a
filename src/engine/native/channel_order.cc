#include "channel_order.h"

#include "plan.h"

namespace bimlp {

int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

ChannelOrder halves_order(int channels) {
  const int half = channels / 2, slots = round_up(half, kLanes);
  ChannelOrder order(2 * slots, -1);
  for (int c = 0; c < channels; ++c) order[c < half ? c : slots + c - half] = c;
  return order;
}

ChannelOrder identity_order(int channels, int unit) {
  ChannelOrder order(round_up(channels, unit), -1);
  for (int c = 0; c < channels; ++c) order[c] = c;
  return order;
}

ChannelOrder slots_of_channels(const ChannelOrder &order, int channels) {
  ChannelOrder slot(channels);
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] >= 0) slot[order[i]] = static_cast<int32_t>(i);
  }
  return slot;
}

ChannelOrder even_odd_order(const ChannelOrder &trunk, int channels) {
  const int pairs = static_cast<int>(trunk.size()) / kLanes / 2;
  ChannelOrder order;
  for (int p = 0; p < pairs; ++p) {
    for (int odd = 0; odd < 2; ++odd) {
      for (int l = 0; l < kLanes; ++l) {
        const int c = trunk[kLanes * p + l];
        order.push_back(c < 0 || 2 * c + odd >= channels ? -1 : 2 * c + odd);
      }
    }
  }
  return order;
}

ChannelOrder quarters_order(const ChannelOrder &trunk) {
  ChannelOrder order;
  for (size_t q = 0; q < trunk.size() / kLanes; ++q) {
    for (int i = 0; i < kRatio; ++i) {
      for (int l = 0; l < kLanes; ++l) {
        const int c = trunk[kLanes * q + l];
        order.push_back(c < 0 ? -1 : kRatio * c + i);
      }
    }
  }
  return order;
}

ChannelOrder wave_input_order(const ChannelOrder &trunk, int odd) {
  ChannelOrder order;
  for (int32_t c : trunk) order.push_back(c < 0 ? -1 : 2 * c + odd);
  return order;
}

}  // namespace bimlp
