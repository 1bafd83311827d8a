// Operations on whole maps: global_mean and layer_norm. They run as one piece.
#pragma once
#include "kernels.h"

namespace bimlp {

template <class V>
struct Statistics {
  using F = typename V::F;

  static void global_mean(const Step &s, const float *const *in, float *out, int, int, const OpScratch &) {
    const size_t positions = static_cast<size_t>(s.in[0].height) * s.in[0].width;
    for (int c = 0; c < s.out.slots; ++c) {
      double sum = 0;
      for (size_t p = 0; p < positions; ++p) sum += in[0][p * s.in[0].slots + c];
      out[c] = static_cast<float>(sum / static_cast<double>(positions));
    }
  }

  static void layer_norm(const Step &s, const float *const *in, float *out, int, int, const OpScratch &) {
    const size_t positions = static_cast<size_t>(s.out.height) * s.out.width;
    const double numbers = static_cast<double>(positions) * s.out.channels;
    const double mean = total(s, in[0], positions, 0.0f, false) / numbers;
    const auto center = static_cast<float>(mean);
    // the variance about the rounded mean, less the square of what rounding took off
    const double rest = mean - center, squares = total(s, in[0], positions, center, true);
    const double variance = squares / numbers - rest * rest;
    const auto scale = static_cast<float>(1 / __builtin_sqrt((variance > 0 ? variance : 0) + s.epsilon));
    const F shift = V::set(-static_cast<float>(mean)), factor = V::set(scale);
    for (size_t p = 0; p < positions; ++p) {
      for (int at = 0; at < s.out.slots; at += kLanes) {
        const F x = V::mul(V::add(V::load(in[0] + p * s.out.slots + at), shift), factor);
        V::store(out + p * s.out.slots + at, V::fma(x, V::load(s.vectors[0] + at), V::load(s.vectors[1] + at)));
      }
    }
  }

  // Sum over a map of x - center, or of its square. Sums of a position's blocks are added in double precision.
  static double total(const Step &s, const float *x, size_t positions, float center, bool square) {
    const int whole = s.out.channels / kLanes * kLanes;
    double sum = 0;
    for (size_t p = 0; p < positions; ++p, x += s.out.slots) {
      F part = V::set(0.0f);
      const F c = V::set(center);
      for (int at = 0; at < whole; at += kLanes) {
        const F d = V::sub(V::load(x + at), c);
        part = square ? V::fma(d, d, part) : V::add(part, d);
      }
      float lanes[kLanes];
      V::store(lanes, part);
      for (float lane : lanes) sum += lane;
      for (int at = whole; at < s.out.channels; ++at) {
        const float d = x[at] - center;
        sum += square ? d * d : d;
      }
    }
    return sum;
  }
};

}  // namespace bimlp
