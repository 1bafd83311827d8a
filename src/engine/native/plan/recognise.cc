#include "recognise.h"

namespace bimlp {
namespace {

constexpr size_t kMaxRepeated = 1 << 20;  // bytes of a local layer's weights, which are repeated along a row

// outputs of a group of a full layer: a block of 16 reads the channels of some groups, with weights 0 for those of
// others
constexpr uint32_t kLeastOutputs = 4;

bool is_one(const Vector &v) { return v.size == 1 && v.data[0] == 1.0f; }

}  // namespace

Readers::Readers(const Graph &graph)
    : counts(graph.nodes.size() + 1), first(graph.nodes.size() + 1), second(graph.nodes.size() + 1) {
  for (uint32_t v = 1; v <= graph.nodes.size(); ++v) {
    for (uint32_t input : graph.maker(v).inputs) {
      (counts[input] == 0 ? first : second)[input] = v;
      ++counts[input];
    }
  }
  ++counts.back();
}

Layers::Layers(const Graph &graph, const Readers &readers)
    : graph_(graph), readers_(readers), index_(graph.nodes.size() + 1, -1), summed_(index_.size()) {
  for (uint32_t v = 1; v <= graph.nodes.size(); ++v) {
    const Op op = graph.maker(v).op;
    if (op == Op::kBinaryConv2d || op == Op::kConv2d) add(v);
  }
  find_hidden();
}

bool Layers::find_kind(const Node &conv, Layer &layer) const {
  const uint32_t kh = conv[kKernelHeight], kw = conv[kKernelWidth];
  if (conv.op == Op::kConv2d) {
    layer.kind = LayerKind::kFull;
    return conv[kGroups] == 1 || conv.shape.channels / conv[kGroups] >= kLeastOutputs;
  }
  layer.binarize = conv.inputs[0];
  if (is_local(conv)) {
    layer.kind = LayerKind::kLocal;
    layer.wave = conv.shape.channels * 2 == graph_.shape_of(layer.binarize).channels && find_wave(conv, layer);
    return true;
  }
  const bool grouped = conv[kGroups] > 1;
  layer.kind = kh == 1 && kw == 1 && conv[kStride] == 1 && !grouped ? LayerKind::kDense : LayerKind::kWindow;
  return kh <= kMaxWindowSide && kw <= kMaxWindowSide && (!grouped || has_whole_groups(conv));
}

// Whether the inputs of each group are whole words of bits, and its outputs whole blocks.
bool Layers::has_whole_groups(const Node &conv) const {
  const uint32_t inputs = graph_.shape_of(conv.inputs[0]).channels / conv[kGroups];
  const bool three = graph_.maker(conv.inputs[0]).levels() == Levels::kThree;
  return inputs % 32 == 0 && conv.shape.channels / conv[kGroups] % kLanes == 0 && !three;
}

bool Layers::is_local(const Node &conv) const {
  const Shape &in = graph_.shape_of(conv.inputs[0]), &out = conv.shape;
  const uint32_t kh = conv[kKernelHeight], kw = conv[kKernelWidth], group = in.channels / conv[kGroups];
  const Levels levels = graph_.maker(conv.inputs[0]).levels();
  const bool height = kh == kTaps && kw == 1, width = kh == 1 && kw == kTaps;
  const bool padded = height ? conv[kTop] == kMargin && conv[kBottom] == kMargin && !conv[kLeft] && !conv[kRight]
                             : conv[kLeft] == kMargin && conv[kRight] == kMargin && !conv[kTop] && !conv[kBottom];
  if (!(height || width) || !padded || conv[kGroups] != out.channels || conv[kStride] != 1) return false;
  if (group > 2 || levels == Levels::kThree) return false;
  return group * kTaps * out.width * (out.channels + kLanes) / 8 <= kMaxRepeated;
}

bool Layers::find_wave(const Node &conv, Layer &layer) const {
  const uint32_t both = graph_.maker(layer.binarize).inputs[0];
  if (both == 0 || graph_.maker(both).op != Op::kConcat || readers_.count(layer.binarize) != 1) return false;
  const Node &concat = graph_.maker(both);
  if (concat.inputs.size() != 2 || conv.shape.channels % (2 * kLanes) || readers_.count(both) != 2) return false;
  // readers: the binarize and the group mean, which is the layer's source
  const uint32_t mean = readers_.first[both] == layer.binarize ? readers_.second[both] : readers_.first[both];
  if (graph_.maker(mean).op != Op::kGroupMean || graph_.maker(mean)[kGroup] != 2 || readers_.count(mean) != 1)
    return false;
  layer.mean = mean;
  for (int part = 0; part < 2; ++part) {
    const uint32_t value = concat.inputs[part];
    if (value == 0 || graph_.maker(value).op != Op::kMul || readers_.only(value) != both) return false;
    const Node &mul = graph_.maker(value);
    const Function wanted = part ? Function::kSin : Function::kCos;
    int phase = -1;
    for (int i = 0; i < 2; ++i) {
      const uint32_t v = mul.inputs[i];
      if (v && graph_.maker(v).op == Op::kUnary && graph_.maker(v)[kFunction] == static_cast<uint32_t>(wanted) &&
          readers_.only(v) == value)
        phase = i;
    }
    if (phase < 0) return false;
    const uint32_t theta = graph_.maker(mul.inputs[phase]).inputs[0], amplitude = mul.inputs[1 - phase];
    if (part && (theta != layer.theta || amplitude != layer.amplitude)) return false;
    layer.theta = theta;
    layer.amplitude = amplitude;
    if (!same_shape(graph_.shape_of(theta), conv.shape) || !same_shape(graph_.shape_of(amplitude), conv.shape))
      return false;
  }
  return true;
}

void Layers::add(uint32_t conv) {
  Layer layer;
  const Node &node = graph_.maker(conv);
  if (!find_kind(node, layer)) return;
  layer.conv = conv;
  uint32_t v = conv;
  const auto next_is = [&](Op op) {
    const uint32_t next = readers_.only(v);
    return next && graph_.maker(next).op == op && same_shape(graph_.maker(next).shape, node.shape);
  };
  if (next_is(Op::kAffine)) {
    v = readers_.only(v);
    layer.epilogue.factor = to_numbers(graph_.maker(v).vectors[0]);
    layer.epilogue.offset = to_numbers(graph_.maker(v).vectors[1]);
  }
  if (layer.kind != LayerKind::kFull && next_is(Op::kAdd)) v = add_source(v, layer);
  if (next_is(Op::kPrelu) && is_one(graph_.maker(readers_.only(v)).vectors[0])) {
    v = readers_.only(v);
    layer.epilogue.slope = to_numbers(graph_.maker(v).vectors[1]);
    if (next_is(Op::kAffine)) {
      const Node &affine = graph_.maker(readers_.only(v));
      if (layer.kind != LayerKind::kFull || is_one(affine.vectors[0])) {
        v = readers_.only(v);
        layer.weight = to_numbers(affine.vectors[0]);
        layer.shift = to_numbers(affine.vectors[1]);
      }
    }
  }
  if (layer.wave && layer.source != layer.mean) layer.wave = false;
  layer.mean = 0;
  layer.value = v;
  index_[v] = static_cast<int>(layers_.size());
  layers_.push_back(layer);
}

uint32_t Layers::add_source(uint32_t v, Layer &layer) {
  const uint32_t sum = readers_.only(v);
  const Node &add = graph_.maker(sum);
  const uint32_t other = add.inputs[0] == v ? add.inputs[1] : add.inputs[0];
  if (summed_[sum] || !same_shape(graph_.shape_of(other), add.shape)) return v;
  summed_[sum] = 1;
  layer.source = other;
  return sum;
}

void Layers::find_hidden() {
  for (Layer &next : layers_) {
    if (next.kind != LayerKind::kDense || next.source == kNone || next.source == 0 ||
        graph_.maker(next.source).op != Op::kGroupMean)
      continue;
    const Node &mean = graph_.maker(next.source), &binarize = graph_.maker(next.binarize);
    const uint32_t value = binarize.inputs[0];
    if (mean.inputs[0] != value || index_[value] < 0 || readers_.count(value) != 2) continue;
    Layer &layer = layers_[index_[value]];
    const bool only = readers_.count(next.source) == 1 && readers_.count(next.binarize) == 1;
    if (layer.kind != LayerKind::kDense || !only || binarize.levels() == Levels::kThree) continue;
    if (layer.weight.size() != 1 || layer.weight[0] != 1.0f) continue;
    layer.next_binarize = next.binarize;
    layer.mean = next.source;
    layer.group = static_cast<int>(mean[kGroup]);
  }
}

}  // namespace bimlp
