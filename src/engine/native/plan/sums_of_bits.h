// Sums of a binary convolution from the number of mismatches, and what its bits say outside of the map.
#pragma once
#include "../graph/graph.h"

namespace bimlp {

// Scale and base of a sum by the number of its mismatches: sum = scale * mismatches + base. signs: the sum of the signs
// of the `inputs` weights.
struct SumOfMismatches {
  double scale, base;
  SumOfMismatches(Levels levels, double inputs, double signs)
      : scale(levels == Levels::kSigns ? -2 : -1), base(levels == Levels::kZeroOne ? (inputs + signs) / 2 : inputs) {}
};

// Bits of positions outside of the map, by plane, and what the sum of a tap's weights counts beside them: the padding
// value less the value that the bits stand for.
struct Outside {
  bool bit[2];
  double factor;

  Outside(const Node &conv, Levels levels) {
    const auto pad = static_cast<double>(conv.pad_value());
    bit[0] = pad > 0;
    bit[1] = pad >= 0;
    const double low = levels == Levels::kZeroOne ? 0 : -1;
    factor = pad - (bit[0] ? 1 : levels == Levels::kThree && bit[1] ? 0 : low);
  }
};

}  // namespace bimlp
