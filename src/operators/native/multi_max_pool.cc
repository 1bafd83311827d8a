// Mean of four max-pools with kernels 2, 3, 5, 7, stride 2 and padding SAME, forward and backward.
//
// One pass handles all images of a channel. It sorts their numbers by the parity of row and column into four arrays,
// with two rows and columns of -inf around every image. The number at offset (r, c) from the corner (2i, 2j) of output
// (i, j) then lies in the array of its parities, at the output's position plus a fixed shift.
#include <algorithm>
#include <limits>

#include "pool.h"
#include "scratch.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {
namespace {

constexpr int kPools = 4;
constexpr int kGap = 2;
constexpr int kCode = 16;  // a maximum's position is kCode * row offset + column offset
constexpr int kRound = kCode * kCode + kCode / 2;

// Offsets that each window adds to the next smaller one, on an axis of even or odd size. Each window contains the
// smaller ones: it starts P / 2 before 2i, P the padding for ceil(size / 2) outputs.
struct Offsets {
  int count, values[2];
};
constexpr Offsets kEven[kPools] = {{2, {0, 1}}, {1, {2, 0}}, {2, {-1, 3}}, {2, {-2, 4}}};
constexpr Offsets kOdd[kPools] = {{2, {0, 1}}, {1, {-1, 0}}, {2, {-2, 2}}, {2, {-3, 3}}};

class Planes {
 public:
  Planes(int64_t images, int64_t height, int64_t width)
      : images_(images),
        height_(height),
        width_(width),
        out_height_((height + 1) / 2),
        out_width_((width + 1) / 2),
        pitch_(out_width_ + kGap),
        plane_(pitch_ * (out_height_ + kGap)),
        count_(plane_ * images + kGap * pitch_ + kGap),
        room_(count_ + 2 * (kGap * pitch_ + kGap) + kLanes),
        arrays_(Scratch::get<float>(0, room_ * (6 + 4 * kPools)) + kGap * pitch_ + kGap) {}

  // f(k, values, codes) for every pool k of one channel: the maxima and the codes of their positions, in arrays whose
  // order each_output gives.
  template <class F>
  void each_pool(const float *x, F f) const {
    sort(x);
    for (int parity = 0; parity < 2; ++parity) along_rows(parity);
    for (int k = 0; k < kPools; ++k) {
      float *values = array(4 + 4 * kPools), *codes = array(5 + 4 * kPools);
      along_columns(k, values, codes);
      f(k, values, codes);
    }
  }

  // f(number, position in the arrays, index of the corner in the channel) for all outputs of a channel.
  template <class F>
  void each_output(F f) const {
    int64_t o = 0;
    for (int64_t b = 0; b < images_; ++b) {
      for (int64_t i = 0; i < out_height_; ++i) {
        const int64_t position = b * plane_ + (kGap + i) * pitch_ + kGap;
        const int64_t corner = (b * height_ + 2 * i) * width_;
        for (int64_t j = 0; j < out_width_; ++j) f(o++, position + j, corner + 2 * j);
      }
    }
  }

  // Distance of the number that `code` means from its output's corner, in numbers.
  int64_t distance(float code) const {
    const int shifted = static_cast<int>(code) + kRound;  // the column offset is less than kCode / 2 from 0
    return (shifted / kCode - kRound / kCode) * width_ + shifted % kCode - kCode / 2;
  }

 private:
  // Array 0 .. 3: numbers by parity of row and column. Then values and codes along the rows, by pool and parity of the
  // row. The last two: values and codes of the whole window.
  float *array(int number) const { return arrays_ + number * room_; }
  float *numbers(int row_parity, int column_parity) const { return array(2 * row_parity + column_parity); }
  float *row_values(int k, int parity) const { return array(4 + 4 * k + 2 * parity); }
  float *row_codes(int k, int parity) const { return array(5 + 4 * k + 2 * parity); }

  void sort(const float *x) const {
    std::fill(numbers(0, 0) - kGap * pitch_ - kGap, numbers(1, 1) - kGap * pitch_ - kGap + room_,
              -std::numeric_limits<float>::infinity());
    for (int64_t b = 0; b < images_; ++b) {
      for (int64_t r = 0; r < height_; ++r) {
        const float *from = x + (b * height_ + r) * width_;
        const int64_t position = b * plane_ + (kGap + r / 2) * pitch_ + kGap;
        float *even = numbers(r & 1, 0) + position, *odd = numbers(r & 1, 1) + position;
        for (int64_t c = 0; c + 1 < width_; c += 2) {
          even[c / 2] = from[c];
          odd[c / 2] = from[c + 1];
        }
        if (width_ & 1) even[width_ / 2] = from[width_ - 1];
      }
    }
  }

  void along_rows(int parity) const {
    const Offsets *offsets = width_ & 1 ? kOdd : kEven;
    const float *sorted[2] = {numbers(parity, 0), numbers(parity, 1)};
    for_vectors(count_, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      T value = load<T>(sorted[0] + i), code = splat<T>(0);
      for (int k = 0; k < kPools; ++k) {
        for (int n = 0; n < offsets[k].count; ++n) {
          const int offset = offsets[k].values[n];
          take(load<T>(sorted[offset & 1] + i + (offset >> 1)), splat<T>(offset), value, code);
        }
        store(row_values(k, parity) + i, value);
        store(row_codes(k, parity) + i, code);
      }
    });
  }

  void along_columns(int pool, float *values, float *codes) const {
    const Offsets *offsets = height_ & 1 ? kOdd : kEven;
    for_vectors(count_, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      T value = load<T>(row_values(pool, 0) + i), code = load<T>(row_codes(pool, 0) + i);
      for (int k = 0; k <= pool; ++k) {
        for (int n = 0; n < offsets[k].count; ++n) {
          const int offset = offsets[k].values[n];
          const int64_t at = i + (offset >> 1) * pitch_;
          take(load<T>(row_values(pool, offset & 1) + at),
               load<T>(row_codes(pool, offset & 1) + at) + splat<T>(static_cast<float>(kCode * offset)), value, code);
        }
      }
      store(values + i, value);
      store(codes + i, code);
    });
  }

  template <class T>
  static void take(T candidate, T position, T &value, T &code) {
    const auto better = candidate > value;
    value = select(better, candidate, value);
    code = select(better, position, code);
  }

  int64_t images_, height_, width_, out_height_, out_width_, pitch_, plane_, count_, room_;
  float *arrays_;  // scratch of the thread that made the object
};

}  // namespace

// Input: x (C, B, H, W). Output: y (C, B, ceil(H / 2), ceil(W / 2)).
OPERATOR(multi_max_pool_forward) {
  const float *x = t.get(0);
  float *y = t.get(1);
  const int64_t n = t.size(0) / t.dim(0, 0), outputs = t.size(1) / t.dim(0, 0);
  thread_pool().each(t.dim(0, 0), [&](int64_t c) {
    const Planes planes(t.dim(0, 1), t.dim(0, 2), t.dim(0, 3));
    float *out = y + c * outputs;
    std::fill(out, out + outputs, 0.0f);
    planes.each_pool(x + c * n, [&](int, const float *values, const float *) {
      planes.each_output([&](int64_t o, int64_t position, int64_t) { out[o] += values[position] * (1.0f / kPools); });
    });
  });
}

// Inputs: dy, x. Output: dx. One maximum of each window gets its gradient.
OPERATOR(multi_max_pool_backward) {
  const float *dy = t.get(0), *x = t.get(1);
  float *dx = t.get(2);
  const int64_t n = t.size(1) / t.dim(1, 0), outputs = t.size(0) / t.dim(1, 0);
  thread_pool().each(t.dim(1, 0), [&](int64_t c) {
    const Planes planes(t.dim(1, 1), t.dim(1, 2), t.dim(1, 3));
    float *out = dx + c * n;
    const float *d = dy + c * outputs;
    std::fill(out, out + n, 0.0f);
    planes.each_pool(x + c * n, [&](int, const float *, const float *codes) {
      planes.each_output([&](int64_t o, int64_t position, int64_t corner) {
        out[corner + planes.distance(codes[position])] += d[o] * (1.0f / kPools);
      });
    });
  });
}

}  // namespace bimlp
