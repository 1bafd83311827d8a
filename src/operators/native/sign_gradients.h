// Gradients of a binary convolution's input and weight by the matrix unit, part of the images by part, so that a part's
// operands stay in the cache.
#pragma once
#include "grid.h"
#include "matrix_unit.h"

#ifdef BIMLP_MATRIX_UNIT
#include "sign_products.h"
#endif

namespace bimlp {

// Binary convolution of signs of x + b, x (in, images, height, width), with signs of w (out, in, taps).
struct SignConvolution {
  const Grid &grid;
  const float *x, *b, *w;
  int64_t in, out;
};

#ifdef BIMLP_MATRIX_UNIT

constexpr int64_t kPartPositions = 1024;  // positions of a part, about
constexpr int64_t kSumsMaps = 4;          // size of the sums of all parts, in maps

// Images of a part. The number of parts is even, if it can be.
inline int64_t images_of_part(const Grid &grid) {
  const int64_t images = grid.images(), most = (kPartPositions * images + grid.size() - 1) / grid.size();
  const int64_t parts = std::min(images, (images + 2 * most - 1) / (2 * most) * 2);
  return (images + parts - 1) / parts;
}

// Takes the weight's gradient, of an output channel's 16 input channels at once, from `slices` sums as
// sum_weight_gradient makes them: finish(o, first, count, d) for the weights [first, first + count) of channel o.
template <class Finish>
void collect_weight_gradient(float *sums, int64_t slices, int64_t in, int64_t out, int64_t taps, Finish finish) {
  const int64_t blocks = blocks_of_tiles(in), size = taps * kTileSize,
                slice_size = blocks_of_tiles(out) * blocks * size;
  thread_pool().each(blocks_of_tiles(out) * blocks, [&](int64_t item) {
    float *sum = sums + item * size, *d = Scratch::get<float>(2, kTile * taps);
    for (int64_t slice = 1; slice < slices; ++slice)
      for (int64_t i = 0; i < size; i += kLanes)
        store(sum + i, load<Vec>(sum + i) + load<Vec>(sum + slice * slice_size + i));
    const int64_t o = item / blocks * kTile, c = item % blocks * kTile, count = std::min(kTile, in - c);
    for (int64_t r = 0; r < std::min(kTile, out - o); ++r) {
      for (int64_t k = 0; k < count; ++k)
        for (int64_t t = 0; t < taps; ++t) d[k * taps + t] = sum[t * kTileSize + r * kTile + k];
      finish(o + r, c * taps, count * taps, d);
    }
  });
}

// Gradients of the operands, which `finish_input` and `finish_weight` take; db, sums by channel.
//
// sums_gradient(o, first, count, to) gives the gradient of the sums of channel o at the map's positions from `first`.
// finish_input(c, first, count, d) takes that of input channel c, d, and returns its part of db[c].
// finish_weight as in collect_weight_gradient.
template <class SumsGradient, class FinishInput, class FinishWeight>
void sign_gradients(const SignConvolution &conv, SumsGradient sums_gradient, FinishInput finish_input,
                    FinishWeight finish_weight, float *db) {
  const Grid &whole = conv.grid;
  const int64_t in = conv.in, out = conv.out, taps = whole.taps();
  const int64_t n_in = whole.in_height() * whole.in_width(), n = whole.out_height() * whole.out_width();
  const int64_t images = images_of_part(whole), parts = (whole.images() + images - 1) / images;
  const uint32_t *weights = sign_tiles(conv.w, in, out, taps);
  const int64_t sums_size = blocks_of_tiles(out) * blocks_of_tiles(in) * taps * kTileSize;
  // Threads share the parts if these are enough and their sums no larger than some maps, else the items of a part. The
  // sums are added in the same order.
  const bool apart = parts >= thread_pool().size() && parts * sums_size <= kSumsMaps * out * whole.images() * n;
  const int64_t slices = apart ? parts : 1;
  float *sums = Scratch::get<float>(7, slices * sums_size), *part_db = Scratch::get<float>(11, parts * in);

  const auto do_part = [&](int64_t part, auto each) {
    const bool add = !apart && part > 0;
    float *part_sums = sums + (apart ? part : 0) * sums_size;
    const int64_t image = part * images, count = std::min(images, whole.images() - image);
    const Grid grid = whole.with_images(count);
    const Terms terms(grid, out);
    const SignPairs signs(grid, in);
    float *planes = Scratch::get<float>(8, blocks_of_tiles(in) * kTile * grid.phases() * grid.room());
    each(steps_of(out), [&](int64_t step) {
      terms.set(step, [&](int64_t o, float *to) { sums_gradient(o, image * n, count * n, to); });
    });
    each(blocks_of_tiles(in),
         [&](int64_t block) { signs.set(block, conv.x + image * n_in, conv.b, count * n_in, whole.images() * n_in); });
    each(weight_items(in, out, taps), [&](int64_t item) { sum_weight_gradient(terms, signs, item, add, part_sums); });
    each(input_items(grid, in), [&](int64_t item) { set_input_gradient(terms, weights, in, item, planes); });
    each(blocks_of_tiles(in), [&](int64_t block) {
      float *d = Scratch::get<float>(2, count * n_in);
      for (int64_t c = block * kTile; c < std::min(in, (block + 1) * kTile); ++c) {
        grid.gather_input(planes + c * grid.phases() * grid.room(), d);
        part_db[part * in + c] = finish_input(c, image * n_in, count * n_in, d);
      }
    });
  };
  if (apart) {
    const auto in_order = [](int64_t items, auto f) {
      for (int64_t i = 0; i < items; ++i) f(i);
    };
    thread_pool().each(parts, [&](int64_t part) { do_part(part, in_order); });
  } else {
    const auto shared = [](int64_t items, auto f) { thread_pool().each(items, f); };
    for (int64_t part = 0; part < parts; ++part) do_part(part, shared);
  }
  collect_weight_gradient(sums, slices, in, out, taps, finish_weight);
  for (int64_t c = 0; c < in; ++c) {
    db[c] = 0;
    for (int64_t part = 0; part < parts; ++part) db[c] += part_db[part * in + c];
  }
}

#else

template <class SumsGradient, class FinishInput, class FinishWeight>
void sign_gradients(const SignConvolution &, SumsGradient, FinishInput, FinishWeight, float *) {}

#endif

}  // namespace bimlp
