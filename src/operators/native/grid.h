// Grid of the positions of a convolution with a k x k window, in which every tap is a shift.
//
// An output position (b, i, j) is the number p = b plane + i pitch + j. Between neighbouring rows and images lie as
// many positions of zeros as a tap can reach. A channel of the input is `stride`^2 planes of such numbers, one for each
// parity of row and column (one plane for stride 1). Then the input of tap t at output p is the number p + shift(t) of
// the plane of t, for all p, at the border too:
//
//   input row  = stride i + r - top  = stride (i + a) + phase,  a = floor((r - top) / stride)
//
// So a convolution is a matrix product whose right operand's rows are pointers into the planes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "simd.h"

namespace bimlp {

// Window of a convolution, from an int32 tensor that operator.py makes.
struct Window {
  explicit Window(const int32_t *values)
      : height(values[0]), width(values[1]), stride(values[2]), top(values[3]), left(values[4]) {}
  int64_t taps() const { return height * width; }

  int64_t height, width, stride, top, left;
};

class Grid {
 public:
  // Images of in_height x in_width and outputs of out_height x out_width.
  Grid(const Window &window, int64_t images, int64_t in_height, int64_t in_width, int64_t out_height, int64_t out_width)
      : stride_(window.stride),
        in_height_(in_height),
        in_width_(in_width),
        out_height_(out_height),
        out_width_(out_width) {
    const int64_t rows = std::max(out_height, quotient(in_height + stride_ - 1)),
                  columns = std::max(out_width, quotient(in_width + stride_ - 1));
    const int64_t row_gap = std::max(-quotient(-window.top), quotient(window.height - 1 - window.top)),
                  column_gap = std::max(-quotient(-window.left), quotient(window.width - 1 - window.left));
    pitch_ = columns + std::max<int64_t>(column_gap, 0);
    plane_ = (rows + std::max<int64_t>(row_gap, 0)) * pitch_;
    const int64_t reach = std::max<int64_t>(row_gap, 0) * pitch_ + std::max<int64_t>(column_gap, 0);
    margin_ = (reach + kLine - 1) / kLine * kLine;
    set_images(images);
    for (int64_t r = 0; r < window.height; ++r) {
      for (int64_t c = 0; c < window.width; ++c) {
        const int64_t a = quotient(r - window.top), b = quotient(c - window.left);
        phases_of_taps_.push_back((r - window.top - a * stride_) * stride_ + c - window.left - b * stride_);
        shifts_.push_back(a * pitch_ + b);
      }
    }
  }

  // Grid of other images, of the same sizes.
  Grid with_images(int64_t images) const {
    Grid grid = *this;
    grid.set_images(images);
    return grid;
  }

  int64_t images() const { return images_; }
  // Positions from one image to the next.
  int64_t plane() const { return plane_; }
  int64_t in_height() const { return in_height_; }
  int64_t in_width() const { return in_width_; }
  int64_t out_height() const { return out_height_; }
  int64_t out_width() const { return out_width_; }
  int64_t phases() const { return stride_ * stride_; }
  int64_t taps() const { return static_cast<int64_t>(shifts_.size()); }
  int64_t phase(int64_t tap) const { return phases_of_taps_[tap]; }
  int64_t shift(int64_t tap) const { return shifts_[tap]; }

  // Count of the positions, a multiple of 4 kLanes.
  int64_t size() const { return size_; }
  // Numbers of a plane with the zeros around it; its position 0 is the number margin().
  int64_t room() const { return room_; }
  int64_t margin() const { return margin_; }

  // Copies one channel's numbers (images, in_height, in_width) into its planes. Fills the rest with zeros.
  template <class T>
  void spread_input(const T *row, T *planes) const {
    std::fill(planes, planes + phases() * room_, T{});
    each_input_row([&](int64_t source, int64_t phase_row, int64_t position) {
      T *to = planes + margin_ + phase_row * stride_ * room_ + position;
      const T *from = row + source;
      if (stride_ == 1) {
        std::memcpy(to, from, in_width_ * sizeof(T));
        return;
      }
      for (int64_t phase = 0; phase < stride_; ++phase, to += room_)
        for (int64_t c = phase, j = 0; c < in_width_; c += stride_, ++j) to[j] = from[c];
    });
  }

  // Inverse of spread_input.
  void gather_input(const float *planes, float *row) const {
    each_input_row([&](int64_t target, int64_t phase_row, int64_t position) {
      const float *from = planes + margin_ + phase_row * stride_ * room_ + position;
      float *to = row + target;
      if (stride_ == 1) {
        std::memcpy(to, from, in_width_ * sizeof(float));
        return;
      }
      for (int64_t phase = 0; phase < stride_; ++phase, from += room_)
        for (int64_t c = phase, j = 0; c < in_width_; c += stride_, ++j) to[c] = from[j];
    });
  }

  // Copies one channel's numbers (images, out_height, out_width) into a plane. Fills the rest with zeros.
  void spread_output(const float *row, float *plane) const {
    std::fill(plane, plane + room_, 0.0f);
    each_output_row([&](int64_t source, int64_t position) {
      std::memcpy(plane + margin_ + position, row + source, out_width_ * sizeof(float));
    });
  }

  // Copies the positions' numbers, without zeros around them, into a row (images, out_height, out_width).
  void gather_output(const float *positions, float *row) const {
    each_output_row([&](int64_t target, int64_t position) {
      std::memcpy(row + target, positions + position, out_width_ * sizeof(float));
    });
  }

  // Whether the tap (r, c) of the window lies outside the image at output (i, j).
  bool is_padding(const Window &window, int64_t r, int64_t c, int64_t i, int64_t j) const {
    const int64_t row = i * stride_ + r - window.top, column = j * stride_ + c - window.left;
    return row < 0 || row >= in_height_ || column < 0 || column >= in_width_;
  }

 private:
  static constexpr int64_t kStep = 4 * kLanes, kLine = 16;

  void set_images(int64_t images) {
    images_ = images;
    size_ = (images * plane_ + kStep - 1) / kStep * kStep;
    // an odd number of cache lines, so that neighbouring planes do not share the cache's sets
    room_ = (2 * margin_ + size_ + 2 * kLine - 1) / (2 * kLine) * (2 * kLine) + kLine;
  }

  int64_t quotient(int64_t value) const {  // floor(value / stride)
    return value >= 0 ? value / stride_ : -((-value + stride_ - 1) / stride_);
  }

  template <class F>
  void each_input_row(F f) const {
    int64_t source = 0;
    for (int64_t b = 0; b < images_; ++b)
      for (int64_t r = 0; r < in_height_; ++r, source += in_width_)
        f(source, r % stride_, b * plane_ + r / stride_ * pitch_);
  }

  template <class F>
  void each_output_row(F f) const {
    int64_t source = 0;
    for (int64_t b = 0; b < images_; ++b)
      for (int64_t i = 0; i < out_height_; ++i, source += out_width_) f(source, b * plane_ + i * pitch_);
  }

  int64_t stride_, in_height_, in_width_, out_height_, out_width_;
  int64_t images_, pitch_, plane_, margin_, size_, room_;
  std::vector<int64_t> phases_of_taps_, shifts_;
};

}  // namespace bimlp
