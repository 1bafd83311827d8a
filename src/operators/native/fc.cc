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

// Rows in one work item of a thread: few enough for all threads to have work, many per reading of the other operand.
int64_t rows_at_once(int64_t rows) {
  const int64_t share = rows / (2 * thread_pool().size()) / kRows * kRows;
  return std::max<int64_t>(kRows, std::min<int64_t>(32, share));
}

// Sums s of real weights, slab by slab of columns, so that the packed operand, sign(x + b) or x, stays in the caches.
void multiply(const float *x, const float *b, const float *w, int64_t in, int64_t out, int64_t n, const Settings &set,
              float *s) {
  ThreadPool &pool = thread_pool();
  float *blocks = Scratch::get<float>(1, blocks_of(out) * kRows * in), *panels = Scratch::get<float>(0, in * kSlab);
  pool.each(blocks_of(out), [&](int64_t block) {
    fill_block(blocks, block, out, in, [&](int64_t row, int64_t k) { return w[row * in + k]; });
  });
  const int64_t step = rows_at_once(out);
  for (int64_t start = 0; start < n; start += kSlab) {
    const int64_t count = std::min(kSlab, n - start);
    pool.each((in + kPacked - 1) / kPacked, [&](int64_t group) {
      fill_rows(panels, in, group * kPacked, std::min(in, (group + 1) * kPacked), count,
                [&](int64_t c, auto tag, int64_t i) {
                  return input_operand(load<decltype(tag)>(x + c * n + start + i), b[c], set);
                });
    });
    pool.each((out + step - 1) / step, [&](int64_t item) {
      matmul(blocks, panels, in, count, item * step, std::min(out, (item + 1) * step), s + start, n);
    });
  }
}

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
  uint32_t *bits = nullptr, *filters = nullptr;
  if (set.binary_weight()) {
    bits = Scratch::get<uint32_t>(0, words_of(in) * padded_positions(n));
    filters = Scratch::get<uint32_t>(1, out * words_of(in));
    pack_bits(x, b, in, n, bits);
  } else {
    multiply(x, b, w, in, out, n, set, s);
  }
  std::copy(w, w + in * out, saved.w);
  const int64_t step = rows_at_once(out);
  thread_pool().each((out + step - 1) / step, [&](int64_t item) {
    const int64_t first = item * step, last = std::min(out, first + step);
    if (set.binary_weight()) {
      for (int64_t o = first; o < last; ++o) pack_filter(w + o * in, in, filters + o * words_of(in));
      binary_matmul(filters, bits, in, n, first, last, s);
    }
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

  float *dt = Scratch::get<float>(4, out * kSlab), *ds = Scratch::get<float>(3, out * kSlab);
  const bool one_slab = n <= kSlab;
  NormGradients *norms = Scratch::get<NormGradients>(6, out);
  Affine *affine = Scratch::get<Affine>(7, out);
  pool.each(out, [&](int64_t o) {
    const float scale = scale_of(w + o * in, in, set);
    affine[o] = affine_of({saved.mean[o], saved.variance[o]}, saved.gamma[o], saved.beta[o], scale);
    affine[o].offset += saved.b1[o];
    norms[o] = epilogue_backward(o, dy + o * n, s + o * n, shortcut.forward(x, o, Scratch::get<float>(2, n)), n, scale,
                                 set.training, saved, gradients, one_slab ? dt + o * kSlab : nullptr);
  });

  float *blocks = Scratch::get<float>(1, blocks_of(in) * kRows * out);
  pool.each(blocks_of(in), [&](int64_t block) {
    fill_block(blocks, block, in, out, [&](int64_t row, int64_t o) { return weight_operand(w[o * in + row], set); });
  });
  std::fill(dw, dw + in * out, 0.0f);
  Sum *sums = Scratch::get<Sum>(8, in);
  std::fill(sums, sums + in, Sum{});

  // slab by slab of columns, so that dt, ds and what is read and written of x and dx stay in the caches
  const Shortcut of_slab(in, out, kSlab, set.shortcut);
  const int64_t inputs = rows_at_once(in), step = transposed_rows_at_once(in);
  for (int64_t start = 0; start < n; start += kSlab) {
    const int64_t count = std::min(kSlab, n - start);
    pool.each((out + kPacked - 1) / kPacked, [&](int64_t group) {
      const int64_t first = group * kPacked, last = std::min(out, first + kPacked);
      for (int64_t o = first; o < last && !one_slab; ++o) {
        const float *from = shortcut.forward(x, o, start, count, Scratch::get<float>(2, count));
        const Affine norm = affine[o];
        const float slope = saved.slope[o];
        for_vectors(count, [&](auto tag, int64_t i) {
          using T = decltype(tag);
          const T t = activation_input<T>(s + o * n + start, from, i, norm);
          store(dt + o * kSlab + i, activation_gradient(t, load<T>(dy + o * n + start + i), slope));
        });
      }
      fill_rows(ds, out, first, last, count, [&](int64_t o, auto tag, int64_t i) {
        using T = decltype(tag);
        const NormGradients norm = norms[o];
        return norm.a * load<T>(dt + o * kSlab + i) + norm.b * load<T>(s + o * n + start + i) + splat<T>(norm.c);
      });
    });
    pool.each((in + inputs - 1) / inputs, [&](int64_t item) {
      const int64_t first = item * inputs, last = std::min(in, first + inputs);
      matmul(blocks, ds, out, count, first, last, dx + start, n);
      for (int64_t c = first; c < last; ++c) {
        float *d = dx + c * n + start;
        const float *row = x + c * n + start;
        Sum sum = sums[c];
        for_vectors(count, [&](auto tag, int64_t i) {
          using T = decltype(tag);
          T g = load<T>(d + i);
          if (set.binary_act()) {
            g = sign_backward(load<T>(row + i) + splat<T>(b[c]), g, set.gradient);
            sum.add(g);
          }
          store(d + i, g + of_slab.backward<T>(dt, c, i));
        });
        sums[c] = sum;
      }
    });
    pool.each((in + step - 1) / step, [&](int64_t item) {
      const auto operand = [&](int64_t c, auto tag, int64_t i) {
        return input_operand(load<decltype(tag)>(x + c * n + start + i), b[c], set);
      };
      add_transposed(ds, out, count, item * step, std::min(in, (item + 1) * step), operand, dw, in);
    });
  }

  for (int64_t c = 0; c < in; ++c) db[c] = sums[c].total();
  if (!set.binary_weight()) return;
  pool.each(out, [&](int64_t o) {
    const float factor = weight_factor(scale_of(w + o * in, in, set), set);
    for (int64_t c = 0; c < in; ++c) dw[o * in + c] = weight_backward(w[o * in + c], dw[o * in + c], factor, set);
  });
}

}  // namespace bimlp
