// Binary convolution with a window of any size, norm, shortcut and RPReLU: y = RPReLU(BN(conv(sign(x + b))) + r),
// forward and backward. A padded tap contributes 0.
//
// x (C, B, H, W), W (O, C, kh, kw), y (O, B, H', W'). The shortcut r is a map of its own, or the Uni-shortcut of x if
// the settings have it, or none.
#include "binary_windows.h"
#include "epilogue.h"
#include "operands.h"
#include "shortcut.h"
#include "sign_gradients.h"
#include "surrogates.h"
#include "windows.h"

namespace bimlp {
namespace {

constexpr int64_t kFilters = 4;  // filters of one work item of the forward pass

struct Sizes : MapSizes {
  Sizes(const Tensors &t, const Window &window, int x, int y) : MapSizes(t, window, x, y), depth(in * window.taps()) {}

  int64_t depth;
};

// Shortcut of output channel o: a row of r if there is one, else of x, or null.
struct AnyShortcut {
  const float *row(int64_t o, float *buffer) const { return r != nullptr ? r + o * n : of_input.forward(x, o, buffer); }

  const float *x, *r;
  int64_t n;
  Shortcut of_input;
};

// Planes of sign(x + b), or of x, for all channels.
const float *operand_planes(const Sizes &size, const float *x, const float *b, const Settings &set) {
  const int64_t room = size.grid.phases() * size.grid.room();
  float *planes = Scratch::get<float>(0, size.in * room);
  thread_pool().each(size.in, [&](int64_t c) {
    float *row = Scratch::get<float>(2, size.n_in);
    for_vectors(size.n_in, [&](auto tag, int64_t i) {
      store(row + i, input_operand(load<decltype(tag)>(x + c * size.n_in + i), b[c], set));
    });
    size.grid.spread_input(row, planes + c * room);
  });
  return planes;
}

}  // namespace

// Inputs: settings, window, x, r (another map if there is none), b, weight, gamma, beta, running mean and variance, b1,
// slope, b2. Outputs: y, sums, saved.
OPERATOR(binary_conv_forward) {
  const Settings set(t.get<int32_t>(0));
  const Window window(t.get<int32_t>(1));
  const Sizes size(t, window, 2, 13);
  const Grid &grid = size.grid;
  const float *x = t.get(2), *r = t.get(3), *b = t.get(4), *w = t.get(5);
  const EpilogueParameters parameters{t.get(6), t.get(7), t.get(10), t.get(11), t.get(12), {t.get(8), t.get(9)}};
  float *y = t.get(13), *s = t.get(14);
  const int64_t in = size.in, out = size.out, n = size.n, depth = size.depth;
  const Saved saved(t.get(15), out * depth, in, out);
  const AnyShortcut shortcut{x, set.own_shortcut ? r : nullptr, n, {in, out, n, set.shortcut}};
  std::copy(b, b + in, saved.b);

  const auto finish = [&](int64_t o) {
    std::copy(w + o * depth, w + (o + 1) * depth, saved.w + o * depth);
    epilogue_forward(o, s + o * n, shortcut.row(o, Scratch::get<float>(3, n)), n, scale_of(w + o * depth, depth, set),
                     set.training, parameters, saved, y + o * n);
  };
  if (set.binary_weight()) {
    const BinaryWindows product(window, grid, x, b, in, size.n_in);
    thread_pool().each((out + kFilters - 1) / kFilters, [&](int64_t item) {
      const int64_t first = item * kFilters, last = std::min(out, first + kFilters);
      product.sums(w, first, last, s, n);
      for (int64_t o = first; o < last; ++o) finish(o);
    });
    return;
  }
  const Sources sources = input_sources(grid, operand_planes(size, x, b, set), in);
  float *sums = Scratch::get<float>(4, out * grid.size());
  multiply(sources, out, grid.size(), [&](int64_t o, int64_t k) { return w[o * depth + k]; }, sums, grid.size());
  thread_pool().each(out, [&](int64_t o) {
    grid.gather_output(sums + o * grid.size(), s + o * n);
    finish(o);
  });
}

// Inputs: settings, window, dy, x, r (another map if there is none), sums, saved. Outputs: the gradients of x, b,
// weight, gamma, beta, b1, slope, b2, and of r if it is a map of its own.
OPERATOR(binary_conv_backward) {
  const Settings set(t.get<int32_t>(0));
  const Window window(t.get<int32_t>(1));
  const Sizes size(t, window, 3, 2);
  const Grid &grid = size.grid;
  const float *dy = t.get(2), *x = t.get(3), *r = t.get(4), *s = t.get(5);
  float *dx = t.get(7), *db = t.get(8), *dw = t.get(9);
  const EpilogueGradients gradients{t.get(10), t.get(11), t.get(12), t.get(13), t.get(14)};
  const int64_t in = size.in, out = size.out, n = size.n, n_in = size.n_in, depth = size.depth, taps = window.taps();
  const Saved saved(t.get(6), out * depth, in, out);
  const float *w = saved.w, *b = saved.b;
  const AnyShortcut shortcut{x, set.own_shortcut ? r : nullptr, n, {in, out, n, set.shortcut}};

  float *dt = set.own_shortcut ? t.get(15) : Scratch::get<float>(4, out * n);
  NormGradients *norms = Scratch::get<NormGradients>(10, out);
  float *scales = Scratch::get<float>(12, out);
  thread_pool().each(out, [&](int64_t o) {
    scales[o] = scale_of(w + o * depth, depth, set);
    norms[o] = epilogue_backward(o, dy + o * n, s + o * n, shortcut.row(o, Scratch::get<float>(3, n)), n, scales[o],
                                 set.training, saved, gradients, dt + o * n);
  });
  // gradient of the sums of output channel o at the positions from `first`
  const auto sums_gradient = [&](int64_t o, int64_t first, int64_t count, float *to) {
    const NormGradients norm = norms[o];
    const float *d = dt + o * n + first, *sums = s + o * n + first;
    for_vectors(count, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      store(to + i, norm.a * load<T>(d + i) + norm.b * load<T>(sums + i) + splat<T>(norm.c));
    });
  };
  // gradient of input channel c at the positions from `first` from that of its operand; its sum is that of b
  const auto input_gradient = [&](int64_t c, int64_t first, int64_t count, const float *from) {
    Sum sum;
    for_vectors(count, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const int64_t at = c * n_in + first + i;
      T g = load<T>(from + i);
      if (set.binary_act()) {
        g = sign_backward(load<T>(x + at) + splat<T>(b[c]), g, set.gradient);
        sum.add(g);
      }
      if (!set.own_shortcut) g += shortcut.of_input.backward<T>(dt, c, first + i);
      store(dx + at, g);
    });
    return sum.total();
  };

  // gradient of the weights of output channel o from `first` from that of their operand
  const auto weight_gradient = [&](int64_t o, int64_t first, int64_t count, const float *from) {
    const float factor = weight_factor(scales[o], set);
    for_vectors(count, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const int64_t at = o * depth + first + i;
      store(dw + at, weight_backward(load<T>(w + at), load<T>(from + i), factor, set));
    });
  };

  if (set.binary_weight() && has_matrix_unit()) {
    sign_gradients({grid, x, b, w, in, out}, sums_gradient, input_gradient, weight_gradient, db);
  } else {
    float *planes = Scratch::get<float>(1, out * grid.room());
    thread_pool().each(out, [&](int64_t o) {
      float *row = Scratch::get<float>(2, n);
      sums_gradient(o, 0, n, row);
      grid.spread_output(row, planes + o * grid.room());
    });
    multiply_transposed(grid, planes, out, input_sources(grid, operand_planes(size, x, b, set), in), dw);
    thread_pool().each(out, [&](int64_t o) { weight_gradient(o, 0, depth, dw + o * depth); });
    const int64_t room = grid.phases() * grid.room();
    float *dplanes = Scratch::get<float>(0, in * room);
    const auto operand = [&](int64_t o, int64_t c, int64_t tap) {
      return weight_operand(w[(o * in + c) * taps + tap], set);
    };
    multiply_back(grid, planes, in, out, operand, dplanes);
    thread_pool().each(in, [&](int64_t c) {
      float *row = Scratch::get<float>(2, n_in);
      grid.gather_input(dplanes + c * room, row);
      db[c] = input_gradient(c, 0, n_in, row);
    });
  }
}

}  // namespace bimlp
