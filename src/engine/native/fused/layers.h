// Layers with what follows them: dense, hidden and local.
#pragma once
#include "../ops/dense.h"
#include "../ops/local.h"
#include "../ops/window.h"
#include "operands.h"

namespace bimlp {

template <class V>
struct LayerOps : Operands<V> {
  using F = typename V::F;
  using Operands<V>::rows;

  // Destination of the values of a layer: what depends on a block alone is loaded once.
  template <SinkKind kKind>
  struct SinkOf {
    static constexpr bool kWeighs = kKind != SinkKind::kStore && kKind != SinkKind::kAdd;
    static constexpr bool kAdds = kKind != SinkKind::kStore && kKind != SinkKind::kScale;

    float *out;
    const float *a, *b, *weight, *offset;
    int out_stride, a_stride, b_stride;

    SinkOf(const Sink &s, const Context &c)
        : out(rows(s.out, c)),
          a(rows(s.a, c)),
          b(rows(s.b, c)),
          weight(s.weight),
          offset(s.offset),
          out_stride(s.out.stride),
          a_stride(s.a.stride),
          b_stride(s.b.stride) {}

    BIMLP_INLINE auto operator()(int block) const {
      const int at = kLanes * block;
      const F w = kWeighs ? V::load(weight + at) : V::set(1.0f);
      const F o = kKind == SinkKind::kScale ? V::load(offset + at) : V::set(0.0f);
      return [=, out = out + at, a = a + at, b = b + at, so = out_stride, sa = a_stride, sb = b_stride](int t, F v)
                 BIMLP_INLINED {
                   if constexpr (kKind == SinkKind::kAdd) v = V::add(v, V::load(a + t * sa));
                   if constexpr (kKind == SinkKind::kScale) v = V::fma(w, v, o);
                   if constexpr (kWeighs && kAdds) v = V::fma(w, v, V::load(a + t * sa));
                   if constexpr (kKind == SinkKind::kScaleAddTwo) v = V::add(v, V::load(b + t * sb));
                   V::store(out + t * so, v);
                 };
    }
  };

  template <SinkKind kKind>
  static void dense(const Instruction &i, const Context &c) {
    const auto *bits = reinterpret_cast<const uint32_t *>(rows(i.in, c));
    DenseLayers<V>::by_blocks(i.dense, bits, c.count, rows(i.source, c), i.source.stride, SinkOf<kKind>(i.sink, c));
  }

  // Hidden layer of an MLP: its bits for the next layer, to `out`, and the means of `group` blocks, to the sink's
  // `out`.
  static void dense_bits(const Instruction &i, const Context &c) {
    const auto *bits = reinterpret_cast<const uint32_t *>(rows(i.in, c));
    auto *to = reinterpret_cast<uint16_t *>(rows(i.out, c));
    float *means = rows(i.sink.out, c);
    const int stride = i.sink.out.stride, bits_stride = i.bits_stride;
    const float *thresholds = i.threshold;
    const F part = V::set(1.0f / static_cast<float>(i.group));
    DenseLayers<V>::by_groups(
        i.dense, i.group, bits, c.count, rows(i.source, c), i.source.stride,
        [=](int block) BIMLP_INLINED {
          const F threshold = V::load(thresholds + kLanes * block);
          return [=, to = to + block](int t, F value)
                     BIMLP_INLINED { V::store_gt_bits(to + t * bits_stride, value, threshold); };
        },
        [=](int group) BIMLP_INLINED {
          return [=, mean = means + kLanes * group](int t, F sum)
                     BIMLP_INLINED { V::store(mean + t * stride, V::mul(part, sum)); };
        });
    if (i.blocks % 2 == 0) return;
    for (int t = 0; t < c.count; ++t) to[t * bits_stride + i.blocks] = 0;
  }

  // Positions of a window layer, of one row or of whole rows.
  template <SinkKind kKind>
  static void window(const Instruction &i, const Context &c) {
    const auto *bits = reinterpret_cast<const uint32_t *>(c.arena + i.in.place);
    WindowLayers<V>::by_blocks(i.window, bits, c.y, c.first - c.y * c.width, c.count, c.width, rows(i.source, c),
                               i.source.stride, *c.scratch, SinkOf<kKind>(i.sink, c));
  }

  template <SinkKind kKind, bool kAffine>
  static void local(const Instruction &i, const Context &c) {
    const float *source = rows(i.source, c), *factors = i.source_factor;
    const int stride = i.source.stride;
    const uint8_t *planes[2] = {c.planes[i.plane[0]], c.planes[i.plane[1]]};
    LocalLayers<V>::by_blocks(
        i.local, planes, c.width, c.y, *c.scratch,
        [=](int block) BIMLP_INLINED {
          const F factor = kAffine ? V::load(factors + kLanes * block) : V::set(1.0f);
          return [=, from = source + kLanes * block](int t) BIMLP_INLINED {
            const F x = V::load(from + t * stride);
            return kAffine ? V::mul(factor, x) : x;
          };
        },
        SinkOf<kKind>(i.sink, c));
  }
};

}  // namespace bimlp
