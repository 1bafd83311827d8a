#include <algorithm>
#include <cstring>

#include "../ops/tiles.h"
#include "weights.h"

namespace bimlp {

// Channels that the outputs of each block read: `length` from `first` on.
struct Weights::Inputs {
  std::vector<int32_t> first;
  int length = 0;

  Inputs(const Node &conv, int channels, int blocks) {
    const int group = channels / static_cast<int>(conv[kGroups]), outputs = conv.shape.channels / conv[kGroups];
    const int last_output = static_cast<int>(conv.shape.channels) - 1;
    for (int b = 0; b < blocks; ++b) {
      first.push_back(kLanes * b / outputs * group);
      length = std::max(length, (std::min(kLanes * b + kLanes - 1, last_output) / outputs + 1) * group - first[b]);
    }
    for (int32_t &f : first) f = std::min(f, channels - length);
  }
};

FullLayer Weights::full(const Node &conv, uint32_t channels, const Epilogue &e, const ChannelOrder &out) {
  const size_t taps = size_t(conv[kKernelHeight]) * conv[kKernelWidth], group = channels / conv[kGroups];
  const uint32_t outputs = conv.shape.channels / conv[kGroups];
  FullLayer fc = {};
  fc.channels = static_cast<int>(channels);
  fc.runs = static_cast<int>(conv[kKernelHeight]);
  fc.blocks = static_cast<int>(out.size()) / kLanes;
  fc.affine = affine(e, out);
  const Inputs inputs(conv, fc.channels, fc.blocks);
  const bool grouped = conv[kGroups] > 1;
  fc.taps = grouped ? static_cast<int>(conv[kKernelWidth]) : 1;
  fc.length = inputs.length * (grouped ? 1 : static_cast<int>(conv[kKernelWidth]));
  if (grouped) fc.first = copy(inputs.first);
  float *weight = memory_.get<float>(out.size() * taps * inputs.length);
  for (size_t slot = 0; slot < out.size(); ++slot) {
    if (out[slot] < 0) continue;
    const size_t block = slot / kLanes, begin = out[slot] / outputs * group - inputs.first[block];
    for (size_t tap = 0; tap < taps; ++tap) {
      for (size_t c = 0; c < group; ++c) {
        weight[((block * taps + tap) * inputs.length + begin + c) * kLanes + slot % kLanes] =
            conv.filter[(out[slot] * group + c) * taps + tap];
      }
    }
  }
  fc.weight = weight;
  // windows, layers of few inputs and maps of few positions are as quick without a matrix unit
  const bool is_large =
      fc.runs == 1 && fc.length >= 2 * kTileInputs && conv.shape.height * conv.shape.width > kTileRows;
  if (tiles_ && !grouped && is_large) fc.part = parts(fc);
  return fc;
}

const uint16_t *Weights::parts(FullLayer &fc) {
  fc.steps = (fc.length + kTileInputs - 1) / kTileInputs;
  const size_t length = fc.length, tile = size_t(kTileInputs) * kLanes;
  auto *to = memory_.get<uint16_t>(size_t(fc.blocks) * fc.steps * kParts * tile);
  for (size_t i = 0; i < fc.blocks * length * kLanes; ++i) {
    const size_t lane = i % kLanes, k = i / kLanes % length, block = i / kLanes / length, row = k % kTileInputs / 2;
    uint16_t *own = to + (block * fc.steps + k / kTileInputs) * kParts * tile + (row * kLanes + lane) * 2 + k % 2;
    float rest = fc.weight[i];
    for (int p = 0; p < kParts; ++p, own += tile) {
      uint32_t bits;
      std::memcpy(&bits, &rest, sizeof bits);
      *own = static_cast<uint16_t>(bits >> 16);
      bits &= 0xffff0000u;
      float part;
      std::memcpy(&part, &bits, sizeof part);
      rest -= part;
    }
  }
  return to;
}

}  // namespace bimlp
