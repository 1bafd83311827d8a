// Binary convolution: exact sums of products of signs, by counting mismatches of bits.
#pragma once
#include "../../../native/popcount.h"
#include "kernels.h"

namespace bimlp {

template <class V>
struct BinaryConvolution {
  using F = typename V::F;
  using I = typename V::I;

  static void binary_conv2d(const Step &s, const float *const *in, float *out, int begin, int end,
                            const OpScratch &scratch) {
    const MapShape &m = s.in[0];
    const BinaryFilter &f = s.binary;
    const size_t position = static_cast<size_t>(s.groups) * f.words;                     // words of a position
    const size_t width = static_cast<size_t>(s.out.width - 1) * s.stride + s.kernel[1];  // positions of a row
    const size_t row = width * position, plane = row * s.kernel[0];
    for (int y = begin; y < end; ++y) {
      for (int p = 0; p < f.planes; ++p) {
        for (int i = 0; i < s.kernel[0]; ++i) {
          const int from = y * s.stride - s.top + i;
          const float *numbers =
              from < 0 || from >= m.height ? nullptr : in[0] + static_cast<size_t>(from) * m.width * m.slots;
          pack_row(s, p, numbers, static_cast<int>(width), scratch.bits + p * plane + i * row);
        }
      }
      for (int x = 0; x < s.out.width; ++x) {
        const uint32_t *bits = scratch.bits + static_cast<size_t>(x) * s.stride * position;
        float *to = out + (static_cast<size_t>(y) * s.out.width + x) * s.out.slots;
        for (int at = 0; at < s.out.slots; at += kLanes) {
          const F count = s.groups == 1 ? dense(s, bits, row, plane, at) : grouped(s, bits, row, plane, at);
          V::store(to + at, V::fma(V::set(f.scale), count, V::load(f.base + at)));
        }
        if (f.outside_factor != 0.0f) add_outside(s, y, x, to);
      }
    }
  }

  // Bits of one plane of a row of the map with its margins, `width` positions; of a row outside of the map for null.
  static void pack_row(const Step &s, int plane, const float *numbers, int width, uint32_t *bits) {
    const MapShape &m = s.in[0];
    const BinaryFilter &f = s.binary;
    const int group = m.channels / s.groups;
    for (int x = 0; x < width; ++x) {
      const int from = x - s.left;
      const float *row =
          numbers && from >= 0 && from < m.width ? numbers + static_cast<size_t>(from) * m.slots : nullptr;
      for (int g = 0; g < s.groups; ++g) {
        for (int k = 0; k < f.words; ++k) {
          uint32_t word = 0;
          for (int c = 32 * k; c < group && c < 32 * k + 32; ++c) {
            const uint32_t bit = row ? row[g * group + c] > f.threshold[plane] : f.margin[plane];
            word |= bit << c % 32;
          }
          *bits++ = word;
        }
      }
    }
  }

  // Mismatches of 16 outputs from `at` on, all of which read all channels.
  static F dense(const Step &s, const uint32_t *bits, size_t row, size_t plane, int at) {
    const BinaryFilter &f = s.binary;
    const int run = s.kernel[1] * f.words;  // words of a row of taps lie one after the other
    F sum = V::set(0.0f);
    for (int p = 0; p < f.planes; ++p) {
      const uint32_t *weight = f.weight + static_cast<size_t>(at) * s.kernel[0] * run;
      for (int i = 0; i < s.kernel[0]; ++i) {
        const uint32_t *const own = bits + p * plane + i * row;
        I counts[1][1];
        V::template mismatches<1, 1>({&own, 1, run, 0}, weight + static_cast<size_t>(i) * run * kLanes, 0, counts);
        sum = V::add(sum, V::to_float(counts[0][0]));
      }
    }
    return sum;
  }

  // Mismatches of 16 outputs from `at` on, each of which reads its group's channels.
  static F grouped(const Step &s, const uint32_t *bits, size_t row, size_t plane, int at) {
    const BinaryFilter &f = s.binary;
    const int outputs = s.out.channels / s.groups;
    const size_t position = static_cast<size_t>(s.groups) * f.words;
    float counts[kLanes];
    for (int l = 0; l < kLanes; ++l) {
      uint32_t count = 0;
      if (at + l < s.out.channels) {
        const uint32_t *group = bits + static_cast<size_t>((at + l) / outputs) * f.words;
        const uint32_t *weight = f.weight + static_cast<size_t>(at) * s.kernel[0] * s.kernel[1] * f.words + l;
        for (int tap = 0; tap < s.kernel[0] * s.kernel[1]; ++tap) {
          const uint32_t *x = group + static_cast<size_t>(tap / s.kernel[1]) * row + tap % s.kernel[1] * position;
          for (int k = 0; k < f.words; ++k, weight += kLanes) {
            for (int p = 0; p < f.planes; ++p) count += popcount(x[p * plane + k] ^ *weight);
          }
        }
      }
      counts[l] = static_cast<float>(count);
    }
    return V::load(counts);
  }

  // Corrects the sums of one position for its taps outside of the map.
  static void add_outside(const Step &s, int y, int x, float *to) {
    const MapShape &m = s.in[0];
    for (int tap = 0; tap < s.kernel[0] * s.kernel[1]; ++tap) {
      const int i = y * s.stride - s.top + tap / s.kernel[1], j = x * s.stride - s.left + tap % s.kernel[1];
      if (i >= 0 && i < m.height && j >= 0 && j < m.width) continue;
      const float *sums = s.binary.tap_sum + static_cast<size_t>(tap) * s.out.slots;
      for (int at = 0; at < s.out.slots; at += kLanes) {
        V::store(to + at, V::fma(V::set(s.binary.outside_factor), V::load(sums + at), V::load(to + at)));
      }
    }
  }
};

}  // namespace bimlp
