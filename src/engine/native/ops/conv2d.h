// Convolution of full precision.
#pragma once
#include "../../../native/inline.h"
#include "kernels.h"

namespace bimlp {

template <class V>
struct Convolution {
  using F = typename V::F;

  static void conv2d(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    const int group = s.in[0].channels / s.groups, outputs = s.out.channels / s.groups;
    for (int at = 0; at < s.out.slots; at += kLanes) {
      if (s.groups == 1) {
        block(s, in[0], out, begin, end, at, [](const float *from, int k) BIMLP_INLINED { return V::set(from[k]); });
      } else if (group == 1 && outputs == 1) {
        block(s, in[0], out, begin, end, at, [at](const float *from, int) BIMLP_INLINED { return V::load(from + at); });
      } else {
        int32_t first[kLanes];  // channel of the input at which each output's group begins
        for (int l = 0; l < kLanes; ++l) first[l] = at + l < s.out.channels ? (at + l) / outputs * group : 0;
        const typename V::LaneGather pick(first, -1);
        block(s, in[0], out, begin, end, at, [&](const float *from, int k) BIMLP_INLINED { return pick(from + k); });
      }
    }
  }

  // Outputs `at` .. at + 15 of rows begin .. end - 1. value(position, k): input k of each output.
  template <class Value>
  static BIMLP_INLINE void block(const Step &s, const float *map, float *out, int begin, int end, int at, Value value) {
    const MapShape &m = s.in[0];
    const int group = m.channels / s.groups, taps = s.kernel[0] * s.kernel[1];
    const float *filter = s.filter + static_cast<size_t>(at) * taps * group;
    for (int y = begin; y < end; ++y) {
      for (int x = 0; x < s.out.width; ++x) {
        F sum = V::set(0.0f);
        for (int r = 0; r < s.kernel[0]; ++r) {
          const int i = y * s.stride - s.top + r;
          if (i < 0 || i >= m.height) continue;
          for (int c = 0; c < s.kernel[1]; ++c) {
            const int j = x * s.stride - s.left + c;
            if (j < 0 || j >= m.width) continue;
            const float *from = map + (static_cast<size_t>(i) * m.width + j) * m.slots;
            const float *weight = filter + static_cast<size_t>(r * s.kernel[1] + c) * group * kLanes;
            for (int k = 0; k < group; ++k) sum = V::fma(value(from, k), V::load(weight + k * kLanes), sum);
          }
        }
        V::store(out + (static_cast<size_t>(y) * s.out.width + x) * s.out.slots + at, sum);
      }
    }
  }
};

}  // namespace bimlp
