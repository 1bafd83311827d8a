#include "channel_order.h"

#include "../ops/layers.h"

namespace bimlp {

int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

ChannelOrder identity_order(int channels, int unit) {
  ChannelOrder order(round_up(channels, unit), -1);
  for (int c = 0; c < channels; ++c) order[c] = c;
  return order;
}

ChannelOrder interleaved_order(const ChannelOrder &order, int n, int channels) {
  ChannelOrder out;
  for (size_t q = 0; q < order.size(); q += kLanes) {
    for (int i = 0; i < n; ++i) {
      for (int l = 0; l < kLanes; ++l) {
        const int c = order[q + l];
        out.push_back(c < 0 || n * c + i >= channels ? -1 : n * c + i);
      }
    }
  }
  return out;
}

}  // namespace bimlp
