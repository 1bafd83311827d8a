#include <algorithm>
#include <cmath>

#include "../ops/tiles.h"
#include "classes.h"
#include "weights.h"

namespace bimlp {
namespace {

constexpr int kMostInputs = 1 << 15;  // of a layer by digits, so that sums of three products of them are int32

}  // namespace

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
  const bool is_large = fc.runs == 1 && fc.length >= kTileInputs && fc.length <= kMostInputs &&
                        conv.shape.height * conv.shape.width > kTileRows;
  if (tiles_ && !grouped && is_large) fc.digits = digits(weight, fc.blocks, fc.length, fc.affine.factor, 65536);
  return fc;
}

DigitTiles Weights::digits(const float *weight, int blocks, size_t length, const float *factor, float unit) {
  const size_t steps = (length + kTileInputs - 1) / kTileInputs, tile = kTileBytes, slots = size_t(blocks) * kLanes;
  auto *digit = memory_.get<int8_t>(blocks * steps * kDigits * tile);
  auto *scaled = memory_.get<float>(slots);
  for (size_t slot = 0; slot < slots; ++slot) {
    const size_t block = slot / kLanes, lane = slot % kLanes;
    const float *own = weight + block * length * kLanes + lane;
    float most = 0;
    for (size_t k = 0; k < length; ++k) most = std::max(most, std::fabs(own[k * kLanes]));
    scaled[slot] = factor[slot] * (most / kMostByDigits * unit);
    for (size_t k = 0; k < length && most > 0; ++k) {
      auto rest = static_cast<int32_t>(std::lrint(double(own[k * kLanes]) / most * kMostByDigits));
      int8_t *to = digit + ((block * steps + k / kTileInputs) * kDigits + kDigits - 1) * tile;
      for (int d = 0; d < kDigits; ++d, to -= tile, rest = (rest + 128) >> 8)
        to[k % kTileInputs / 4 * 64 + lane * 4 + k % 4] = static_cast<int8_t>(rest);
    }
  }
  return {static_cast<int>(steps), digit, scaled};
}

PixelLayer Weights::pixels(const Node &conv, const Shape &image, const Epilogue &e, const ChannelOrder &out,
                           const Affine &affine, const Normalisation &normalisation) {
  const int height = static_cast<int>(conv[kKernelHeight]), width = static_cast<int>(conv[kKernelWidth]);
  const int channels = static_cast<int>(image.channels), blocks = static_cast<int>(out.size()) / kLanes;
  const size_t taps = size_t(height) * width, length = taps * channels;
  PixelLayer layer = {};
  layer.runs = height;
  layer.length = width * channels;
  layer.stride = static_cast<int>(conv[kStride]);
  layer.row = static_cast<int>(conv[kLeft] + image.width + conv[kRight]) * channels;
  layer.step = layer.stride * channels;
  // (p - mean) / std = (p - 128) / std + (128 - mean) / std, of which the second part is that of taps inside of the map
  Numbers weight(out.size() * length);
  std::vector<double> inside(out.size() * taps);
  for (size_t slot = 0; slot < out.size(); ++slot) {
    for (size_t i = 0; out[slot] >= 0 && i < length; ++i) {
      const size_t tap = i / channels, c = i % channels;
      const float w = conv.filter[(size_t(out[slot]) * channels + c) * taps + tap], std = normalisation.std[c];
      weight[(slot / kLanes * length + i) * kLanes + slot % kLanes] = w / std;
      inside[slot * taps + tap] += double(w) * (128 - normalisation.mean[c]) / std;
    }
  }
  layer.digits = digits(weight.data(), blocks, length, affine.factor, 1);
  const Classes rows(conv.shape.height, image.height, height, layer.stride, conv[kTop]);
  const Classes columns(conv.shape.width, image.width, width, layer.stride, conv[kLeft]);
  float *offset = memory_.get<float>(out.size() * rows.taps.size() * columns.taps.size());
  layer.offset = offset;
  for (const Taps &y : rows.taps) {
    for (const Taps &x : columns.taps) {
      for (size_t slot = 0; slot < out.size(); ++slot) {
        if (out[slot] < 0) continue;
        double sum = 0;
        for (int k = y.first; k < y.second; ++k) {
          for (int l = x.first; l < x.second; ++l) sum += inside[slot * taps + k * width + l];
        }
        offset[slot] = static_cast<float>(at(e.offset, out[slot]) + at(e.factor, out[slot]) * sum);
      }
      offset += out.size();
    }
  }
  layer.columns = static_cast<int>(columns.taps.size());
  layer.row_class = copy(rows.of);
  layer.column_class = copy(columns.of);
  return layer;
}

}  // namespace bimlp
