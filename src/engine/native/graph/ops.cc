#include "ops.h"

#include <algorithm>
#include <sstream>

#include "../error.h"

namespace bimlp {
namespace {

constexpr uint64_t kMaxAlive = uint64_t{1} << 26, kMaxWork = uint64_t{1} << 40, kMaxWords = uint64_t{1} << 26;
constexpr uint32_t kRounding = 16;  // a map's channels are rounded up to a multiple

std::string text(uint64_t v) { return std::to_string(v); }
std::string text(const Shape &s) { return text(s.channels) + " x " + text(s.height) + " x " + text(s.width); }

using Shapes = std::vector<Shape>;

// Places of a window along an axis.
uint32_t places(const char *axis, uint32_t size, uint32_t kernel, uint32_t stride, uint32_t before, uint32_t after) {
  expect(before < kernel && after < kernel, "padding", "less than the kernel", std::max(before, after));
  const uint32_t padded = size + before + after;
  expect(padded >= kernel, axis, "at least the kernel's " + text(kernel), padded);
  return (padded - kernel) / stride + 1;
}

Shape window(const Node &n, const Shape &x, uint32_t channels) {
  return {channels, places("height", x.height, n[kKernelHeight], n[kStride], n[kTop], n[kBottom]),
          places("width", x.width, n[kKernelWidth], n[kStride], n[kLeft], n[kRight])};
}

Shape conv2d(const Node &n, const Shapes &x) {
  expect(x[0].channels % n[kGroups] == 0, "groups", "a divisor of " + text(x[0].channels) + " channels", n[kGroups]);
  expect(n[kFilters] % n[kGroups] == 0, "groups", "a divisor of " + text(n[kFilters]) + " filters", n[kGroups]);
  return window(n, x[0], n[kFilters]);
}

Shape binary_conv2d(const Node &n, const Shapes &x) {
  const Shape shape = conv2d(n, x);
  const size_t inputs = n.filter_size(x[0].channels);
  expect(inputs <= kMaxFilter, "weights in a filter", "at most " + text(kMaxFilter), inputs);
  return shape;
}

Shape same(const Node &, const Shapes &x) { return x[0]; }

Shape broadcast(const Node &, const Shapes &x) {
  const Shape &a = x[0], &b = x[1];
  const bool maps = (b.height == 1 && b.width == 1) || (b.height == a.height && b.width == a.width);
  if (!maps || (b.channels != 1 && b.channels != a.channels))
    throw Error("second input: expected a map that broadcasts over " + text(a) + ", got " + text(b));
  return a;
}

Shape concat(const Node &, const Shapes &x) {
  uint32_t channels = 0;
  for (const Shape &s : x) {
    if (s.height != x[0].height || s.width != x[0].width)
      throw Error("inputs: expected maps of one size, got " + text(x[0]) + " and " + text(s));
    channels += s.channels;
  }
  expect(channels <= kMaxChannels, "channels", "at most " + text(kMaxChannels), channels);
  return {channels, x[0].height, x[0].width};
}

Shape slice(const Node &n, const Shapes &x) {
  const uint64_t last = n[kStart] + uint64_t{n[kStep]} * (n[kCount] - 1);
  expect(last < x[0].channels, "last channel of a slice", "less than " + text(x[0].channels), last);
  return {n[kCount], x[0].height, x[0].width};
}

Shape group_mean(const Node &n, const Shapes &x) {
  expect(x[0].channels % n[kGroup] == 0, "group", "a divisor of " + text(x[0].channels) + " channels", n[kGroup]);
  return {x[0].channels / n[kGroup], x[0].height, x[0].width};
}

Shape softmax(const Node &n, const Shapes &x) {
  group_mean(n, x);
  return x[0];
}

Shape pool(const Node &n, const Shapes &x) { return window(n, x[0], x[0].channels); }

Shape global_mean(const Node &, const Shapes &x) { return {x[0].channels, 1, 1}; }

const std::vector<AttributeRow> kWindowRows = {{kStride, "stride", 1, kMaxWindow},
                                               {kTop, "padding", 0, kMaxWindow - 1},
                                               {kLeft, "padding", 0, kMaxWindow - 1},
                                               {kBottom, "padding", 0, kMaxWindow - 1},
                                               {kRight, "padding", 0, kMaxWindow - 1}};

std::vector<AttributeRow> joined(std::vector<AttributeRow> a, const std::vector<AttributeRow> &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

AttributeRow real(Attribute attribute, const char *name, float least, float most) {
  return {attribute, name, 0, 0xffffffff, least, most};
}

std::string limits(const AttributeRow &row) {
  std::ostringstream text;
  if (row.is_real()) {
    text << row.least << " to " << row.most;
  } else {
    text << row.low << ".." << row.high;
  }
  return text.str();
}

const std::vector<OpRow> &rows() {
  using T = TensorKind;
  const AttributeRow groups = {kGroups, "groups", 1, kMaxChannels};
  const AttributeRow group = {kGroup, "group", 1, kMaxChannels};
  const std::vector<TensorRow> affine = {{T::kVector, "factor"}, {T::kVector, "offset"}};
  static const std::vector<OpRow> table = {
      {Op::kConv2d, "conv2d", 1, joined(kWindowRows, {groups}), {{T::kFilter, "weight"}}, conv2d},
      {Op::kBinarize, "binarize", 1, {{kLevels, "levels", 0, 2}}, {{T::kVector, "threshold"}}, same},
      {Op::kBinaryConv2d,
       "binary_conv2d",
       1,
       joined(kWindowRows, {groups, real(kPadValue, "pad_value", -65536, 65536)}),
       {{T::kBits, "weight"}},
       binary_conv2d},
      {Op::kAffine, "affine", 1, {}, affine, same},
      {Op::kPrelu, "prelu", 1, {}, {{T::kVector, "positive"}, {T::kVector, "negative"}}, same},
      {Op::kUnary, "unary", 1, {{kFunction, "function", 0, kFunctions - 1}}, {}, same},
      {Op::kAdd, "add", 2, {}, {}, broadcast},
      {Op::kMul, "mul", 2, {}, {}, broadcast},
      {Op::kConcat, "concat", 0, {}, {}, concat},
      {Op::kSlice,
       "slice",
       1,
       {{kStart, "start", 0, kMaxChannels - 1}, {kStep, "step", 1, kMaxChannels}, {kCount, "count", 1, kMaxChannels}},
       {},
       slice},
      {Op::kPermute, "permute", 1, {}, {{T::kIndex, "order"}}, same},
      {Op::kGroupMean, "group_mean", 1, {group}, {}, group_mean},
      {Op::kPool,
       "pool",
       1,
       joined(
           {{kKind, "kind", 0, 1}, {kKernelHeight, "kernel", 1, kMaxWindow}, {kKernelWidth, "kernel", 1, kMaxWindow}},
           kWindowRows),
       {},
       pool},
      {Op::kGlobalMean, "global_mean", 1, {}, {}, global_mean},
      {Op::kSoftmax, "softmax", 1, {group}, {}, softmax},
      {Op::kLayerNorm, "layer_norm", 1, {real(kEpsilon, "epsilon", 1e-12f, 1)}, affine, same},
  };
  return table;
}

uint64_t rounded(const Shape &s) {
  return s.positions() * ((uint64_t{s.channels} + kRounding - 1) / kRounding * kRounding);
}

uint64_t work_of(const Graph &graph, const Node &n) {
  const uint64_t numbers = n.shape.numbers();
  if (op_row(n.op).has_filter()) return numbers * n.filter_size(graph.shape_of(n.inputs[0]).channels);
  return n.op == Op::kPool ? numbers * n[kKernelHeight] * n[kKernelWidth] : numbers;
}

// Words of bits in the rows that a binary convolution's window covers at once: less than 2^40.
uint64_t window_words(const Graph &graph, const Node &n) {
  const uint64_t planes = graph.maker(n.inputs[0]).levels() == Levels::kThree ? 2 : 1;
  const uint64_t width = uint64_t{n.shape.width - 1} * n[kStride] + n[kKernelWidth];
  const uint64_t group = graph.shape_of(n.inputs[0]).channels / n[kGroups];
  return planes * n[kKernelHeight] * width * n[kGroups] * ((group + 31) / 32);
}

}  // namespace

const char *const kFunctionNames[kFunctions] = {"sigmoid",  "gelu",  "tanh",        "cos",       "sin",
                                                "hardtanh", "relu6", "hardsigmoid", "hardswish", "silu"};

const OpRow &op_row(uint32_t number) {
  expect(number >= 1 && number <= kOps, "operation", "1 to " + text(kOps), number);
  return rows()[number - 1];
}

void check_real(const AttributeRow &row, float value) {
  if (!(value >= row.least && value <= row.most)) throw Error(std::string(row.name) + ": expected " + limits(row));
}

std::string list_of_ops() {
  const char *const kinds[] = {"vector", "filters", "bits", "index"};
  std::string lines;
  for (const OpRow &row : rows()) {
    lines += text(static_cast<uint32_t>(row.op)) + " " + row.name + ": ";
    lines += row.inputs ? text(row.inputs) : "1.." + text(kMaxInputs);
    const auto &all = row.attributes;
    for (auto a = all.begin(), next = a; a != all.end(); a = next) {
      next = std::find_if(a, all.end(), [=](const AttributeRow &other) { return std::strcmp(other.name, a->name); });
      lines += std::string(a == all.begin() ? "; " : ", ") + a->name;
      if (next - a > 1) lines += " " + text(next - a) + " x";
      lines += " " + limits(*a);
    }
    for (const TensorRow &t : row.tensors) {
      lines += std::string(&t == &row.tensors[0] ? "; " : ", ") + t.name + " " + kinds[static_cast<int>(t.kind)];
    }
    lines += "\n";
  }
  lines += "functions:";
  for (const char *name : kFunctionNames) lines += std::string(" ") + name;
  return lines + "\n";
}

void check_limits(const Graph &graph) {
  const uint32_t count = static_cast<uint32_t>(graph.nodes.size());
  expect(count >= 1, "nodes", "1 or more", 0);
  const Shape &out = graph.nodes.back().shape;
  expect(out.height == 1 && out.width == 1, "positions of the output", "1", out.positions());
  std::vector<uint32_t> last(count + 1);
  for (uint32_t v = 0; v <= count; ++v) last[v] = v;
  for (uint32_t v = 1; v <= count; ++v) {
    for (uint32_t source : graph.maker(v).inputs) last[source] = v;
  }
  std::vector<uint64_t> ending(count + 1, 0);
  for (uint32_t v = 0; v <= count; ++v) ending[last[v]] += rounded(graph.shape_of(v));
  uint64_t alive = 0;
  for (uint32_t v = 0; v <= count; ++v) {
    alive += rounded(graph.shape_of(v));
    expect(alive <= kMaxAlive, "numbers alive at once", "at most " + text(kMaxAlive), alive);
    alive -= ending[v];
  }
  uint64_t work = 0;  // of a node less than 2^54: 2^26 numbers, 2^28 multiplications each
  for (const Node &n : graph.nodes) {
    work += work_of(graph, n);
    expect(work <= kMaxWork, "multiplications", "at most " + text(kMaxWork), work);
    if (n.op != Op::kBinaryConv2d) continue;
    const uint64_t words = window_words(graph, n);
    expect(words <= kMaxWords, "words in the rows that a binary convolution's window covers",
           "at most " + text(kMaxWords), words);
  }
}

}  // namespace bimlp
