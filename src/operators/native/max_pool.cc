// Max-pool with a square window of any size, forward and backward. Padding counts as -inf.
//
// The maxima along the rows of an image come first, then the maxima of those along the columns. Of equal numbers the
// first is the maximum, and the last nan if there is one, as in MindSpore's MaxPool3DWithArgmax. `saved` holds the
// distance of each output's maximum from the corner of its window, in numbers of the image.
#include <algorithm>
#include <limits>
#include <vector>

#include "pool.h"
#include "scratch.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {
namespace {

// to[i] = from[i * stride]. The compiler has vectors for a stride that it knows.
void pick(const float *from, int64_t stride, int64_t count, float *to) {
  if (stride == 1) {
    std::copy(from, from + count, to);
  } else if (stride == 2) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * 2];
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * stride];
  }
}

// As for_vectors, but the last of several vectors overlaps the one before. f must give the same results twice.
template <class F>
void for_overlapping_vectors(int64_t n, F f) {
  if (n < kLanes) return for_vectors(n, f);
  for (int64_t i = 0; i < n; i += kLanes) f(Vec{}, std::min<int64_t>(i, n - kLanes));
}

template <class T>
void take(T candidate, T position, T &value, T &code) {
  const auto better = (candidate > value) | (candidate != candidate);
  value = select(better, candidate, value);
  code = select(better, position, code);
}

class Windows {
 public:
  // Windows on the images of tensor x that give the tensor y, by their numbers. Tensor 0 is kernel, stride and padding,
  // -1 for SAME (maps.py).
  Windows(const Tensors &t, int x, int y)
      : kernel_(t.get<int32_t>(0)[0]),
        stride_(t.get<int32_t>(0)[1]),
        height_(t.dim(x, 2)),
        width_(t.dim(x, 3)),
        out_height_(t.dim(y, 2)),
        out_width_(t.dim(y, 3)),
        top_(before(t.get<int32_t>(0)[2], height_, out_height_)),
        left_(before(t.get<int32_t>(0)[2], width_, out_width_)),
        room_(out_width_ + (kernel_ - 1) / stride_) {
    for (int64_t c = 0; c < kernel_; ++c) taps_.push_back(c % stride_ * room_ + c / stride_);
  }

  int64_t inputs() const { return height_ * width_; }
  int64_t outputs() const { return out_height_ * out_width_; }

  void forward(const float *x, float *y, float *saved) const {
    const int64_t phases = std::min(kernel_, stride_);
    float *values = Scratch::get<float>(0, 2 * height_ * out_width_ + phases * room_);
    float *codes = values + height_ * out_width_, *sorted = codes + height_ * out_width_;
    std::fill(sorted, sorted + phases * room_, -std::numeric_limits<float>::infinity());
    for (int64_t r = 0; r < height_; ++r) {
      for (int64_t phase = 0; phase < phases; ++phase) {
        const int64_t first = quotient(left_ - phase), end = std::min(room_, quotient(width_ + left_ - phase));
        pick(x + r * width_ + first * stride_ + phase - left_, stride_, end - first, sorted + phase * room_ + first);
      }
      along_row(sorted, values + r * out_width_, codes + r * out_width_);
    }
    for (int64_t i = 0; i < out_height_; ++i) {
      const int64_t start = (i * stride_ - top_) * out_width_;
      along_columns(i * stride_ - top_, values + start, codes + start, y + i * out_width_, saved + i * out_width_);
    }
  }

  void backward(const float *dy, const float *saved, float *dx) const {
    std::fill(dx, dx + inputs(), 0.0f);
    for (int64_t i = 0; i < out_height_; ++i, dy += out_width_, saved += out_width_) {
      const int64_t corner = (i * stride_ - top_) * width_ - left_;
      for (int64_t j = 0; j < out_width_; ++j) dx[corner + j * stride_ + static_cast<int64_t>(saved[j])] += dy[j];
    }
  }

 private:
  // Padding before the first row or column.
  int64_t before(int64_t padding, int64_t size, int64_t outputs) const {
    return padding >= 0 ? padding : std::max<int64_t>((outputs - 1) * stride_ + kernel_ - size, 0) / 2;
  }
  int64_t quotient(int64_t value) const { return (value + stride_ - 1) / stride_; }  // rounded up; value > -stride

  // Maxima of a row that is sorted by phase, column c in phase (c + left) % stride, and their columns in the window.
  void along_row(const float *sorted, float *values, float *codes) const {
    for_overlapping_vectors(out_width_, [&](auto tag, int64_t j) {
      using T = decltype(tag);
      T value = load<T>(sorted + j), code = splat<T>(0);
      for (int64_t c = 1; c < kernel_; ++c) take(load<T>(sorted + taps_[c] + j), splat<T>(c), value, code);
      store(values + j, value);
      store(codes + j, code);
    });
    // padding equals numbers of -inf, and is not the maximum
    const int64_t border = std::min(out_width_, quotient(left_));
    for (int64_t j = 0; j < border; ++j) codes[j] = std::max<float>(codes[j], left_ - j * stride_);
  }

  // Maxima of the windows that start at row `corner` of the image; values and codes are those of this row.
  void along_columns(int64_t corner, const float *values, const float *codes, float *y, float *saved) const {
    const int64_t begin = std::max<int64_t>(-corner, 0), end = std::min(kernel_, height_ - corner);
    for_overlapping_vectors(out_width_, [&](auto tag, int64_t j) {
      using T = decltype(tag);
      const auto code_of = [&](int64_t r) { return load<T>(codes + r * out_width_ + j) + splat<T>(r * width_); };
      T value = load<T>(values + begin * out_width_ + j), code = code_of(begin);
      for (int64_t r = begin + 1; r < end; ++r) take(load<T>(values + r * out_width_ + j), code_of(r), value, code);
      store(y + j, value);
      store(saved + j, code);
    });
  }

  int64_t kernel_, stride_, height_, width_, out_height_, out_width_, top_, left_, room_;
  std::vector<int64_t> taps_;  // place of each column of the window in a sorted row
};

}  // namespace

// Inputs: window, x (C, B, H, W). Outputs: y, saved (C, B, H', W').
OPERATOR(max_pool_forward) {
  const float *x = t.get(1);
  float *y = t.get(2), *saved = t.get(3);
  const Windows windows(t, 1, 2);
  const int64_t in = windows.inputs(), out = windows.outputs();
  thread_pool().each(t.dim(1, 0) * t.dim(1, 1),
                     [&](int64_t image) { windows.forward(x + image * in, y + image * out, saved + image * out); });
}

// Inputs: window, dy, x, saved. Output: dx. Of x the shape is read.
OPERATOR(max_pool_backward) {
  const float *dy = t.get(1), *saved = t.get(3);
  float *dx = t.get(4);
  const Windows windows(t, 2, 1);
  const int64_t in = windows.inputs(), out = windows.outputs();
  thread_pool().each(t.dim(2, 0) * t.dim(2, 1),
                     [&](int64_t image) { windows.backward(dy + image * out, saved + image * out, dx + image * in); });
}

}  // namespace bimlp
