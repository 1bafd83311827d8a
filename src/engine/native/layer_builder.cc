#include "layer_builder.h"

#include <algorithm>
#include <limits>
#include <map>

namespace bimlp {
namespace {

// Whether a bit is set.
bool bit(const Bits &bits, size_t row, size_t column) {
  return bits.data[row * bits.words + column / 32] >> column % 32 & 1;
}

}  // namespace

const float *LayerBuilder::in_slots(const Floats &from, const ChannelOrder &order) {
  float *to = memory_.get<float>(order.size());
  for (size_t i = 0; i < order.size(); ++i) to[i] = order[i] < 0 ? 0.0f : from.data[order[i]];
  return to;
}

const int32_t *LayerBuilder::copy(const ChannelOrder &values) {
  auto *to = memory_.get<int32_t>(values.size());
  std::copy(values.begin(), values.end(), to);
  return to;
}

// Thresholds of the bits: x + shift > 0 exactly if x > -shift. Padding never exceeds infinity.
const float *LayerBuilder::threshold(const Floats &shift, const ChannelOrder &order) {
  float *to = memory_.get<float>(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    to[i] = order[i] < 0 ? std::numeric_limits<float>::infinity() : -shift.data[order[i]];
  }
  return to;
}

// Affine of the count d of mismatches, for the sum of `count` signs is count - 2 d.
Affine LayerBuilder::affine(const PackedBinary &layer, const ChannelOrder &out, int count) {
  float *factor = memory_.get<float>(out.size()), *offset = memory_.get<float>(out.size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] < 0) continue;
    const double f = layer.factor.data[out[i]], o = layer.offset.data[out[i]];
    factor[i] = static_cast<float>(-2 * f);
    offset[i] = static_cast<float>(o + count * f);
  }
  return {factor, offset, in_slots(layer.slope, out), in_slots(layer.shift_out, out)};
}

BinaryFC LayerBuilder::binary_fc(const PackedBinary &layer, const ChannelOrder &in, const ChannelOrder &out,
                                 const int32_t *shortcut) {
  BinaryFC fc;
  fc.index = static_cast<int>(inputs.size());
  inputs.push_back({in});
  fc.inputs = static_cast<int>(in.size());
  fc.words = fc.inputs / 32;
  fc.blocks = static_cast<int>(out.size()) / kLanes;
  fc.threshold = threshold(layer.shift, in);
  fc.affine = affine(layer, out, static_cast<int>(layer.weight.columns));
  fc.shortcut = shortcut;
  std::vector<uint32_t> rows(out.size() * fc.words);
  for (size_t o = 0; o < out.size(); ++o) {
    if (out[o] < 0) continue;
    const uint32_t *from = layer.weight.data + static_cast<size_t>(out[o]) * layer.weight.words;
    uint32_t *to = rows.data() + o * fc.words;
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i] >= 0) to[i / 32] |= (from[in[i] / 32] >> in[i] % 32 & 1) << i % 32;
    }
  }
  auto *weight = memory_.get<uint32_t>(rows.size()), *at = weight;
  for (int b = 0; b < fc.blocks; ++b) {
    for (int k = 0; k < fc.words; ++k) {
      for (int l = 0; l < kLanes; ++l) *at++ = rows[static_cast<size_t>(kLanes * b + l) * fc.words + k];
    }
  }
  fc.weight = weight;
  return fc;
}

LocalFC LayerBuilder::local_fc(const PackedBinary &layer, const std::vector<ChannelOrder> &in, const ChannelOrder &out,
                               bool height, int size) {
  LocalFC fc;
  fc.index = static_cast<int>(inputs.size());
  inputs.push_back(in);
  fc.groups = static_cast<int>(in.size());
  fc.height = height;
  fc.blocks = static_cast<int>(out.size()) / kLanes;
  for (int g = 0; g < fc.groups; ++g) fc.threshold[g] = threshold(layer.shift, in[g]);
  // a row of bits for each input and tap, repeated for each token of a row of the map
  const size_t token = out.size() / 8, stride = round_up(static_cast<int>(token * size), kLine);
  uint8_t *weight = memory_.get<uint8_t>(stride * fc.groups * kTaps);
  for (int r = 0; r < fc.groups * kTaps; ++r) {
    for (size_t o = 0; o < out.size(); ++o) {
      if (out[o] >= 0 && bit(layer.weight, r, out[o])) {
        for (int t = 0; t < size; ++t) weight[r * stride + t * token + o / 8] |= 1 << o % 8;
      }
    }
  }
  fc.weight = weight;
  fc.weight_stride = stride;
  // position classes, by the taps [first, last) that lie inside the map
  std::map<std::pair<int, int>, int> classes;
  int32_t *position = memory_.get<int32_t>(size);
  for (int p = 0; p < size; ++p) {
    const int first = std::max(0, kMargin - p), last = std::min(kTaps, size + kMargin - p);
    position[p] = classes.emplace(std::make_pair(first, last), classes.size()).first->second;
  }
  fc.position = position;
  float *factor = memory_.get<float>(out.size()), *offset = memory_.get<float>(out.size() * classes.size());
  for (size_t o = 0; o < out.size(); ++o) {
    if (out[o] < 0) continue;
    const double f = layer.factor.data[out[o]];
    factor[o] = static_cast<float>(-2 * f);
    for (const auto &[taps, number] : classes) {
      // bits of the margin are 0 and differ from weights of 1: the offset takes these mismatches off
      int inside = 0, outside_ones = 0;
      for (int g = 0; g < fc.groups; ++g) {
        for (int k = 0; k < kTaps; ++k) {
          const bool in_map = k >= taps.first && k < taps.second;
          inside += in_map;
          outside_ones += !in_map && bit(layer.weight, g * kTaps + k, out[o]);
        }
      }
      offset[number * out.size() + o] = static_cast<float>(layer.offset.data[out[o]] + f * (inside + 2 * outside_ones));
    }
  }
  fc.factor = factor;
  fc.offset = offset;
  fc.slope = in_slots(layer.slope, out);
  fc.shift_out = in_slots(layer.shift_out, out);
  return fc;
}

FullFC LayerBuilder::full_fc(const PackedFull &layer, int runs, const ChannelOrder &in, const ChannelOrder &out) {
  FullFC fc;
  fc.runs = runs;
  fc.length = static_cast<int>(in.size());
  fc.blocks = static_cast<int>(out.size()) / kLanes;
  fc.affine = {in_slots(layer.factor, out), in_slots(layer.offset, out), in_slots(layer.slope, out),
               in_slots(layer.shift_out, out)};
  fc.weight = full_weight(layer.weight.data, layer.weight.size / layer.factor.size, runs, in, out);
  return fc;
}

// Weights as blocks x runs x length x 16.
const float *LayerBuilder::full_weight(const float *weight, size_t inputs, int runs, const ChannelOrder &in,
                                       const ChannelOrder &out) {
  float *to = memory_.get<float>(out.size() * runs * in.size()), *at = to;
  for (size_t block = 0; block < out.size(); block += kLanes) {
    for (int r = 0; r < runs; ++r) {
      for (int32_t i : in) {
        for (int l = 0; l < kLanes; ++l) {
          const int32_t o = out[block + l];
          *at++ = i < 0 || o < 0 ? 0.0f : weight[o * inputs + r * (inputs / runs) + i];
        }
      }
    }
  }
  return to;
}

Head LayerBuilder::head(const Packed &packed, const ChannelOrder &in) {
  const ChannelOrder out = identity_order(static_cast<int>(packed.description.classes), kLanes);
  Head head;
  head.inputs = static_cast<int>(in.size());
  head.blocks = static_cast<int>(out.size()) / kLanes;
  head.norm_factor = in_slots(packed.norm.factor, in);
  head.norm_offset = in_slots(packed.norm.offset, in);
  head.bias = in_slots(packed.head_bias, out);
  head.weight = full_weight(packed.head_weight.data, packed.description.widths.back(), 1, in, out);
  return head;
}

}  // namespace bimlp
