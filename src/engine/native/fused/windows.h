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

  // Lines, which are rows or columns, of windows that lie in each other: [begin, end) of each.
  struct Nest {
    int pools, begin[kMaxPools], end[kMaxPools];
    bool usual;    // whether the windows have 2, 3, 5 and 7 lines
    int order[7];  // of these: the lines in the order in which the windows take them

    Nest(const Windows &w, int outputs, int i, int count) : pools(count), usual(count == 4) {
      for (int k = 0; k < pools; ++k) {
        begin[k] = w.begin[k * outputs + i];
        end[k] = w.end[k * outputs + i];
        usual &= k < 4 && end[k] - begin[k] == kUsual[k];
      }
      int n = 0;
      if (usual) each([&](int line) { order[n++] = line; }, [](int) {});
    }
    // take(line) for each line in turn, and ends(k) behind those of pool k.
    template <class Take, class Ends>
    BIMLP_INLINE void each(Take take, Ends ends) const {
      int first = begin[0], last = begin[0];  // lines that are taken
      for (int k = 0; k < pools; ++k) {
        for (int line = begin[k]; line < first; ++line) take(line);
        for (int line = last; line < end[k]; ++line) take(line);
        first = begin[k];
        last = end[k];
        ends(k);
      }
    }

   private:
    static constexpr int kUsual[4] = {2, 3, 5, 7};
  };

  // put(k, maximum) over the lines of each pool k. load(line): numbers of a line.
  template <class Load, class Put>
  static BIMLP_INLINE void maxima(const Nest &nest, Load load, Put put) {
    if (nest.usual) {
      const auto pair = [&](int i) BIMLP_INLINED { return V::max(load(nest.order[i]), load(nest.order[i + 1])); };
      F maximum = pair(0);
      put(0, maximum);
      put(1, maximum = V::max(maximum, load(nest.order[2])));
      put(2, maximum = V::max(maximum, pair(3)));
      put(3, V::max(maximum, pair(5)));
      return;
    }
    F maximum = V::set(-__FLT_MAX__);
    nest.each([&](int line) BIMLP_INLINED { maximum = V::max(maximum, load(line)); },
              [&](int k) BIMLP_INLINED { put(k, maximum); });
  }

  // Row y of a sum of max-pools whose windows lie in each other, times a factor for all: maxima of columns, then of
  // these.
  static void pools(const Instruction &i, const Context &c) {
    const int slots = i.in.stride, outputs = c.width, pools = i.pools;
    const float *map = c.arena + i.in.place, *factor = i.terms.factor[0];
    float *column = c.scratch->column, *out = rows(i.out, c);
    const size_t row = static_cast<size_t>(i.width) * slots, position = static_cast<size_t>(pools) * slots;
    const Nest down(i.rows, i.kernel[0], c.y, pools);
    int done = 0;  // columns whose maxima are there
    for (int x = 0; x < outputs; ++x, out += i.out.stride) {
      const Nest across(i.columns, outputs, x, pools);
      for (; done < across.end[pools - 1]; ++done) {
        const float *own = map + static_cast<size_t>(done) * slots;
        float *to = column + done * position;
        for (int at = 0; at < kLanes * i.blocks; at += kLanes) {
          maxima(
              down, [&](int line) BIMLP_INLINED { return V::load(own + at + line * row); },
              [&](int k, F maximum) BIMLP_INLINED { V::store(to + k * slots + at, maximum); });
        }
      }
      for (int at = 0; at < kLanes * i.blocks; at += kLanes) {
        F sum = V::set(0.0f);
        for (int k = 0; k < pools; ++k) {
          const float *own = column + across.begin[k] * position + k * slots + at;
          F maximum = V::load(own);
          for (int line = 1; line < across.end[k] - across.begin[k]; ++line)
            maximum = V::max(maximum, V::load(own + line * position));
          sum = V::add(sum, maximum);
        }
        V::store(out + at, V::mul(sum, V::load(factor + at)));
      }
    }
  }
};

}  // namespace bimlp
