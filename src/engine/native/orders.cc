#include "orders.h"

#include "plan.h"

namespace bimlp {

int rounded(int n, int unit) { return (n + unit - 1) / unit * unit; }

Order halves_of(int channels) {
  const int half = channels / 2, slots = rounded(half, kLanes);
  Order order(2 * slots, -1);
  for (int c = 0; c < channels; ++c) order[c < half ? c : slots + c - half] = c;
  return order;
}

Order in_turn(int channels, int unit) {
  Order order(rounded(channels, unit), -1);
  for (int c = 0; c < channels; ++c) order[c] = c;
  return order;
}

Order inverse(const Order &order, int channels) {
  Order slot(channels);
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] >= 0) slot[order[i]] = static_cast<int32_t>(i);
  }
  return slot;
}

Order evens_and_odds(const Order &trunk, int channels) {
  const int pairs = static_cast<int>(trunk.size()) / kLanes / 2;
  Order order;
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

Order quarters(const Order &trunk) {
  Order order;
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

Order wave_inputs(const Order &trunk, int odd) {
  Order order;
  for (int32_t c : trunk) order.push_back(c < 0 ? -1 : 2 * c + odd);
  return order;
}

}  // namespace bimlp
