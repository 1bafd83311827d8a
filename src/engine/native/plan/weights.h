// Layers of a graph in the form that instructions read: slots instead of channels, what follows a sum folded into it.
#pragma once
#include "../ops/layers.h"
#include "../run/memory.h"
#include "../run/model.h"
#include "channel_order.h"
#include "expression.h"

namespace bimlp {

// Epilogue of a convolution's sum s: RPReLU(factor s + offset + shortcut), with slope 1 where there is no activation.
struct Epilogue {
  Numbers factor = {1.0f}, offset = {0.0f}, slope = {1.0f}, shift_out = {0.0f};
};

// Signs of a position for a window layer: planes that are packed one by one, words of all, whether these are bytes, and
// whether they are paired.
struct WindowSigns {
  int planes, words;
  bool bytes, paired;
};

class Weights {
 public:
  // tiles: whether there is a matrix unit.
  Weights(Memory &memory, bool tiles) : memory_(memory), tiles_(tiles) {}

  // Numbers in the order of slots; `padding` in padding.
  const float *in_slots(const Numbers &numbers, const ChannelOrder &order, float padding = 0.0f);
  const int32_t *copy(const std::vector<int32_t> &values);

  // Thresholds of binarize's bits by plane; infinite in padding. Three levels have two planes.
  const float *threshold(const Node &binarize, int plane, const ChannelOrder &order);

  // Convolution of 1 x 1 on the bits of a value in order `in`, `planes` of them side by side. shortcut: for each output
  // block, the block of the shortcut's row.
  DenseLayer dense(const Node &conv, Levels levels, const Epilogue &e, const ChannelOrder &in, const ChannelOrder &out,
                   const std::vector<int32_t> &shortcut);
  // Convolution of any window, on a map of shape `shape` and order `in`; without its shortcut.
  WindowLayer window(const Node &conv, Levels levels, const Shape &shape, const Epilogue &e, const ChannelOrder &in,
                     const ChannelOrder &out, const WindowSigns &signs);
  // A byte for each slot, 0 in padding.
  const int8_t *levels_of(const ChannelOrder &order, int level);
  // Bits of a position outside of the map, one plane after the other; or bytes.
  const uint32_t *outside_signs(const Node &conv, Levels levels, const ChannelOrder &in, const WindowSigns &signs);
  // Convolution of 7 x 1 or 1 x 7 with one output per group, on planes of a map of height x width.
  LocalLayer local(const Node &conv, const Node &binarize, const Epilogue &e, const std::vector<ChannelOrder> &in,
                   const ChannelOrder &out, int height, int width);
  // Convolution with full precision. Its order is that of the channels.
  FullLayer full(const Node &conv, uint32_t channels, const Epilogue &e, const ChannelOrder &out);
  // The same on the pixels of an image; affine: that of e.
  PixelLayer pixels(const Node &conv, const Shape &image, const Epilogue &e, const ChannelOrder &out,
                    const Affine &affine, const Normalisation &normalisation);
  // Gather of the distinct blocks of `sources` (slots of a row of `slots`, or -1). Appends the number of each block to
  // `which`.
  Gather gather(const ChannelOrder &sources, int slots, std::vector<int32_t> &which);
  // Gather of all blocks, also of equal ones.
  Gather gather_all(const ChannelOrder &sources, int slots);

 private:
  struct Inputs;
  // Digits of weights in the order blocks x length x 16. factor: of the layer's affine; unit: what the least of the
  // sums counts.
  DigitTiles digits(const float *weight, int blocks, size_t length, const float *factor, float unit);
  // Weights of a window layer: blocks x taps x planes x words of a group x 16.
  const uint32_t *window_bits(const Node &conv, const ChannelOrder &in, const ChannelOrder &out,
                              const WindowSigns &signs);
  // Weights of a window layer as tiles.
  SignTiles sign_tiles(const Node &conv, size_t channels, const ChannelOrder &in, const ChannelOrder &out);
  Affine affine(const Epilogue &e, const ChannelOrder &out);

  Memory &memory_;
  bool tiles_;
};

inline float at(const Numbers &numbers, size_t channel) { return numbers[numbers.size() == 1 ? 0 : channel]; }

inline bool bit_of(const Node &node, size_t i) { return node.bits[i / 32] >> i % 32 & 1; }

}  // namespace bimlp
