// Binary FCs over seven neighbours along a row or a column of the map, one row of the map at a time.
#pragma once
#include "instruction.h"

namespace bimlp {

template <class V>
struct LocalLayers {
  using F = typename V::F;
  using B = typename V::B;

  // Bit slices of the number of ones among seven bits.
  struct BitSlices {
    B ones, twos, fours;
  };
  static BitSlices count7(const B (&a)[kTaps]) {
    const B s1 = V::xor3(a[0], a[1], a[2]), c1 = V::majority3(a[0], a[1], a[2]);
    const B s2 = V::xor3(a[3], a[4], a[5]), c2 = V::majority3(a[3], a[4], a[5]);
    const B c3 = V::majority3(s1, s2, a[6]);
    return {V::xor3(s1, s2, a[6]), V::xor3(c1, c2, c3), V::majority3(c1, c2, c3)};
  }

  // Bit slices of the number of taps at which bits and weights differ.
  static BitSlices mismatches(const uint8_t *const (&x)[kTaps], const uint8_t *weight, size_t stride, size_t at) {
    B a[kTaps];
    for (int k = 0; k < kTaps; ++k) a[k] = V::mismatch(x[k] + at, weight + k * stride + at);
    return count7(a);
  }

  // Number of taps at which bits and weights differ, for every slot of row y of the map, into scratch.counts.
  static void count_mismatches(const LocalLayer &layer, const uint8_t *const *planes, int size, int y,
                               const Scratch &scratch) {
    uint8_t *const *slices = scratch.slices;
    const size_t token = 2 * layer.blocks, row = (size + 2 * kMargin) * token, bytes = size * token;
    const uint8_t *x[2][kTaps];
    for (int g = 0; g < layer.groups; ++g) {
      for (int k = 0; k < kTaps; ++k) {
        x[g][k] = planes[g] + (layer.height ? (y + k) * row + kMargin * token : (y + kMargin) * row + k * token);
      }
    }
    const size_t stride = layer.weight_stride;
    for (size_t at = 0; at < bytes; at += sizeof(B)) {
      const BitSlices a = mismatches(x[0], layer.weight, stride, at);
      if (layer.groups == 1) {
        V::store_bits(slices[0] + at, a.ones);
        V::store_bits(slices[1] + at, a.twos);
        V::store_bits(slices[2] + at, a.fours);
        continue;
      }
      const BitSlices b = mismatches(x[1], layer.weight + kTaps * stride, stride, at);
      const B none = V::xor2(a.ones, a.ones);
      const B carry1 = V::majority3(a.ones, b.ones, none), carry2 = V::majority3(a.twos, b.twos, carry1);
      V::store_bits(slices[0] + at, V::xor2(a.ones, b.ones));
      V::store_bits(slices[1] + at, V::xor3(a.twos, b.twos, carry1));
      V::store_bits(slices[2] + at, V::xor3(a.fours, b.fours, carry2));
      V::store_bits(slices[3] + at, V::majority3(a.fours, b.fours, carry2));
    }
    V::bitslice_to_bytes(slices, layer.groups == 1 ? 3 : 4, bytes, scratch.counts);
  }

  // Row y of a local layer: sink(block)(t, value). source(block)(t): the shortcut.
  template <class Source, class Sink>
  static void by_blocks(const LocalLayer &layer, const uint8_t *const *planes, int size, int y, const Scratch &scratch,
                        Source source, Sink sink) {
    count_mismatches(layer, planes, size, y, scratch);
    // copies in locals: the compiler must assume that stores change the structures
    const uint8_t *counts = scratch.counts;
    const int32_t *position = layer.position, along = layer.height ? 0 : 1;
    const int blocks = layer.blocks, slots = kLanes * blocks;
    if (layer.height) position += y;
    for (int block = 0; block < blocks; ++block) {
      const int at = kLanes * block;
      const F factor = V::load(layer.factor + at), slope = V::load(layer.slope + at);
      const F out = V::load(layer.shift_out + at);
      const float *offsets = layer.offset + at;
      const auto from = source(block);
      const auto end = sink(block);
      for (int t = 0; t < size; ++t) {
        const F count = V::to_float(V::load_counts(counts + t * slots + at));
        const F offset = V::load(offsets + position[along * t] * slots);
        const F value = V::add(V::fma(factor, count, offset), from(t));
        end(t, V::rprelu(value, slope, out));
      }
    }
  }
};

}  // namespace bimlp
