// Waves of a phase and an amplitude.
#pragma once
#include "../ops/transcendental.h"
#include "operands.h"

namespace bimlp {

template <class V>
struct Waves : Operands<V> {
  using F = typename V::F;
  using Operands<V>::rows;

  // z cos theta and z sin theta: means of two adjacent channels, to `out`, and bits, to the planes. `in` is theta; both
  // inputs have blocks 2 p of channels 2 c and blocks 2 p + 1 of channels 2 c + 1.
  static void wave(const Instruction &i, const Context &c) {
    const int blocks = i.blocks, pairs = blocks / 2;
    auto *even_bits = reinterpret_cast<uint16_t *>(c.planes[i.plane[0]]);
    auto *odd_bits = reinterpret_cast<uint16_t *>(c.planes[i.plane[1]]);
    const float *phase = rows(i.in, c), *amplitude = rows(i.amplitude, c);
    const int phase_stride = i.in.stride, amplitude_stride = i.amplitude.stride, stride = i.out.stride;
    const float *evens = i.local.threshold[0], *odds = i.local.threshold[1];
    float *mean = rows(i.out, c);
    const int32_t *index = i.padded_index + c.first;
    const F half = V::set(0.5f);
    for (int p = 0; p < pairs; ++p) {
      const auto store_pair = [=](int t, int block, F even, F odd) BIMLP_INLINED {
        const int to = index[t] * blocks + block;
        V::store(mean + t * stride + kLanes * block, V::mul(half, V::add(even, odd)));
        V::store_gt_bits(even_bits + to, even, V::load(evens + kLanes * block));
        V::store_gt_bits(odd_bits + to, odd, V::load(odds + kLanes * block));
      };
      for (int t = 0; t < c.count; ++t) {
        const float *theta = phase + t * phase_stride + 2 * p * kLanes;
        const float *z = amplitude + t * amplitude_stride + 2 * p * kLanes;
        const auto even = Transcendental<V>::wave(V::load(theta), V::load(z));
        const auto odd = Transcendental<V>::wave(V::load(theta + kLanes), V::load(z + kLanes));
        store_pair(t, p, even.cosine, odd.cosine);
        store_pair(t, p + pairs, even.sine, odd.sine);
      }
    }
  }
};

}  // namespace bimlp
