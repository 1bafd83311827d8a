// Lines of a channel along one axis of its images, with zeros between them. A 7-tap filter with zero padding is then a
// sum of shifted copies.
//
// Along the width a line is a row of W numbers. Along the height it is an image, whose positions are rows of W numbers.
// Between lines of D positions lie min(3, D - 1) positions of zeros.
#pragma once
#include <algorithm>

#include "simd.h"

namespace bimlp {

constexpr int kTaps = 7;
constexpr int kCentre = kTaps / 2;

class PaddedLines {
 public:
  // Lines of n numbers in images of height x width.
  PaddedLines(int64_t n, int64_t height, int64_t width, bool along_width)
      : unit_(along_width ? 1 : width),
        positions_(along_width ? width : height),
        length_(positions_ * unit_),
        count_(n / length_),
        gap_(std::min<int64_t>(kCentre, positions_ - 1) * unit_) {}

  // Count of the numbers with their zeros. A tap reads from `margin()` numbers before them on, `room()` in all.
  int64_t padded() const { return gap_ + count_ * (length_ + gap_); }
  int64_t margin() const { return gap_; }
  int64_t room() const { return padded() + 2 * gap_ + kLanes; }

  // First and last tap that can meet a number; the others meet zeros alone.
  int first_tap() const { return kCentre - static_cast<int>(gap_ / unit_); }
  int last_tap() const { return kCentre + static_cast<int>(gap_ / unit_); }
  int64_t shift(int tap) const { return (tap - kCentre) * unit_; }

  // Copies a row of n numbers between the zeros of `padded`.
  void spread(const float *row, float *padded) const {
    copy_lines([&](int64_t line, auto copy) { copy(padded + start(line), row + line * length_); });
  }

  // Copies the numbers of `padded` into a row of n numbers.
  void gather(const float *padded, float *row) const {
    copy_lines([&](int64_t line, auto copy) { copy(row + line * length_, padded + start(line)); });
  }

 private:
  int64_t start(int64_t line) const { return gap_ + line * (length_ + gap_); }

  template <int kLength, class F>
  void copy_of(F f) const {
    for (int64_t line = 0; line < count_; ++line)
      f(line, [](float *to, const float *from) { std::memcpy(to, from, kLength * sizeof(float)); });
  }

  // f(line, copy) for every line. Copies of short lines, whose length the compiler knows, are a few instructions.
  template <class F>
  void copy_lines(F f) const {
    switch (length_) {
      case 1: return copy_of<1>(f);
      case 2: return copy_of<2>(f);
      case 4: return copy_of<4>(f);
      case 7: return copy_of<7>(f);
      case 8: return copy_of<8>(f);
      case 14: return copy_of<14>(f);
      case 16: return copy_of<16>(f);
      default:
        for (int64_t line = 0; line < count_; ++line)
          f(line, [this](float *to, const float *from) { std::memcpy(to, from, length_ * sizeof(float)); });
    }
  }

  int64_t unit_, positions_, length_, count_, gap_;
};

}  // namespace bimlp
