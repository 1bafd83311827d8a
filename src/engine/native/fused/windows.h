// Operations on windows of a map: convolutions with full precision, and sums of max-pools.
#pragma once
#include "../ops/pixels.h"
#include "operands.h"

namespace bimlp {

template <class V>
struct WindowOps : Operands<V> {
  using F = typename V::F;
  using Operands<V>::rows;

  // Row y of a convolution with full precision. The rows of its window are copied with their margins first, unless the
  // kernel is one position.
  static void full(const Instruction &i, const Context &c) {
    const int channels = i.full.channels;
    float *out = rows(i.out, c);
    if constexpr (V::kTiles) {
      if (c.pixels && i.pixels.digits.digit)
        return PixelLayers<V>::row(i.pixels, i.full.affine, i.blocks, c.pixels, c.y, c.count, *c.scratch, out);
    }
    if (i.kernel[0] == 1 && i.kernel[1] == 1 && i.stride == 1) {
      const float *from = c.arena + i.in.place + static_cast<size_t>(c.first) * i.in.stride;
      return FullLayers<V>::run(i.full, from, 0, i.in.stride, c.count, *c.scratch, out);
    }
    if (i.padded_row) {
      const float *from = c.arena + i.in.place + static_cast<size_t>(c.y) * i.stride * i.padded_row;
      return FullLayers<V>::run(i.full, from, i.padded_row, static_cast<size_t>(i.stride) * channels, c.count,
                                *c.scratch, out);
    }
    const int width = (c.width - 1) * i.stride + i.kernel[1];
    float *copy = c.scratch->column, *to = copy;
    for (int k = 0; k < i.kernel[0]; ++k) {
      const int y = c.y * i.stride - i.top + k;
      for (int x = -i.left; x < width - i.left; ++x, to += channels) {
        const bool inside = y >= 0 && y < i.height && x >= 0 && x < i.width;
        const float *from = c.arena + i.in.place + (static_cast<size_t>(y) * i.width + x) * i.in.stride;
        for (int n = 0; n < channels; ++n) to[n] = inside ? from[n] : 0.0f;
      }
    }
    FullLayers<V>::run(i.full, copy, static_cast<size_t>(width) * channels, static_cast<size_t>(i.stride) * channels,
                       c.count, *c.scratch, out);
  }

  // Row y of a sum of max-pools whose windows lie in each other, times a factor for all.
  static void pools(const Instruction &i, const Context &c) {
    const int slots = i.in.stride, outputs = c.width, pools = i.pools;
    const float *map = c.arena + i.in.place, *factor = i.terms.factor[0];
    float *column = c.scratch->column, *out = rows(i.out, c);
    const int height = i.kernel[0];  // outputs along the height
    int begin[kMaxPools], end[kMaxPools];
    for (int w = 0; w < pools; ++w) {
      begin[w] = i.rows.begin[w * height + c.y];
      end[w] = i.rows.end[w * height + c.y];
    }
    const size_t row = static_cast<size_t>(i.width) * slots;
    for (int b = 0; b < i.blocks; ++b) {
      for (int x = 0; x < i.width; ++x) {
        const float *from = map + static_cast<size_t>(x) * slots + kLanes * b;
        int first = begin[0], last = begin[0];  // rows that `maximum` covers
        F maximum = V::load(from + first * row);
        for (int w = 0; w < pools; ++w) {
          for (int k = begin[w]; k < first; ++k) maximum = V::max(maximum, V::load(from + k * row));
          for (int k = last; k < end[w]; ++k) maximum = V::max(maximum, V::load(from + k * row));
          first = begin[w];
          last = end[w];
          V::store(column + (w * i.width + x) * kLanes, maximum);
        }
      }
      for (int x = 0; x < outputs; ++x) {
        F sum = V::set(0.0f);
        for (int w = 0; w < pools; ++w) {
          const float *from = column + w * i.width * kLanes;
          const int begin = i.columns.begin[w * outputs + x], end = i.columns.end[w * outputs + x];
          F maximum = V::load(from + begin * kLanes);
          for (int k = begin + 1; k < end; ++k) maximum = V::max(maximum, V::load(from + k * kLanes));
          sum = V::add(sum, maximum);
        }
        V::store(out + static_cast<size_t>(x) * i.out.stride + kLanes * b, V::mul(sum, V::load(factor + kLanes * b)));
      }
    }
  }
};

}  // namespace bimlp
