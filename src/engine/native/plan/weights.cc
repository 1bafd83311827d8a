#include "weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "sums_of_bits.h"

namespace bimlp {
namespace {

int64_t ones_of(const Node &conv, size_t filter, size_t size) {
  int64_t ones = 0;
  for (size_t i = 0; i < size; ++i) ones += bit_of(conv, filter * size + i);
  return ones;
}

}  // namespace

const float *Weights::in_slots(const Numbers &numbers, const ChannelOrder &order, float padding) {
  float *to = memory_.get<float>(order.size());
  for (size_t i = 0; i < order.size(); ++i) to[i] = order[i] < 0 ? padding : at(numbers, order[i]);
  return to;
}

const int32_t *Weights::copy(const std::vector<int32_t> &values) {
  int32_t *to = memory_.get<int32_t>(values.size());
  std::copy(values.begin(), values.end(), to);
  return to;
}

const float *Weights::threshold(const Node &binarize, int plane, const ChannelOrder &order) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Numbers t = to_numbers(binarize.vectors[0]);
  // the second plane of three levels is 0 where x < -t and x <= t: its bit is x > t or x > the number below -t
  if (plane == 1) {
    std::transform(t.begin(), t.end(), t.begin(), [](float v) { return std::min(v, std::nextafter(-v, -kInfinity)); });
  }
  return in_slots(t, order, kInfinity);
}

Affine Weights::affine(const Epilogue &e, const ChannelOrder &out) {
  return {in_slots(e.factor, out), in_slots(e.offset, out), in_slots(e.slope, out), in_slots(e.shift_out, out)};
}

DenseLayer Weights::dense(const Node &conv, Levels levels, const Epilogue &e, const ChannelOrder &in,
                          const ChannelOrder &out, const std::vector<int32_t> &shortcut) {
  const size_t inputs = std::count_if(in.begin(), in.end(), [](int32_t c) { return c >= 0; });
  const int planes = levels == Levels::kThree ? 2 : 1, words = (static_cast<int>(in.size()) + 31) / 32;
  DenseLayer fc = {};
  fc.words = planes * words;
  fc.blocks = static_cast<int>(out.size()) / kLanes;
  fc.shortcut = copy(shortcut);
  auto *weight = memory_.get<uint32_t>(out.size() * fc.words);
  const size_t outputs = conv.shape.channels;
  Epilogue folded = e;
  folded.factor.assign(outputs, 0);
  folded.offset.assign(outputs, 0);
  for (size_t slot = 0; slot < out.size(); ++slot) {
    const int32_t o = out[slot];
    if (o < 0) continue;
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i] < 0 || !bit_of(conv, o * inputs + in[i])) continue;
      for (int p = 0; p < planes; ++p)
        weight[(slot / kLanes * fc.words + p * words + i / 32) * kLanes + slot % kLanes] |= 1u << i % 32;
    }
    const SumOfMismatches s(levels, inputs, 2.0 * ones_of(conv, o, inputs) - inputs);
    const double f = at(e.factor, o);
    folded.factor[o] = static_cast<float>(f * s.scale);
    folded.offset[o] = static_cast<float>(at(e.offset, o) + f * s.base);
  }
  fc.weight = weight;
  fc.affine = affine(folded, out);
  return fc;
}

LocalLayer Weights::local(const Node &conv, const Node &binarize, const Epilogue &e,
                          const std::vector<ChannelOrder> &in, const ChannelOrder &out, int height, int width) {
  const size_t groups = in.size(), outputs = conv.shape.channels, filter = groups * kTaps;
  LocalLayer fc = {};
  fc.groups = static_cast<int>(groups);
  fc.height = conv[kKernelHeight] == kTaps;
  fc.blocks = static_cast<int>(out.size()) / kLanes;
  for (size_t g = 0; g < groups; ++g) fc.threshold[g] = threshold(binarize, 0, in[g]);
  // a row of bits for each input and tap, repeated for each position of a row of the map
  const size_t position = out.size() / 8, stride = round_up(static_cast<int>(position * width), kLine);
  uint8_t *weight = memory_.get<uint8_t>(stride * filter);
  for (size_t r = 0; r < filter; ++r) {
    for (size_t slot = 0; slot < out.size(); ++slot) {
      if (out[slot] < 0 || !bit_of(conv, out[slot] * filter + r)) continue;
      for (int x = 0; x < width; ++x) weight[r * stride + x * position + slot / 8] |= 1 << slot % 8;
    }
  }
  fc.weight = weight;
  fc.weight_stride = stride;
  // position classes, by the taps [first, last) that lie inside the map
  const int length = fc.height ? height : width;
  std::map<std::pair<int, int>, int> classes;
  std::vector<int32_t> position_class;
  for (int p = 0; p < length; ++p) {
    const int first = std::max(0, kMargin - p), last = std::min(kTaps, length + kMargin - p);
    position_class.push_back(classes.emplace(std::make_pair(first, last), classes.size()).first->second);
  }
  fc.position = copy(position_class);
  Numbers factor(outputs);
  float *offset = memory_.get<float>(out.size() * classes.size());
  for (size_t slot = 0; slot < out.size(); ++slot) {
    const int32_t o = out[slot];
    if (o < 0) continue;
    const SumOfMismatches s(binarize.levels(), filter, 2.0 * ones_of(conv, o, filter) - filter);
    const double f = at(e.factor, o), value = binarize.levels() == Levels::kSigns ? -1 : 0;  // of the margin's bits
    factor[o] = static_cast<float>(f * s.scale);
    for (const auto &[taps, number] : classes) {
      int outside = 0;  // sum of the weights of taps outside of the map
      for (size_t g = 0; g < groups; ++g) {
        for (int k = 0; k < kTaps; ++k) {
          if (k < taps.first || k >= taps.second) outside += bit_of(conv, o * filter + g * kTaps + k) ? 1 : -1;
        }
      }
      const double sum = s.base + (conv.pad_value() - value) * outside;
      offset[number * out.size() + slot] = static_cast<float>(at(e.offset, o) + f * sum);
    }
  }
  fc.factor = in_slots(factor, out);
  fc.offset = offset;
  fc.slope = in_slots(e.slope, out);
  fc.shift_out = in_slots(e.shift_out, out);
  return fc;
}

Gather Weights::gather(const ChannelOrder &sources, int slots, std::vector<int32_t> &which) {
  std::map<ChannelOrder, int> found;
  ChannelOrder distinct;
  for (size_t b = 0; b < sources.size(); b += kLanes) {
    const ChannelOrder lanes(sources.begin() + b, sources.begin() + b + kLanes);
    const auto [at, is_new] = found.emplace(lanes, found.size());
    which.push_back(at->second);
    if (is_new) distinct.insert(distinct.end(), lanes.begin(), lanes.end());
  }
  return gather_all(distinct, slots);
}

Gather Weights::gather_all(const ChannelOrder &sources, int slots) {
  std::vector<int32_t> window;
  for (size_t b = 0; b < sources.size(); b += kLanes) {
    int low = slots, high = -1;
    for (size_t i = b; i < b + kLanes; ++i) {
      if (sources[i] >= 0) low = std::min(low, sources[i]), high = std::max(high, sources[i]);
    }
    low = low / kLanes * kLanes;
    // the kernel reads four blocks from the window on, which must lie in the row
    if (low + 4 * kLanes > slots) low = std::max(0, slots - 4 * kLanes);
    window.push_back(high - low < 4 * kLanes && low + 4 * kLanes <= slots ? low : -1);
  }
  return {static_cast<int>(window.size()), copy(sources), copy(window)};
}

}  // namespace bimlp
