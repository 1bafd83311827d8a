#include "expression.h"

#include <algorithm>

namespace bimlp {
namespace {

constexpr int kMaxDepth = 32;  // of affines and sums on each other: a file can have more than a stack holds

template <class F>
Numbers combined(const Numbers &a, const Numbers &b, F f) {
  const Numbers &longer = a.size() >= b.size() ? a : b;
  Numbers out(longer.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = f(a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]);
  return out;
}

bool is_vector(const Shape &s) { return s.height == 1 && s.width == 1; }

}  // namespace

bool Expression::has_offset() const {
  return std::any_of(offset.begin(), offset.end(), [](float v) { return v != 0.0f; });
}

Numbers to_numbers(const Vector &vector) { return {vector.data, vector.data + vector.size}; }

Numbers product(const Numbers &a, const Numbers &b) {
  return combined(a, b, [](float x, float y) { return x * y; });
}

Numbers sum(const Numbers &a, const Numbers &b) {
  return combined(a, b, [](float x, float y) { return x + y; });
}

Expression Expressions::expand(uint32_t value, bool root, bool shared, int depth) const {
  const auto leaf = [shared](uint32_t v) { return Expression{{{v, {1.0f}, -1, shared}}, {0.0f}}; };
  if (value == 0 || (!root && atom_(value)) || depth == kMaxDepth) return leaf(value);
  const Node &node = graph_.maker(value);
  if (node.op == Op::kAffine) {
    Expression e = expand(node.inputs[0], false, shared || (!root && readers_[value] > 1), depth + 1);
    const Numbers factor = to_numbers(node.vectors[0]);
    for (Term &term : e.terms) term.factor = product(factor, term.factor);
    e.offset = sum(product(factor, e.offset), to_numbers(node.vectors[1]));
    return e;
  }
  if (!root && (shared || readers_[value] > 1 || needed_[value])) return leaf(value);
  const auto operand = [&](int i) { return graph_.shape_of(node.inputs[i]); };
  if (node.op == Op::kAdd && operand(1).channels == operand(0).channels) {
    Expression e = expand(node.inputs[0], false, shared, depth + 1);
    const bool broadcast = is_vector(operand(1)) && !is_vector(operand(0));
    const Expression more = broadcast ? leaf(node.inputs[1]) : expand(node.inputs[1], false, shared, depth + 1);
    e.terms.insert(e.terms.end(), more.terms.begin(), more.terms.end());
    e.offset = sum(e.offset, more.offset);
    return e;
  }
  if (node.op == Op::kMul && is_vector(operand(1)) && operand(1).channels == operand(0).channels)
    return {{{node.inputs[0], {1.0f}, node.inputs[1], true}}, {0.0f}};
  return leaf(value);
}

}  // namespace bimlp
