// Settings of an operator, an int32 tensor that operator.py makes.
#pragma once
#include <cstdint>

namespace bimlp {

enum class Precision : int32_t { fp32 = 0, binary_act = 1, binary = 2 };
enum class Gradient : int32_t { ste = 0, approx_sign = 1, clip_grad = 2, dorefa = 3, dsq = 4, swish_sign = 5 };
// Scale of binary weights: mean |w| of a filter, which the weights' gradient contains or not, or none.
enum class Scale : int32_t { mean = 0, mean_forward = 1, none = 2 };

struct Settings {
  explicit Settings(const int32_t *values)
      : precision(static_cast<Precision>(values[0])),
        gradient(static_cast<Gradient>(values[1])),
        training(values[2] != 0),
        shortcut(values[3] == 1),
        own_shortcut(values[3] == 2),
        scale(static_cast<Scale>(values[4])) {}

  bool binary_act() const { return precision != Precision::fp32; }
  bool binary_weight() const { return precision == Precision::binary; }

  Precision precision;
  Gradient gradient;
  bool training;
  bool shortcut;      // of the layer's input
  bool own_shortcut;  // a map of its own
  Scale scale;
};

}  // namespace bimlp
