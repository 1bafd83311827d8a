// Pools: the largest number or the mean of each window.
#pragma once
#include "kernels.h"

namespace bimlp {

template <class V>
struct Pools {
  using F = typename V::F;

  static void pool(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    const MapShape &m = s.in[0];
    const bool largest = s.kind == 0;
    const F scale = V::set(largest ? 1.0f : 1.0f / static_cast<float>(s.kernel[0] * s.kernel[1]));
    for (int y = begin; y < end; ++y) {
      const int y0 = y * s.stride - s.top, y1 = y0 + s.kernel[0];
      for (int x = 0; x < s.out.width; ++x) {
        const int x0 = x * s.stride - s.left, x1 = x0 + s.kernel[1];
        for (int at = 0; at < s.out.slots; at += kLanes) {
          F value = V::set(largest ? -__FLT_MAX__ : 0.0f);
          for (int i = y0 > 0 ? y0 : 0; i < (y1 < m.height ? y1 : m.height); ++i) {
            for (int j = x0 > 0 ? x0 : 0; j < (x1 < m.width ? x1 : m.width); ++j) {
              const F v = V::load(in[0] + (static_cast<size_t>(i) * m.width + j) * m.slots + at);
              value = largest ? V::max(value, v) : V::add(value, v);
            }
          }
          V::store(out + (static_cast<size_t>(y) * s.out.width + x) * s.out.slots + at, V::mul(value, scale));
        }
      }
    }
  }
};

}  // namespace bimlp
