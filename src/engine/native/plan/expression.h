// Linear expressions: a value as a sum of other values with factors, through the graph's affines, sums and products.
#pragma once
#include <functional>
#include <vector>

#include "../graph/graph.h"

namespace bimlp {

using Numbers = std::vector<float>;  // one per channel, or one for all

// factor * scale * value, per channel.
struct Term {
  uint32_t value;
  Numbers factor;
  int64_t scale = -1;   // value of 1 x 1 that multiplies, or -1
  bool shared = false;  // whether other expressions may have the same value

  bool is_plain() const { return scale < 0 && factor.size() == 1 && factor[0] == 1.0f; }
};

struct Expression {
  std::vector<Term> terms;
  Numbers offset = {0.0f};

  bool has_offset() const;
};

Numbers to_numbers(const Vector &vector);
// Products and sums per channel; one number stands for all channels.
Numbers product(const Numbers &a, const Numbers &b);
Numbers sum(const Numbers &a, const Numbers &b);

class Expressions {
 public:
  // atom(v): whether a value is kept as it is, wherever it is read. needed: whether a value is, by value.
  Expressions(const Graph &graph, const std::vector<int> &readers, std::function<bool(uint32_t)> atom,
              const std::vector<char> &needed)
      : graph_(graph), readers_(readers), atom_(std::move(atom)), needed_(needed) {}

  // Expression of a value in atoms and in values that are no sums or affines. The value itself is expanded in any case;
  // a sum within it only if nothing else needs it.
  Expression of(uint32_t value) const { return expand(value, true, false, 0); }
  // The same for a reader of the value: it is expanded only if it is no atom, and a sum if nothing else reads it.
  Expression read(uint32_t value) const { return expand(value, false, false, 0); }

 private:
  // shared: whether several expressions come here, through an affine that has several readers. depth: of the value
  // below the one that was asked for, up to a limit.
  Expression expand(uint32_t value, bool root, bool shared, int depth) const;

  const Graph &graph_;
  const std::vector<int> &readers_;
  const std::function<bool(uint32_t)> atom_;
  const std::vector<char> &needed_;
};

}  // namespace bimlp
