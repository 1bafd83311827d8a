// Lanes in plain C++, for every processor, and the reference of the other instruction sets.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../../../native/popcount.h"
#include "../ops/layers.h"

namespace bimlp {
namespace {

struct Scalar {
  struct F {
    float v[kLanes];
  };
  struct I {
    int32_t v[kLanes];
  };
  using B = uint64_t;
  static constexpr const char *kName = "scalar";
  static constexpr bool kPaired = false, kTiles = false;
  static constexpr int kTokens = 4, kBlocks = 1, kFullTokens = 4, kFullBlocks = 1;

  template <class T = F, class Lane>
  static T each(Lane lane) {
    T r;
    for (int l = 0; l < kLanes; ++l) r.v[l] = lane(l);
    return r;
  }

  static F load(const float *p) {
    F r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static void store(float *p, const F &x) { std::memcpy(p, x.v, sizeof x.v); }
  static F set(float x) {
    return each([&](int) { return x; });
  }
  static F add(const F &a, const F &b) {
    return each([&](int l) { return a.v[l] + b.v[l]; });
  }
  static F sub(const F &a, const F &b) {
    return each([&](int l) { return a.v[l] - b.v[l]; });
  }
  static F mul(const F &a, const F &b) {
    return each([&](int l) { return a.v[l] * b.v[l]; });
  }
  static F divide(const F &a, const F &b) {
    return each([&](int l) { return a.v[l] / b.v[l]; });
  }
  static F fma(const F &a, const F &b, const F &c) {
    return each([&](int l) { return a.v[l] * b.v[l] + c.v[l]; });
  }
  static F max(const F &a, const F &b) {
    return each([&](int l) { return a.v[l] > b.v[l] ? a.v[l] : b.v[l]; });
  }
  // Where x > threshold `a`, else `b`.
  static F select_gt(const F &x, const F &threshold, const F &a, const F &b) {
    return each([&](int l) { return x.v[l] > threshold.v[l] ? a.v[l] : b.v[l]; });
  }
  static uint32_t gt_bits(const F &x, const F &threshold) {
    uint32_t bits = 0;
    for (int l = 0; l < kLanes; ++l) bits |= static_cast<uint32_t>(x.v[l] > threshold.v[l]) << l;
    return bits;
  }
  static void store_gt_bits(uint16_t *to, const F &x, const F &threshold) {
    *to = static_cast<uint16_t>(gt_bits(x, threshold));
  }
  static F rprelu(const F &t, const F &slope, const F &shift_out) {
    return each([&](int l) { return (t.v[l] > 0 ? t.v[l] : slope.v[l] * t.v[l]) + shift_out.v[l]; });
  }
  static F to_float(const I &a) {
    return each([&](int l) { return static_cast<float>(a.v[l]); });
  }
  static uint32_t as_bits(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
  }
  static float from_bits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }
  static F negate_if_odd(const F &z, const F &shifted) {
    return each([&](int l) { return from_bits(as_bits(z.v[l]) ^ as_bits(shifted.v[l]) << 31); });
  }
  static F times_power_of_two(const F &y, const F &shifted) {
    return each([&](int l) { return from_bits(as_bits(y.v[l]) + (as_bits(shifted.v[l]) << 23)); });
  }
  struct LaneGather {
    const int32_t *index;
    LaneGather(const int32_t *from, int) : index(from) {}
    F operator()(const float *row) const {
      return each([&](int l) { return index[l] < 0 ? 0.0f : row[index[l]]; });
    }
  };

  static B mismatch(const uint8_t *a, const uint8_t *b) {
    B x, y;
    std::memcpy(&x, a, sizeof x);
    std::memcpy(&y, b, sizeof y);
    return x ^ y;
  }
  static B xor2(B a, B b) { return a ^ b; }
  static B xor3(B a, B b, B c) { return a ^ b ^ c; }
  static B majority3(B a, B b, B c) { return (a & b) | (c & (a | b)); }
  static void store_bits(uint8_t *p, B x) { std::memcpy(p, &x, sizeof x); }
  static void bitslice_to_bytes(const uint8_t *const *slices, int count, size_t bytes, uint8_t *numbers) {
    for (size_t i = 0; i < 8 * bytes; ++i) {
      numbers[i] = 0;
      for (int d = 0; d < count; ++d) numbers[i] |= (slices[d][i / 8] >> i % 8 & 1) << d;
    }
  }
  static I load_counts(const uint8_t *p) {
    return each<I>([&](int l) { return p[l]; });
  }

  template <int T, int J>
  static void mismatches(const BitRuns &x, const uint32_t *weight, size_t block, I (&counts)[T][J]) {
    for (int t = 0; t < T; ++t) {
      for (int j = 0; j < J; ++j) {
        counts[t][j] = {};
        const uint32_t *w = weight + j * block;
        for (int s = 0; s < x.runs; ++s) {
          for (int k = 0; k < x.length; ++k, w += kLanes) {
            const uint32_t own = x.run[s][t * x.step + k];
            for (int l = 0; l < kLanes; ++l) counts[t][j].v[l] += static_cast<int32_t>(popcount(own ^ w[l]));
          }
        }
      }
    }
  }
};

}  // namespace
}  // namespace bimlp
