// Settings of an operator, an int32 tensor that its Cell makes (cells.py).
#pragma once
#include <cstdint>

namespace bimlp {

enum class Precision : int32_t { fp32 = 0, binary_act = 1, binary = 2 };
enum class Gradient : int32_t { ste = 0, approx_sign = 1, clip_grad = 2, dorefa = 3, dsq = 4, swish_sign = 5 };

struct Settings {
  explicit Settings(const int32_t *values)
      : precision(static_cast<Precision>(values[0])),
        gradient(static_cast<Gradient>(values[1])),
        training(values[2] != 0),
        shortcut(values[3] != 0) {}

  bool binary_act() const { return precision != Precision::fp32; }
  bool binary_weight() const { return precision == Precision::binary; }

  Precision precision;
  Gradient gradient;
  bool training;
  bool shortcut;
};

}  // namespace bimlp
