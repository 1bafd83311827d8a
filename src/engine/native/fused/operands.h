// Rows of the operands of instructions.
#pragma once
#include "../../../native/inline.h"
#include "../ops/instruction.h"

namespace bimlp {

template <class V>
struct Operands {
  // First row of an operand for the context's positions.
  static BIMLP_INLINE float *rows(const Operand &o, const Context &c) {
    switch (o.where) {
      case Where::kMap: return c.arena + o.place + static_cast<size_t>(c.first) * o.stride;
      case Where::kVector: return c.arena + o.place;
      case Where::kTile: return c.tile + o.place;
      case Where::kConstant: break;
    }
    return const_cast<float *>(o.constant);
  }
};

}  // namespace bimlp
