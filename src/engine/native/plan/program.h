// Program: a network as the planner leaves it, steps of fused instructions.
#pragma once
#include <memory>
#include <vector>

#include "../ops/kernels.h"
#include "../run/memory.h"
#include "../run/model.h"

namespace bimlp {

// Sweep over the rows of a map: `tiles` for each band of positions, then `rows` for each row whose neighbours are done.
struct Sweep {
  int height = 0, width = 0, tile = 0;  // tile: positions
  bool by_rows = false;                 // whether a tile lies in one row, or is some whole rows
  std::vector<Instruction> tiles, rows;
};

// One operation as the plain executor runs it.
struct PlainStep {
  Step step;
  std::vector<size_t> in;  // places in the arena
  size_t out = 0;
};

struct ProgramStep {
  enum class Kind { kSweep, kRows, kMean, kPlain } kind;
  Sweep sweep;
  Instruction instruction;  // of kRows: for each row of an output of sweep.height x sweep.width
  // kMean: the sum of `count` rows of `slots` numbers at `from`, over `positions`
  size_t from = 0, to = 0;
  int count = 0, slots = 0, positions = 0;
  PlainStep plain;
};

// Map of bits with a margin for local layers.
struct Plane {
  int height, width, slots;
};

struct Program {
  std::vector<ProgramStep> steps;
  std::vector<Plane> planes;
  size_t image = 0, logits = 0;   // places in the arena
  ImageLayout layout = {};        // of the image at its place; what lies between the pixels is 0
  ImageLayout pixel_layout = {};  // the same of pixels, in bytes
  size_t pixels = 0;              // bytes of the image in pixels, or 0 where it is taken in numbers alone
  size_t arena = 0, tile = 0;     // numbers
  size_t digits = 0;              // bytes for a matrix unit
  size_t column = 0, slices = 0,
         bits = 0;  // scratch memory of a thread: numbers, bytes, words of plain binary convolutions
  std::vector<std::vector<MapShape>> shapes;  // that plain steps refer to
  Memory memory;
};

}  // namespace bimlp
