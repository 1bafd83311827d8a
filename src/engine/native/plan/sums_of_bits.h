// Sums of a binary convolution from the number of mismatches, and what its bits say outside of the map.
#pragma once
#include "../graph/graph.h"

namespace bimlp {

// Scale and base of a sum, by its product of bytes or the number of its mismatches: sum = scale * number + base.
struct ScaledSum {
  double scale = 1, base = 0;
};

// The same for mismatches. signs: the sum of the signs of the `inputs` weights.
struct SumOfMismatches : ScaledSum {
  SumOfMismatches(Levels levels, double inputs, double signs)
      : ScaledSum{levels == Levels::kSigns ? -2.0 : -1.0, levels == Levels::kZeroOne ? (inputs + signs) / 2 : inputs} {}
};

// Level that the bits, or bytes, of positions outside of the map stand for, these bits by plane, and what the sum of a
// tap's weights counts beside them: the padding value less the level.
struct Outside {
  int level;
  bool bit[2];
  double factor;

  Outside(const Node &conv, Levels levels, bool tiles = false) {
    const auto pad = static_cast<double>(conv.pad_value());
    const bool has_zero = tiles || levels == Levels::kThree ? pad == 0 : levels == Levels::kZeroOne;
    level = pad > 0 ? 1 : has_zero ? 0 : -1;
    bit[0] = level == 1;
    bit[1] = level >= 0;
    factor = pad - level;
  }
};

}  // namespace bimlp
