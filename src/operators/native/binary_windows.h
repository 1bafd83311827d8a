// Sums of a binary convolution by xor and popcount, on the planes of a Grid.
//
// A padded tap is the bit 0, sign -1, in the product of bits. The sum of the filter's signs at that tap is added where
// the tap is padded, so that it contributes 0.
#pragma once
#include "binary_matmul.h"
#include "grid.h"
#include "scratch.h"

namespace bimlp {

class BinaryWindows {
 public:
  // Operand sign(x + b), x (channels, n) the input of the grid.
  BinaryWindows(const Window &window, const Grid &grid, const float *x, const float *b, int64_t channels, int64_t n)
      : grid_(grid), channels_(channels), words_(words_of(channels)) {
    uint32_t *bits = Scratch::get<uint32_t>(0, words_ * padded_positions(n));
    pack_bits(x, b, channels, n, bits);
    const int64_t room = grid.phases() * grid.room();
    uint32_t *planes = Scratch::get<uint32_t>(1, words_ * room + kTilePositions);
    thread_pool().each(
        words_, [&](int64_t word) { grid.spread_input(bits + word * padded_positions(n), planes + word * room); });
    for (int64_t word = 0; word < words_; ++word)
      for (int64_t tap = 0; tap < grid.taps(); ++tap)
        sources_.push_back(planes + word * room + grid.phase(tap) * grid.room() + grid.margin() + grid.shift(tap));
    for (int64_t r = 0; r < window.height; ++r)
      for (int64_t c = 0; c < window.width; ++c)
        for (int64_t i = 0; i < grid.out_height(); ++i)
          for (int64_t j = 0; j < grid.out_width(); ++j)
            if (grid.is_padding(window, r, c, i, j))
              padding_.push_back({i * grid.out_width() + j, r * window.width + c});
  }

  // Sums of the filters [first, last) of w (filters, channels, taps) into s, rows of n.
  void sums(const float *w, int64_t first, int64_t last, float *s, int64_t n) const {
    const int64_t taps = grid_.taps(), words = words_ * taps;
    uint32_t *filters = Scratch::get<uint32_t>(5, (last - first) * words);
    std::fill(filters, filters + (last - first) * words, 0u);
    for (int64_t o = first; o < last; ++o) {
      const float *filter = w + o * channels_ * taps;
      for (int64_t c = 0; c < channels_; ++c, filter += taps) {
        uint32_t *to = filters + (o - first) * words + c / kWordBits * taps;
        for (int64_t tap = 0; tap < taps; ++tap) to[tap] |= uint32_t{filter[tap] > 0} << c % kWordBits;
      }
    }
    const int64_t plane = grid_.plane(), image = grid_.out_height() * grid_.out_width();
    const int64_t images = std::max<int64_t>(1, kPartPositions / plane);
    const int64_t size = padded_positions(images * plane);
    float *positions = Scratch::get<float>(6, (last - first) * size);
    float *padded = Scratch::get<float>(7, (last - first) * image);
    for (int64_t o = first; o < last; ++o) sum_padding(filters + (o - first) * words, padded + (o - first) * image);
    for (int64_t start = 0; start < grid_.images(); start += images) {
      const Grid part = grid_.with_images(std::min(images, grid_.images() - start));
      multiply(filters, last - first, start * plane, part.images() * plane, positions, size);
      for (int64_t o = first; o < last; ++o) {
        float *to = s + o * n + start * image;
        part.gather_output(positions + (o - first) * size, to);
        if (!padding_.empty()) add_images(padded + (o - first) * image, image, part.images(), to);
      }
    }
  }

 private:
  struct Padding {
    int64_t position, tap;  // output position in an image
  };

  // Products of the filters at the positions [first, first + count) into rows of `stride` numbers.
  void multiply(const uint32_t *filters, int64_t rows, int64_t first, int64_t count, float *out, int64_t stride) const {
    constexpr int R = 4;
    const int64_t words = static_cast<int64_t>(sources_.size());
    const float depth = static_cast<float>(channels_ * grid_.taps());
    const int64_t pass = std::max<int64_t>(1, kPassWords / (words * kTilePositions)) * kTilePositions;
    for (int64_t start = 0; start < count; start += pass) {
      for (int64_t row = 0; row < rows;) {
        const bool full_tile = row + R <= rows;
        for (int64_t i = start; i < std::min(count, start + pass); i += kTilePositions) {
          const auto words_at = [&](int64_t k) { return sources_[k] + first + i; };
          const auto tile = full_tile ? count_tile<R, decltype(words_at)> : count_tile<1, decltype(words_at)>;
          tile(filters + row * words, words_at, words, depth, out + row * stride + i, stride, kTilePositions);
        }
        row += full_tile ? R : 1;
      }
    }
  }

  // Sums of a filter's signs at the padded taps of each output position of an image.
  void sum_padding(const uint32_t *filter, float *image) const {
    const int64_t taps = grid_.taps();
    std::vector<float> signs(taps);
    for (int64_t tap = 0; tap < taps; ++tap) {
      int64_t positive = 0;
      for (int64_t word = 0; word < words_; ++word) positive += popcount(filter[word * taps + tap]);
      signs[tap] = static_cast<float>(2 * positive - channels_);
    }
    std::fill(image, image + grid_.out_height() * grid_.out_width(), 0.0f);
    for (const Padding &each : padding_) image[each.position] += signs[each.tap];
  }

  // Adds one image of `size` numbers to each of some.
  static void add_images(const float *image, int64_t size, int64_t images, float *to) {
    for (int64_t b = 0; b < images; ++b, to += size)
      for_vectors(size, [&](auto tag, int64_t i) {
        using T = decltype(tag);
        store(to + i, load<T>(to + i) + load<T>(image + i));
      });
  }

  static constexpr int64_t kPassWords = 8192;      // of a pass, which stay in the L1 cache for all rows
  static constexpr int64_t kPartPositions = 1024;  // whose sums stay in the L2 cache, about

  const Grid &grid_;
  int64_t channels_, words_;
  std::vector<const uint32_t *> sources_;
  std::vector<Padding> padding_;
};

}  // namespace bimlp
