#include <algorithm>
#include <map>
#include <numeric>

#include "sums_of_bits.h"
#include "weights.h"

namespace bimlp {
namespace {

// Taps [first, last) along an axis that lie inside of the map.
using Taps = std::pair<int, int>;

// Classes of the places along an axis by their taps inside of the map.
struct Classes {
  std::vector<Taps> taps;   // by class
  std::vector<int32_t> of;  // by place

  Classes(int places, int size, int kernel, int stride, int before) {
    std::map<Taps, int32_t> found;
    for (int i = 0; i < places; ++i) {
      const int from = i * stride - before;
      const Taps inside = {std::min(std::max(0, -from), kernel), std::max(std::min(kernel, size - from), 0)};
      const auto [at, is_new] = found.emplace(inside, static_cast<int32_t>(taps.size()));
      if (is_new) taps.push_back(inside);
      of.push_back(at->second);
    }
  }
};

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
int planes_of(Levels levels) { return levels == Levels::kThree ? 2 : 1; }

}  // namespace

const int8_t *Weights::levels_of(const ChannelOrder &order, int level) {
  auto *bytes = memory_.get<int8_t>(order.size());
  for (size_t i = 0; i < order.size(); ++i) bytes[i] = static_cast<int8_t>(order[i] < 0 ? 0 : level);
  return bytes;
}

const uint32_t *Weights::outside_signs(const Node &conv, Levels levels, const ChannelOrder &in, bool paired) {
  const Outside outside(conv, levels, tiles_);
  if (tiles_) return reinterpret_cast<const uint32_t *>(levels_of(in, outside.level));
  const int planes = planes_of(levels), words = words_of(in);
  uint32_t *to = memory_.get<uint32_t>(size_t(planes) * words);
  for (int p = 0; p < planes; ++p) {
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i] >= 0 && outside.bit[p]) to[size_t(p) * words + i / 32] |= 1u << i % 32;
    }
  }
  if (paired) pair_words(to, size_t(planes) * words, 1);
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

const uint32_t *Weights::window_bits(const Node &conv, Levels levels, size_t channels, const ChannelOrder &in,
                                     const ChannelOrder &out, bool paired) {
  const size_t taps = size_t(conv[kKernelHeight]) * conv[kKernelWidth];
  const int planes = planes_of(levels), words = words_of(in);
  auto *weight = memory_.get<uint32_t>(out.size() * taps * planes * words);
  for (size_t slot = 0; slot < out.size(); ++slot) {
    if (out[slot] < 0) continue;
    for (size_t n = 0; n < taps * in.size(); ++n) {
      const size_t tap = n / in.size(), i = n % in.size();
      if (in[i] < 0 || !bit_of(conv, (out[slot] * channels + in[i]) * taps + tap)) continue;
      for (int p = 0; p < planes; ++p)
        weight[(((slot / kLanes * taps + tap) * planes + p) * words + i / 32) * kLanes + slot % kLanes] |= 1u << i % 32;
    }
  }
  if (paired) pair_words(weight, out.size() * taps * planes * words, kLanes);
  return weight;
}

WindowLayer Weights::window(const Node &conv, Levels levels, const Shape &shape, const Epilogue &e,
                            const ChannelOrder &in, const ChannelOrder &out, int words, bool paired) {
  const int height = static_cast<int>(conv[kKernelHeight]), width = static_cast<int>(conv[kKernelWidth]);
  const size_t taps = size_t(height) * width;
  const int positions = static_cast<int>(conv[kLeft] + shape.width + conv[kRight]);
  WindowLayer layer = {};
  layer.words = words;
  layer.paired = paired;
  layer.kernel[0] = height;
  layer.kernel[1] = width;
  layer.stride = static_cast<int>(conv[kStride]);
  layer.row = positions * layer.words;
  layer.blocks = static_cast<int>(out.size()) / kLanes;
  if (tiles_) {
    layer.tiles = sign_tiles(conv, shape.channels, in, out);
  } else {
    layer.weight = window_bits(conv, levels, shape.channels, in, out, paired);
  }
  layer.affine = affine(e, out);
  const Classes rows(conv.shape.height, shape.height, height, layer.stride, conv[kTop]);
  const Classes columns(conv.shape.width, shape.width, width, layer.stride, conv[kLeft]);
  float *base = memory_.get<float>(out.size() * rows.taps.size() * columns.taps.size());
  const Outside outside(conv, levels, tiles_);
  for (size_t slot = 0; slot < out.size(); ++slot) {
    if (out[slot] < 0) continue;
    const std::vector<int> sums = sums_of(conv, out[slot], shape.channels, taps);
    const int total = std::accumulate(sums.begin(), sums.end(), 0);
    const ScaledSum s =
        tiles_ ? ScaledSum() : SumOfMismatches(levels, static_cast<double>(taps * shape.channels), total);
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
