// Operations on each number alone: binarize, affine, prelu, unary, add, mul.
#pragma once
#include "kernels.h"
#include "transcendental.h"

namespace bimlp {

template <class V>
struct Elementwise {
  using F = typename V::F;

  // store(out, f(block, x)) for each block of rows begin .. end - 1. A block is 16 slots of one position.
  template <class Lane>
  static void each(const Step &s, const float *x, float *out, int begin, int end, Lane f) {
    const int blocks = s.out.slots / kLanes;
    const size_t first = static_cast<size_t>(begin) * s.out.width, last = static_cast<size_t>(end) * s.out.width;
    for (size_t p = first; p < last; ++p) {
      for (int b = 0; b < blocks; ++b) {
        const size_t at = p * s.out.slots + kLanes * b;
        V::store(out + at, f(kLanes * b, V::load(x + at)));
      }
    }
  }

  static void binarize(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    const F one = V::set(1.0f), zero = V::set(0.0f), low = V::set(s.levels == Levels::kZeroOne ? 0.0f : -1.0f);
    const float *threshold = s.vectors[0];
    if (s.levels == Levels::kThree) {
      each(s, in[0], out, begin, end, [=](int at, F x) {
        const F t = V::load(threshold + at);
        return V::select_gt(x, t, one, V::select_gt(V::sub(zero, t), x, low, zero));
      });
    } else {
      each(s, in[0], out, begin, end, [=](int at, F x) { return V::select_gt(x, V::load(threshold + at), one, low); });
    }
  }

  static void affine(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    const float *factor = s.vectors[0], *offset = s.vectors[1];
    each(s, in[0], out, begin, end, [=](int at, F x) { return V::fma(V::load(factor + at), x, V::load(offset + at)); });
  }

  static void prelu(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    const float *positive = s.vectors[0], *negative = s.vectors[1];
    each(s, in[0], out, begin, end, [=](int at, F x) {
      return V::mul(V::select_gt(x, V::set(0.0f), V::load(positive + at), V::load(negative + at)), x);
    });
  }

  static F minimum(F a, F b) { return V::sub(V::set(0.0f), V::max(V::sub(V::set(0.0f), a), V::sub(V::set(0.0f), b))); }
  static F within(F x, float low, float high) { return minimum(V::max(x, V::set(low)), V::set(high)); }

  // e^-|x| and the sigmoid by it, which no x takes beyond the range of numbers.
  static F decay(F x) { return Transcendental<V>::exponential(minimum(x, V::sub(V::set(0.0f), x))); }
  static F sigmoid(F x) {
    const F e = decay(x), s = V::divide(V::set(1.0f), V::add(V::set(1.0f), e));
    return V::select_gt(x, V::set(0.0f), s, V::mul(e, s));
  }
  static F tanh(F x) {
    const F e = decay(V::add(x, x)), t = V::divide(V::sub(V::set(1.0f), e), V::add(V::set(1.0f), e));
    return V::select_gt(x, V::set(0.0f), t, V::sub(V::set(0.0f), t));
  }
  // erf to 1.5e-7: Abramowitz and Stegun, 7.1.26.
  static F erf(F x) {
    constexpr float kErf[] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f, 0.0f};
    const F z = V::max(x, V::sub(V::set(0.0f), x));
    const F t = V::divide(V::set(1.0f), V::fma(V::set(0.3275911f), z, V::set(1.0f)));
    const F square = V::mul(minimum(z, V::set(16.0f)), minimum(z, V::set(16.0f)));
    const F e = Transcendental<V>::exponential(V::sub(V::set(0.0f), square));
    const F y = V::sub(V::set(1.0f), V::mul(polynomial<V>(t, kErf), e));
    return V::select_gt(x, V::set(0.0f), y, V::sub(V::set(0.0f), y));
  }
  static F gelu(F x) {
    const F y = erf(V::mul(x, V::set(0.70710678f)));
    return V::mul(V::mul(x, V::set(0.5f)), V::add(V::set(1.0f), y));
  }
  static F sixth(F x) { return V::mul(within(V::add(x, V::set(3.0f)), 0, 6), V::set(1.0f / 6)); }

  static void unary(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    const auto run = [&](auto f) { each(s, in[0], out, begin, end, [f](int, F x) { return f(x); }); };
    const F one = V::set(1.0f);
    switch (s.function) {
      case Function::kSigmoid: return run([](F x) { return sigmoid(x); });
      case Function::kGelu: return run([](F x) { return gelu(x); });
      case Function::kTanh: return run([](F x) { return tanh(x); });
      case Function::kCos: return run([=](F x) { return Transcendental<V>::wave(x, one).cosine; });
      case Function::kSin: return run([=](F x) { return Transcendental<V>::wave(x, one).sine; });
      case Function::kHardtanh: return run([](F x) { return within(x, -1, 1); });
      case Function::kRelu6: return run([](F x) { return within(x, 0, 6); });
      case Function::kHardsigmoid: return run([](F x) { return sixth(x); });
      case Function::kHardswish: return run([](F x) { return V::mul(x, sixth(x)); });
      case Function::kSilu: return run([](F x) { return V::mul(x, sigmoid(x)); });
    }
  }

  // Sum or product. The second input may be one position, or one channel, or both.
  template <class Combine>
  static void combined(const Step &s, const float *const *in, float *out, int begin, int end, Combine f) {
    const MapShape &b = s.in[1];
    const bool vector = b.height * b.width == 1 && s.out.height * s.out.width > 1;
    const bool channel = b.channels == 1 && s.out.channels > 1;
    const size_t first = static_cast<size_t>(begin) * s.out.width, last = static_cast<size_t>(end) * s.out.width;
    for (size_t p = first; p < last; ++p) {
      const float *y = in[1] + (vector ? 0 : p * b.slots);
      for (int at = 0; at < s.out.slots; at += kLanes) {
        const F other = channel ? V::set(y[0]) : V::load(y + at);
        V::store(out + p * s.out.slots + at, f(V::load(in[0] + p * s.out.slots + at), other));
      }
    }
  }
  static void add(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    combined(s, in, out, begin, end, [](F a, F b) { return V::add(a, b); });
  }
  static void mul(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    combined(s, in, out, begin, end, [](F a, F b) { return V::mul(a, b); });
  }
};

}  // namespace bimlp
