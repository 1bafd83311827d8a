// Padding of a map's height and width with one number: y = value, and x in its middle, where of an odd number of lines
// the smaller half is before; forward and backward.
#include <algorithm>

#include "pool.h"
#include "tensors.h"

namespace bimlp {
namespace {

// Calls f(number in the padded map, number in the other) for each line of a plane's map that is not padding.
template <class F>
void each_line(int64_t height, int64_t width, int64_t padded_height, int64_t padded_width, F f) {
  const int64_t top = (padded_height - height) / 2, left = (padded_width - width) / 2;
  for (int64_t r = 0; r < height; ++r) f((top + r) * padded_width + left, r * width);
}

}  // namespace

// Inputs: value, x. Output: y.
OPERATOR(pad_forward) {
  const float value = *t.get(0), *x = t.get(1);
  float *y = t.get(2);
  const int64_t height = t.dim(1, 2), width = t.dim(1, 3), size = height * width;
  const int64_t padded_height = t.dim(2, 2), padded_width = t.dim(2, 3), padded_size = padded_height * padded_width;
  const int64_t images = t.dim(1, 1);
  thread_pool().each(t.dim(1, 0), [&](int64_t c) {
    std::fill(y + c * images * padded_size, y + (c + 1) * images * padded_size, value);
    for (int64_t plane = c * images; plane < (c + 1) * images; ++plane)
      each_line(height, width, padded_height, padded_width, [&](int64_t to, int64_t from) {
        std::copy_n(x + plane * size + from, width, y + plane * padded_size + to);
      });
  });
}

// Inputs: dy, x (for its shape). Output: dx.
OPERATOR(pad_backward) {
  const float *dy = t.get(0);
  float *dx = t.get(2);
  const int64_t height = t.dim(2, 2), width = t.dim(2, 3), size = height * width;
  const int64_t padded_height = t.dim(0, 2), padded_width = t.dim(0, 3), padded_size = padded_height * padded_width;
  const int64_t images = t.dim(2, 1);
  thread_pool().each(t.dim(2, 0), [&](int64_t c) {
    for (int64_t plane = c * images; plane < (c + 1) * images; ++plane)
      each_line(height, width, padded_height, padded_width, [&](int64_t from, int64_t to) {
        std::copy_n(dy + plane * padded_size + from, width, dx + plane * size + to);
      });
  });
}

}  // namespace bimlp
