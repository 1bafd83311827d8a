// Spatial Binary FC: RPReLU(BN(LFC(sign(x + b))) + U(x)) along one axis, forward and backward.
//
// x (O G, B, H, W); W (O, G, 1, 7) along the width or (O, G, 7, 1) along the height. Output channel o reads the input
// channels o G .. o G + G - 1 alone, so one thread computes all of a channel.
#include "epilogue.h"
#include "operands.h"
#include "padded_lines.h"
#include "pool.h"
#include "scratch.h"
#include "shortcut.h"
#include "surrogates.h"
#include "tensors.h"

namespace bimlp {
namespace {

// Padded numbers of a row, all zero, `lines.margin()` after the start of the memory in the slot.
float *zeroed(const PaddedLines &lines, int slot) {
  float *room = Scratch::get<float>(slot, lines.room());
  std::fill(room, room + lines.room(), 0.0f);
  return room + lines.margin();
}

// Correlation out[i] = sum_k w[k] in[i + shift(k)], or convolution, in[i - shift(k)], if `reverse`.
void correlate(const PaddedLines &lines, const float *in, const float *w, bool reverse, bool add, float *out) {
  const int first = lines.first_tap(), last = lines.last_tap();
  for_vectors(lines.padded(), [&](auto tag, int64_t i) {
    using T = decltype(tag);
    T sum = add ? load<T>(out + i) : splat<T>(0);
    for (int k = first; k <= last; ++k) {
      const int64_t shift = lines.shift(k);
      sum += w[k] * load<T>(in + i + (reverse ? -shift : shift));
    }
    store(out + i, sum);
  });
}

}  // namespace

OPERATOR(local_fc_forward) {
  const Settings set(t.get<int32_t>(0));
  const float *x = t.get(1), *b = t.get(2), *w = t.get(3);
  const EpilogueParameters parameters{t.get(4), t.get(5), t.get(8), t.get(9), t.get(10), {t.get(6), t.get(7)}};
  float *y = t.get(11), *s = t.get(12);
  const int64_t out = t.dim(3, 0), group = t.dim(3, 1), in = out * group, n = t.size(1) / in;
  const PaddedLines lines(n, t.dim(1, 2), t.dim(1, 3), t.dim(3, 3) > 1);
  const Saved saved(t.get(13), in * kTaps, in, out);
  const Shortcut shortcut(in, out, n, set.shortcut);

  std::copy(b, b + in, saved.b);
  std::copy(w, w + in * kTaps, saved.w);
  thread_pool().each(out, [&](int64_t o) {
    float *padded = zeroed(lines, 0);
    float *sums = Scratch::get<float>(1, lines.room()), *row = Scratch::get<float>(2, n);
    const float *filter = w + o * group * kTaps;
    for (int64_t g = 0; g < group; ++g) {
      const int64_t c = o * group + g;
      float taps[kTaps];
      for (int k = 0; k < kTaps; ++k) taps[k] = weight_operand(filter[g * kTaps + k], set);
      for_vectors(n, [&](auto tag, int64_t i) {
        store(row + i, input_operand(load<decltype(tag)>(x + c * n + i), b[c], set));
      });
      lines.spread(row, padded);
      correlate(lines, padded, taps, false, g > 0, sums);
    }
    lines.gather(sums, s + o * n);
    epilogue_forward(o, s + o * n, shortcut.forward(x, o, row), n, scale_of(filter, group * kTaps, set), set.training,
                     parameters, saved, y + o * n);
  });
}

OPERATOR(local_fc_backward) {
  const Settings set(t.get<int32_t>(0));
  const float *dy = t.get(1), *x = t.get(2), *s = t.get(3);
  float *dx = t.get(5), *db = t.get(6), *dw = t.get(7);
  const EpilogueGradients gradients{t.get(8), t.get(9), t.get(10), t.get(11), t.get(12)};
  const int64_t in = t.dim(2, 0), out = t.dim(3, 0), group = in / out, n = t.size(2) / in;
  const Saved saved(t.get(4), in * kTaps, in, out);
  const float *w = saved.w, *b = saved.b;
  const PaddedLines lines(n, t.dim(2, 2), t.dim(2, 3), t.dim(7, 3) > 1);
  const Shortcut shortcut(in, out, n, set.shortcut);

  thread_pool().each(out, [&](int64_t o) {
    float *ds = zeroed(lines, 0), *padded = zeroed(lines, 1);
    float *row = Scratch::get<float>(2, n), *dt = Scratch::get<float>(3, n);
    float *dpadded = Scratch::get<float>(4, lines.room());
    const float *filter = w + o * group * kTaps, *sums = s + o * n;
    const float scale = scale_of(filter, group * kTaps, set), factor = weight_factor(scale, set);
    const NormGradients norm = epilogue_backward(o, dy + o * n, sums, shortcut.forward(x, o, row), n, scale,
                                                 set.training, saved, gradients, dt);
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      store(row + i, norm.a * load<T>(dt + i) + norm.b * load<T>(sums + i) + splat<T>(norm.c));
    });
    lines.spread(row, ds);

    for (int64_t g = 0; g < group; ++g) {
      const int64_t c = o * group + g;
      float taps[kTaps], *dfilter = dw + c * kTaps;
      for (int k = 0; k < kTaps; ++k) taps[k] = weight_operand(filter[g * kTaps + k], set);
      for_vectors(n, [&](auto tag, int64_t i) {
        store(row + i, input_operand(load<decltype(tag)>(x + c * n + i), b[c], set));
      });
      lines.spread(row, padded);
      for (int k = 0; k < kTaps; ++k) {
        Sum sum;
        if (k >= lines.first_tap() && k <= lines.last_tap()) {
          const float *shifted = padded + lines.shift(k);
          for_vectors(lines.padded(), [&](auto tag, int64_t i) {
            using T = decltype(tag);
            sum.add(load<T>(ds + i) * load<T>(shifted + i));
          });
        }
        dfilter[k] = weight_backward(filter[g * kTaps + k], sum.total(), factor, set);
      }
      correlate(lines, ds, taps, true, false, dpadded);
      lines.gather(dpadded, row);
      Sum bias;
      float *d = dx + c * n;
      for_vectors(n, [&](auto tag, int64_t i) {
        using T = decltype(tag);
        T v = load<T>(row + i);
        if (set.binary_act()) {
          v = sign_backward(load<T>(x + c * n + i) + splat<T>(b[c]), v, set.gradient);
          bias.add(v);
        }
        store(d + i, v + shortcut.backward<T>(dt - o * n, c, i));
      });
      db[c] = bias.total();
    }
  });
}

}  // namespace bimlp
