// Uni-shortcut of Eq. 12 by channel: identity, copies, or the mean of adjacent channels; or none.
#pragma once
#include "simd.h"

namespace bimlp {

class Shortcut {
 public:
  Shortcut(int64_t in, int64_t out, int64_t n, bool present)
      : in_(in), out_(out), n_(n), group_(in > out ? in / out : 1), present_(present) {}

  // Shortcut of output channel o, n floats in x or in `buffer`; null for none.
  const float *forward(const float *x, int64_t o, float *buffer) const { return forward(x, o, 0, n_, buffer); }

  // Its `count` floats from position `from`.
  const float *forward(const float *x, int64_t o, int64_t from, int64_t count, float *buffer) const {
    if (!present_) return nullptr;
    if (group_ == 1) return x + (o % in_) * n_ + from;
    const float share = 1.0f / group_;
    const float *first = x + o * group_ * n_ + from;
    for_vectors(count, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      T sum = load<T>(first + i);
      for (int64_t g = 1; g < group_; ++g) sum += load<T>(first + g * n_ + i);
      store(buffer + i, share * sum);
    });
    return buffer;
  }

  // Shortcut's part of the gradient of input channel c at position i, from the gradients dt of all outputs.
  template <class T>
  T backward(const float *dt, int64_t c, int64_t i) const {
    if (!present_) return splat<T>(0);
    if (group_ > 1) return (1.0f / group_) * load<T>(dt + (c / group_) * n_ + i);
    T sum = load<T>(dt + c * n_ + i);
    for (int64_t o = c + in_; o < out_; o += in_) sum += load<T>(dt + o * n_ + i);
    return sum;
  }

 private:
  int64_t in_, out_, n_, group_;
  bool present_;
};

}  // namespace bimlp
