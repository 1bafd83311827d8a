// Operations: the engine's table of what a graph can hold. It is src/graph/ops.py in C++.
#pragma once
#include <string>

#include "graph.h"

namespace bimlp {

// Attribute with its limits, and its name in ops.py. An attribute of four numbers has four rows. A real one has the
// limits `least` and `most`, and its word is a 32-bit float.
struct AttributeRow {
  Attribute attribute;
  const char *name;
  uint32_t low, high;
  float least = 0, most = 0;

  bool is_real() const { return least < most; }
};

enum class TensorKind { kVector, kFilter, kBits, kIndex };
struct TensorRow {
  TensorKind kind;
  const char *name;
};

struct OpRow {
  Op op;
  const char *name;
  int inputs;  // 0: any number from 1 to kMaxInputs
  std::vector<AttributeRow> attributes;
  std::vector<TensorRow> tensors;
  // Shape of the output. Throws Error where the inputs do not fit.
  Shape (*shape)(const Node &, const std::vector<Shape> &);

  bool has_filter() const {
    return !tensors.empty() && (tensors[0].kind == TensorKind::kFilter || tensors[0].kind == TensorKind::kBits);
  }
};

constexpr uint32_t kMaxNodes = 1 << 16, kMaxInputs = 64, kMaxChannels = 1 << 16, kMaxWindow = 64, kMaxFilter = 1 << 22;

// Row of an operation's number. Throws Error for a number that has none.
const OpRow &op_row(uint32_t number);
inline const OpRow &op_row(Op op) { return op_row(static_cast<uint32_t>(op)); }

extern const char *const kFunctionNames[kFunctions];

// A line per operation, as "13 pool: 1; kind 0..1, kernel 2 x 1..64": number, name, inputs; attributes with their
// limits, real ones as "-65536 to 65536", and how many numbers they have if not one; tensors with their kinds. A last
// line names the functions of unary.
std::string list_of_ops();

// Throws Error for a number beyond the limits of a real attribute, and for one that is none.
void check_real(const AttributeRow &row, float value);

// Throws Error for a graph beyond the limits of FORMAT.md.
void check_limits(const Graph &graph);

}  // namespace bimlp
