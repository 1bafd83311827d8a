#include <algorithm>
#include <numeric>

#include "classes.h"
#include "sums_of_bits.h"
#include "weights.h"

namespace bimlp {
namespace {

// Sums of the signs of a filter's weights, by tap.
std::vector<int> sums_of(const Node &conv, size_t filter, size_t channels, size_t taps) {
  std::vector<int> sums(taps, 0);
  for (size_t i = 0; i < channels * taps; ++i) sums[i % taps] += bit_of(conv, filter * channels * taps + i) ? 1 : -1;
  return sums;
}

// Words of which each second one is XORed with the first; in vectors of `lanes`.
void pair_words(uint32_t *words, size_t count, int lanes) {
  for (size_t i = 0; i < count; i += 2 * lanes) {
    for (int l = 0; l < lanes; ++l) words[i + lanes + l] ^= words[i + l];
  }
}

int words_of(const ChannelOrder &order) { return (static_cast<int>(order.size()) + 31) / 32; }

}  // namespace

const int8_t *Weights::levels_of(const ChannelOrder &order, int level) {
  auto *bytes = memory_.get<int8_t>(order.size());
  for (size_t i = 0; i < order.size(); ++i) bytes[i] = static_cast<int8_t>(order[i] < 0 ? 0 : level);
  return bytes;
}

const uint32_t *Weights::outside_signs(const Node &conv, Levels levels, const ChannelOrder &in,
                                       const WindowSigns &signs) {
  const Outside outside(conv, levels, signs.bytes);
  if (signs.bytes) return reinterpret_cast<const uint32_t *>(levels_of(in, outside.level));
  const int words = words_of(in);
  uint32_t *to = memory_.get<uint32_t>(signs.words);
  for (int p = 0; p < signs.planes; ++p) {
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i] >= 0 && outside.bit[p]) to[size_t(p) * words + i / 32] |= 1u << i % 32;
    }
  }
  if (signs.paired) pair_words(to, signs.words, 1);
  return to;
}

SignTiles Weights::sign_tiles(const Node &conv, size_t channels, const ChannelOrder &in, const ChannelOrder &out) {
  constexpr size_t kRows = 16, kInputs = 4;  // rows of a tile, inputs of a row
  const size_t height = conv[kKernelHeight], width = conv[kKernelWidth], taps = height * width;
  const size_t length = width * in.size(), steps = (length + kRows * kInputs - 1) / (kRows * kInputs);
  const size_t last = (steps - 1) * kRows;  // row
  auto *sign =
      memory_.get<uint64_t>((out.size() / kLanes * height * steps + 1) * kRows);  // and a tile that is not used
  auto *valid = memory_.get<uint32_t>(kRows);
  for (size_t k = 0; k < length; ++k) {
    const size_t i = k % in.size(), column = k / in.size(), row = k / kInputs, byte = k % kInputs;
    if (row >= last) valid[row - last] |= 0xffu << 8 * byte;
    if (in[i] < 0) continue;
    for (size_t slot = 0; slot < out.size(); ++slot) {
      for (size_t run = 0; out[slot] >= 0 && run < height; ++run) {
        if (bit_of(conv, (out[slot] * channels + in[i]) * taps + run * width + column))
          sign[(slot / kLanes * height + run) * steps * kRows + row] |= 1ull << (kInputs * (slot % kLanes) + byte);
      }
    }
  }
  return {static_cast<int>(height), static_cast<int>(steps), sign, valid};
}

const uint32_t *Weights::window_bits(const Node &conv, const ChannelOrder &in, const ChannelOrder &out,
                                     const WindowSigns &signs) {
  const size_t taps = size_t(conv[kKernelHeight]) * conv[kKernelWidth], groups = conv[kGroups], planes = signs.planes;
  const size_t words = signs.words / planes / groups, slots = in.size() / groups;  // of a group
  const size_t channels = std::count_if(in.begin(), in.end(), [](int32_t c) { return c >= 0; }) / groups;
  auto *weight = memory_.get<uint32_t>(out.size() * taps * planes * words);
  for (size_t slot = 0; slot < out.size(); ++slot) {
    if (out[slot] < 0) continue;
    for (size_t n = 0; n < taps * slots; ++n) {
      // of a group, whose channels are in their order if there are several
      const size_t tap = n / slots, i = n % slots, channel = groups == 1 ? in[i] : i;
      if (in[i] < 0 || !bit_of(conv, (out[slot] * channels + channel) * taps + tap)) continue;
      for (size_t p = 0; p < planes; ++p)
        weight[(((slot / kLanes * taps + tap) * planes + p) * words + i / 32) * kLanes + slot % kLanes] |= 1u << i % 32;
    }
  }
  if (signs.paired) pair_words(weight, out.size() * taps * planes * words, kLanes);
  return weight;
}

WindowLayer Weights::window(const Node &conv, Levels levels, const Shape &shape, const Epilogue &e,
                            const ChannelOrder &in, const ChannelOrder &out, const WindowSigns &signs) {
  const int height = static_cast<int>(conv[kKernelHeight]), width = static_cast<int>(conv[kKernelWidth]);
  const size_t taps = size_t(height) * width, channels = shape.channels / conv[kGroups];
  const int positions = static_cast<int>(conv[kLeft] + shape.width + conv[kRight]);
  WindowLayer layer = {};
  layer.words = signs.words;
  layer.paired = signs.paired;
  layer.kernel[0] = height;
  layer.kernel[1] = width;
  layer.stride = static_cast<int>(conv[kStride]);
  layer.row = positions * layer.words;
  layer.blocks = static_cast<int>(out.size()) / kLanes;
  layer.group_blocks = layer.blocks / static_cast<int>(conv[kGroups]);
  layer.group_words = layer.words / static_cast<int>(conv[kGroups]);
  if (signs.bytes) {
    layer.tiles = sign_tiles(conv, channels, in, out);
  } else {
    layer.weight = window_bits(conv, in, out, signs);
  }
  layer.affine = affine(e, out);
  const Classes rows(conv.shape.height, shape.height, height, layer.stride, conv[kTop]);
  const Classes columns(conv.shape.width, shape.width, width, layer.stride, conv[kLeft]);
  float *base = memory_.get<float>(out.size() * rows.taps.size() * columns.taps.size());
  const Outside outside(conv, levels, signs.bytes);
  for (size_t slot = 0; slot < out.size(); ++slot) {
    if (out[slot] < 0) continue;
    const std::vector<int> sums = sums_of(conv, out[slot], channels, taps);
    const int total = std::accumulate(sums.begin(), sums.end(), 0);
    const ScaledSum s =
        signs.bytes ? ScaledSum() : SumOfMismatches(levels, static_cast<double>(taps * channels), total);
    layer.scale = static_cast<float>(s.scale);
    float *to = base + slot;
    for (const Taps &y : rows.taps) {
      for (const Taps &x : columns.taps) {
        int inside = 0;  // sum of the weights of taps inside of the map
        for (int k = y.first; k < y.second; ++k) {
          for (int l = x.first; l < x.second; ++l) inside += sums[k * width + l];
        }
        *to = static_cast<float>(s.base + outside.factor * (total - inside));
        to += out.size();
      }
    }
  }
  layer.base = base;
  layer.columns = static_cast<int>(columns.taps.size());
  layer.row_class = copy(rows.of);
  layer.column_class = copy(columns.of);
  return layer;
}

}  // namespace bimlp
