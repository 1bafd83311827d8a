// Channel Binary FC: RPReLU(BN(FC(sign(x + b))) + U(x)), forward and backward.
//
// x (C, B, H, W) is a matrix of C rows and N = B H W columns; W (O, C, 1, 1).
#include "binary_matmul.h"
#include "epilogue.h"
#include "matmul.h"
#include "operands.h"
#include "pool.h"
#include "scratch.h"
#include "shortcut.h"
#include "surrogates.h"
#include "tensors.h"

namespace bimlp {
namespace {

constexpr int64_t kPacked = 8;  // rows that are packed at once

// Right operand of the product, sign(x + b) or x, in panels.
float *pack_input(const float *x, const float *b, int64_t channels, int64_t n, const Settings &set) {
  float *panels = Scratch::get<float>(0, panels_of(n) * channels * kColumns);
  thread_pool().each((channels + kPacked - 1) / kPacked, [&](int64_t group) {
    fill_rows(
        panels, channels, group * kPacked, std::min(channels, group * kPacked + kPacked), n,
        [&](int64_t c, auto tag, int64_t i) { return input_operand(load<decltype(tag)>(x + c * n + i), b[c], set); });
  });
  return panels;
}

constexpr int64_t kMostRows = 32;

// Rows in one work item of a thread: few enough for all threads to have work, many per reading of the other operand.
int64_t rows_at_once(int64_t rows) {
  const int64_t share = rows / (2 * thread_pool().size()) / kRows * kRows;
  return std::max<int64_t>(kRows, std::min<int64_t>(kMostRows, share));
}

// Sums of the forward pass, by popcount if both operands are signs, else by multiplication.
class Product {
 public:
  Product(const float *x, const float *b, const float *w, int64_t in, int64_t out, int64_t n, const Settings &set)
      : w_(w), in_(in), out_(out), n_(n), set_(set) {
    if (set.binary_weight()) {
      bits_ = Scratch::get<uint32_t>(0, words_of(in) * padded_positions(n));
      filters_ = Scratch::get<uint32_t>(1, out * words_of(in));
      pack_bits(x, b, in, n, bits_);
    } else {
      panels_ = pack_input(x, b, in, n, set);
      blocks_ = Scratch::get<float>(1, blocks_of(out) * kRows * in);
    }
  }

  // Rows [first, last) of the sums into s. `first` is a multiple of kRows.
  void rows(int64_t first, int64_t last, float *s) const {
    if (set_.binary_weight()) {
      for (int64_t o = first; o < last; ++o) pack_filter(w_ + o * in_, in_, filters_ + o * words_of(in_));
      binary_matmul(filters_, bits_, in_, n_, first, last, s);
      return;
    }
    for (int64_t o = first; o < last; o += kRows)
      fill_block(blocks_, o / kRows, out_, in_, [&](int64_t row, int64_t k) { return w_[row * in_ + k]; });
    matmul(blocks_, panels_, in_, n_, first, last, s);
  }

 private:
  const float *w_;
  int64_t in_, out_, n_;
  const Settings &set_;
  uint32_t *bits_ = nullptr, *filters_ = nullptr;
  const float *panels_ = nullptr;
  float *blocks_ = nullptr;
};

}  // namespace

OPERATOR(fc_forward) {
  const Settings set(t.get<int32_t>(0));
  const float *x = t.get(1), *b = t.get(2), *w = t.get(3);
  const EpilogueParameters parameters{t.get(4), t.get(5), t.get(8), t.get(9), t.get(10), {t.get(6), t.get(7)}};
  float *y = t.get(11), *s = t.get(12);
  const int64_t in = t.dim(3, 1), out = t.dim(3, 0), n = t.size(1) / in;
  const Saved saved(t.get(13), in * out, in, out);
  const Shortcut shortcut(in, out, n, set.shortcut);

  std::copy(b, b + in, saved.b);
  const Product product(x, b, w, in, out, n, set);
  const int64_t step = rows_at_once(out);
  thread_pool().each((out + step - 1) / step, [&](int64_t item) {
    const int64_t first = item * step, last = std::min(out, first + step);
    product.rows(first, last, s);
    std::copy(w + first * in, w + last * in, saved.w + first * in);
    float *buffer = Scratch::get<float>(2, n);
    for (int64_t o = first; o < last; ++o) {
      epilogue_forward(o, s + o * n, shortcut.forward(x, o, buffer), n, scale_of(w + o * in, in, set), set.training,
                       parameters, saved, y + o * n);
    }
  });
}

OPERATOR(fc_backward) {
  const Settings set(t.get<int32_t>(0));
  const float *dy = t.get(1), *x = t.get(2), *s = t.get(3);
  float *dx = t.get(5), *db = t.get(6), *dw = t.get(7);
  const EpilogueGradients gradients{t.get(8), t.get(9), t.get(10), t.get(11), t.get(12)};
  const int64_t in = t.dim(2, 0), out = t.dim(3, 0), n = t.size(2) / in;
  const Saved saved(t.get(4), in * out, in, out);
  const float *w = saved.w, *b = saved.b;
  const Shortcut shortcut(in, out, n, set.shortcut);
  ThreadPool &pool = thread_pool();

  float *ds = Scratch::get<float>(3, panels_of(n) * out * kColumns);
  float *dt = Scratch::get<float>(4, out * n);
  pool.each((out + kPacked - 1) / kPacked, [&](int64_t group) {
    const int64_t first = group * kPacked, last = std::min(out, first + kPacked);
    NormGradients norms[kPacked];
    for (int64_t o = first; o < last; ++o) {
      norms[o - first] =
          epilogue_backward(o, dy + o * n, s + o * n, shortcut.forward(x, o, Scratch::get<float>(2, n)), n,
                            scale_of(w + o * in, in, set), set.training, saved, gradients, dt + o * n);
    }
    fill_rows(ds, out, first, last, n, [&](int64_t o, auto tag, int64_t i) {
      using T = decltype(tag);
      const NormGradients &norm = norms[o - first];
      return norm.a * load<T>(dt + o * n + i) + norm.b * load<T>(s + o * n + i) + splat<T>(norm.c);
    });
  });

  float *blocks = Scratch::get<float>(1, blocks_of(in) * kRows * out);
  const int64_t inputs_at_once = rows_at_once(in);
  pool.each((in + inputs_at_once - 1) / inputs_at_once, [&](int64_t item) {
    const int64_t first = item * inputs_at_once, last = std::min(in, first + inputs_at_once);
    for (int64_t c = first; c < last; c += kRows)
      fill_block(blocks, c / kRows, in, out,
                 [&](int64_t row, int64_t o) { return weight_operand(w[o * in + row], set); });
    Sum sums[kMostRows];
    for (int64_t p = 0; p < panels_of(n); p += kSlabPanels) {
      const int64_t end = std::min(p + kSlabPanels, panels_of(n)), start = p * kColumns;
      matmul_panels(blocks, ds, out, n, p, end, first, last, dx);
      for (int64_t c = first; c < last; ++c) {  // what the product wrote is still in the cache
        float *d = dx + c * n + start;
        const float *row = x + c * n + start;
        for_vectors(std::min(n, end * kColumns) - start, [&](auto tag, int64_t i) {
          using T = decltype(tag);
          T g = load<T>(d + i);
          if (set.binary_act()) {
            g = sign_backward(load<T>(row + i) + splat<T>(b[c]), g, set.gradient);
            sums[c - first].add(g);
          }
          store(d + i, g + shortcut.backward<T>(dt, c, start + i));
        });
      }
    }
    for (int64_t c = first; c < last; ++c) db[c] = sums[c - first].total();
  });

  const int64_t step = transposed_rows_at_once(in);
  pool.each((in + step - 1) / step, [&](int64_t item) {
    const int64_t first = item * step, last = std::min(in, first + step);
    const auto operand = [&](int64_t c, auto tag, int64_t i) {
      return input_operand(load<decltype(tag)>(x + c * n + i), b[c], set);
    };
    matmul_transposed(ds, out, n, first, last, operand, dw, in);
    if (!set.binary_weight()) return;
    for (int64_t o = 0; o < out; ++o) {
      const float factor = weight_factor(scale_of(w + o * in, in, set), set);
      for (int64_t c = first; c < last; ++c)
        dw[o * in + c] = weight_backward(w[o * in + c], dw[o * in + c], factor, set);
    }
  });
}

}  // namespace bimlp
