#include "steps.h"

#include <algorithm>

#include "../error.h"
#include "../graph/ops.h"
#include "sums_of_bits.h"

namespace bimlp {
namespace {

constexpr size_t kMostGrowth = 64, kSpareMemory = size_t{1} << 28;  // of prepared weights: times the file, and bytes

int rounded(uint32_t n) { return static_cast<int>((n + kLanes - 1) / kLanes * kLanes); }

bool bit_at(const uint32_t *bits, size_t i) { return bits[i / 32] >> i % 32 & 1; }

}  // namespace

MapShape map_shape(const Shape &s) {
  return {static_cast<int>(s.channels), static_cast<int>(s.height), static_cast<int>(s.width), rounded(s.channels)};
}

StepBuilder::StepBuilder(const Graph &graph, size_t bytes, Memory &memory)
    : graph_(graph), most_(kMostGrowth * bytes + kSpareMemory), memory_(memory) {}

void StepBuilder::check_memory() const {
  expect(memory_.total() <= most_, "prepared weights", "at most " + std::to_string(most_) + " bytes", memory_.total());
}

Step StepBuilder::step(const Node &n, const std::vector<MapShape> &in) {
  Step s = {};
  s.out = map_shape(n.shape);
  s.op = n.op;
  s.inputs = static_cast<int>(n.inputs.size());
  s.in = in.data();
  s.kernel[0] = static_cast<int>(n[kKernelHeight]);
  s.kernel[1] = static_cast<int>(n[kKernelWidth]);
  s.stride = static_cast<int>(n[kStride]);
  s.top = static_cast<int>(n[kTop]);
  s.left = static_cast<int>(n[kLeft]);
  s.groups = static_cast<int>(n[kGroups]);
  s.group = static_cast<int>(n[kGroup]);
  s.start = static_cast<int>(n[kStart]);
  s.step = static_cast<int>(n[kStep]);
  s.kind = static_cast<int>(n[kKind]);
  s.levels = n.levels();
  s.function = static_cast<Function>(n[kFunction]);
  s.epsilon = n.epsilon();
  for (int i = 0; i < 2; ++i) {
    if (n.vectors[i].data) s.vectors[i] = by_slot(n.vectors[i], s.in[0]);
  }
  if (n.op == Op::kConv2d) add_filter(n, s);
  if (n.op == Op::kBinaryConv2d) add_bits(n, graph_.maker(n.inputs[0]).levels(), s);
  if (n.order) {
    uint32_t *order = memory_.get<uint32_t>(s.out.channels);
    std::copy(n.order, n.order + s.out.channels, order);
    s.order = order;
  }
  check_memory();
  return s;
}

const float *StepBuilder::by_slot(const Vector &vector, const MapShape &shape) {
  float *to = memory_.get<float>(shape.slots);
  for (int c = 0; c < shape.channels; ++c) to[c] = vector[c];
  return to;
}

void StepBuilder::add_filter(const Node &n, Step &s) {
  const size_t taps = static_cast<size_t>(s.kernel[0]) * s.kernel[1], group = s.in[0].channels / s.groups;
  float *to = memory_.get<float>(taps * group * s.out.slots);
  s.filter = to;
  for (int o = 0; o < s.out.channels; ++o) {
    for (size_t k = 0; k < group; ++k) {
      for (size_t tap = 0; tap < taps; ++tap) {
        to[((o / kLanes * taps + tap) * group + k) * kLanes + o % kLanes] = n.filter[(o * group + k) * taps + tap];
      }
    }
  }
}

void StepBuilder::add_bits(const Node &n, Levels levels, Step &s) {
  const size_t taps = static_cast<size_t>(s.kernel[0]) * s.kernel[1], group = s.in[0].channels / s.groups;
  const size_t words = (group + 31) / 32, position = words * s.groups;
  BinaryFilter &f = s.binary;
  const bool three = levels == Levels::kThree, zero_one = levels == Levels::kZeroOne;
  const Outside outside(n, levels);
  uint32_t *weight = memory_.get<uint32_t>(taps * words * s.out.slots);
  float *base = memory_.get<float>(s.out.slots), *sums = memory_.get<float>(taps * s.out.slots);
  f.planes = three ? 2 : 1;
  f.words = static_cast<int>(words);
  f.threshold[0] = zero_one || three ? 0.5f : 0.0f;
  f.threshold[1] = -0.5f;
  for (int p = 0; p < 2; ++p) f.margin[p] = outside.bit[p];
  f.weight = weight;
  f.base = base;
  f.tap_sum = sums;
  f.outside_factor = static_cast<float>(outside.factor);
  for (int o = 0; o < s.out.channels; ++o) {
    int64_t total = 0;
    for (size_t tap = 0; tap < taps; ++tap) {
      int64_t sum = 0;
      for (size_t k = 0; k < group; ++k) {
        const uint32_t bit = bit_at(n.bits, (o * group + k) * taps + tap);
        weight[((o / kLanes * taps + tap) * words + k / 32) * kLanes + o % kLanes] |= bit << k % 32;
        sum += bit ? 1 : -1;
      }
      sums[tap * s.out.slots + o] = static_cast<float>(sum);
      total += sum;
    }
    const SumOfMismatches of_bits(levels, static_cast<double>(taps * group), static_cast<double>(total));
    f.scale = static_cast<float>(of_bits.scale);
    base[o] = static_cast<float>(of_bits.base);
  }
  const size_t width = static_cast<size_t>(s.out.width - 1) * s.stride + s.kernel[1];
  bits_ = std::max(bits_, f.planes * s.kernel[0] * width * position);
}

std::vector<size_t> places_of(const std::vector<Lifetime> &lifetimes, size_t &total) {
  std::vector<size_t> order(lifetimes.size()), places(lifetimes.size());
  for (size_t v = 0; v < order.size(); ++v) order[v] = v;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].first < lifetimes[b].first; });
  struct Place {
    size_t begin, end, last;
  };
  std::vector<Place> used;  // by their begin
  for (size_t v : order) {
    const Lifetime &life = lifetimes[v];
    if (!life.size) continue;
    used.erase(std::remove_if(used.begin(), used.end(), [&](const Place &p) { return p.last < life.first; }),
               used.end());
    const size_t size = (life.size + kLanes - 1) / kLanes * kLanes + kLanes;  // kernels read whole registers
    size_t begin = 0;
    auto next = used.begin();
    for (; next != used.end() && next->begin < begin + size; ++next) begin = next->end;
    used.insert(next, {begin, begin + size, life.last});
    places[v] = begin;
    total = std::max(total, begin + size);
  }
  return places;
}

}  // namespace bimlp
