// A channel's positions along one axis of its images, with zeros between one line and the next, so that a
// 7-tap filter with zero padding is a sum of shifted copies.
//
// Along the width a line is a row of W numbers; along the height it is a whole image, and one position is a
// row of W numbers. Between lines lie min(3, D - 1) positions of zeros, D the number of positions.
#pragma once
#include <algorithm>

#include "simd.h"

namespace bimlp {

constexpr int kTaps = 7;
constexpr int kCentre = kTaps / 2;

class PaddedLines {
 public:
  // n numbers in images of height x width.
  PaddedLines(int64_t n, int64_t height, int64_t width, bool along_width)
      : unit_(along_width ? 1 : width),
        positions_(along_width ? width : height),
        length_(positions_ * unit_),
        count_(n / length_),
        gap_(std::min<int64_t>(kCentre, positions_ - 1) * unit_) {}

  // Numbers with their zeros; reads of a tap stay within `room()` numbers of which the first is `margin()`
  // before the padded numbers.
  int64_t padded() const { return gap_ + count_ * (length_ + gap_); }
  int64_t margin() const { return gap_; }
  int64_t room() const { return padded() + 2 * gap_ + kLanes; }

  // Taps that can meet a number at all: the others see only zeros.
  int first_tap() const { return kCentre - static_cast<int>(gap_ / unit_); }
  int last_tap() const { return kCentre + static_cast<int>(gap_ / unit_); }
  int64_t shift(int tap) const { return (tap - kCentre) * unit_; }

  // Copies a row of n numbers between the zeros. `padded` is zero elsewhere.
  void spread(const float *row, float *padded) const {
    copy_lines([&](int64_t line, auto copy) { copy(padded + start(line), row + line * length_); });
  }

  // The reverse of spread.
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

  // Short lines of a known length are moved by a few instructions instead of a call.
  template <class F>
  void copy_lines(F f) const {
    switch (length_) {
      case 1:
        return copy_of<1>(f);
      case 2:
        return copy_of<2>(f);
      case 4:
        return copy_of<4>(f);
      case 7:
        return copy_of<7>(f);
      case 8:
        return copy_of<8>(f);
      case 14:
        return copy_of<14>(f);
      case 16:
        return copy_of<16>(f);
      default:
        for (int64_t line = 0; line < count_; ++line)
          f(line, [this](float *to, const float *from) { std::memcpy(to, from, length_ * sizeof(float)); });
    }
  }

  int64_t unit_, positions_, length_, count_, gap_;
};

}  // namespace bimlp
