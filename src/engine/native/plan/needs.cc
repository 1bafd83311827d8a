#include "needs.h"

#include <algorithm>

#include "../ops/instruction.h"

namespace bimlp {

bool all_are(const Numbers &numbers, float v) {
  return std::all_of(numbers.begin(), numbers.end(), [=](float n) { return n == v; });
}

Needs::Needs(const Graph &graph)
    : graph_(graph),
      readers_(graph),
      layers_(graph, readers_),
      needed_(graph.nodes.size() + 1),
      absorbed_(graph.nodes.size() + 1),
      orders_(graph.nodes.size() + 1),
      expressions_(graph, readers_.counts, [this](uint32_t v) { return layers_.of(v) != nullptr; }, needed_) {
  needed_.back() = 1;
  for (auto v = static_cast<uint32_t>(graph.nodes.size()); v >= 1; --v) {
    if (needed_[v]) need_inputs(v);
  }
}

void Needs::need(uint32_t v) { needed_[v] = 1; }

void Needs::need_terms(const Expression &e) {
  for (const Term &t : e.terms) {
    need(t.value);
    if (t.scale >= 0) need(static_cast<uint32_t>(t.scale));
  }
}

void Needs::need_inputs(uint32_t v) {
  if (const Layer *layer = layers_.of(v)) return need_layer(*layer);
  const PoolSum pools = pool_sum(v);
  if (!pools.pools.empty()) return need(pools.input);
  const Expression e = expressions_.of(v);
  if (is_sum(v, e)) {
    absorb_layers(v, e);
    return need_terms(e);
  }
  if (node(v).op == Op::kGlobalMean && is_mean(v)) return need_terms(expressions_.read(node(v).inputs[0]));
  for (uint32_t input : node(v).inputs) need(input);
  if (is_branch_softmax(v)) {
    const uint32_t input = node(v).inputs[0];
    const Layer *from = layers_.of(input);
    if (from && from->kind == LayerKind::kDense && readers_.count(input) == 1) {
      orders_[input] = branch_order(v);
    }
  }
}

void Needs::need_layer(const Layer &layer) {
  if (layer.kind == LayerKind::kFull) return need(node(layer.conv).inputs[0]);
  const Layer *hidden = hidden_of(layer);
  if (hidden) return need(hidden->value);
  if (layer.wave) {
    need(layer.theta);
    need(layer.amplitude);
    for (uint32_t input : {layer.theta, layer.amplitude}) {
      const Layer *from = layers_.of(input);
      // in the order of the wave, if nothing else reads it
      if (from && from->kind == LayerKind::kDense && readers_.count(input) == 2)
        orders_[input] = wave_order(shape(input).channels);
    }
    return;
  }
  need(node(layer.binarize).inputs[0]);
  if (layer.source == kNone) return;
  if (layer.kind != LayerKind::kLocal) return need(channel_source(layer.source).first);
  const Expression e = expressions_.read(layer.source);
  need(simple(e, layer) ? e.terms[0].value : layer.source);
}

void Needs::absorb_layers(uint32_t v, const Expression &e) {
  for (const Term &t : e.terms) {
    const Layer *layer = layers_.of(t.value);
    if (!layer || layer->kind == LayerKind::kFull || layer->is_hidden() || t.scale >= 0 || t.shared) continue;
    if (!needed_[t.value] && readers_.count(t.value) == 1 && same_shape(shape(t.value), shape(v)))
      absorbed_[t.value] = v;
  }
}

bool Needs::is_sum(uint32_t v, const Expression &e) const {
  if (e.terms.size() == 1 && e.terms[0].value == v && e.terms[0].scale < 0) return false;
  return std::all_of(e.terms.begin(), e.terms.end(), [&](const Term &t) {
    const Shape &s = shape(t.value);
    return s.channels == shape(v).channels && (is_vector(s) || same_shape(s, shape(v)));
  });
}

std::vector<size_t> Needs::absorbed_terms(uint32_t v, const Expression &e) const {
  std::vector<size_t> found;
  for (const LayerKind kind : {LayerKind::kDense, LayerKind::kWindow, LayerKind::kLocal}) {
    for (size_t k = 0; k < e.terms.size(); ++k) {
      if (absorbed_[e.terms[k].value] == v && layers_.of(e.terms[k].value)->kind == kind) found.push_back(k);
    }
  }
  return found;
}

std::vector<const Layer *> Needs::window_layers_on(uint32_t v) const {
  std::vector<const Layer *> found;
  for (const Layer &layer : layers_.all()) {
    if (layer.kind != LayerKind::kWindow || node(layer.binarize).inputs[0] != v) continue;
    if (needed_[layer.value] || absorbed_[layer.value]) found.push_back(&layer);
  }
  return found;
}

const Layer *Needs::hidden_of(const Layer &layer) const {
  if (layer.kind != LayerKind::kDense) return nullptr;
  const Layer *from = layers_.of(node(layer.binarize).inputs[0]);
  return from && from->next_binarize == layer.binarize ? from : nullptr;
}

bool Needs::simple(const Expression &e, const Layer &layer) const {
  return e.terms.size() == 1 && e.terms[0].scale < 0 && same_shape(shape(e.terms[0].value), shape(layer.conv)) &&
         !(layers_.of(e.terms[0].value) && layers_.of(e.terms[0].value)->is_hidden());
}

std::pair<uint32_t, std::vector<int32_t>> Needs::channel_source(uint32_t v) const {
  if (v == 0 || node(v).op != Op::kConcat) return {v, {}};
  const auto &inputs = node(v).inputs;
  if (!std::all_of(inputs.begin(), inputs.end(), [&](uint32_t i) { return i == inputs[0]; })) return {v, {}};
  std::vector<int32_t> channels;
  for (uint32_t c = 0; c < shape(v).channels; ++c) channels.push_back(c % shape(inputs[0]).channels);
  return {inputs[0], channels};
}

ChannelOrder Needs::wave_order(uint32_t channels) {
  return interleaved_order(identity(channels / 2), 2, static_cast<int>(channels));
}

bool Needs::is_mean(uint32_t v) const {
  const uint32_t input = node(v).inputs[0];
  const Expression e = expressions_.read(input);
  return e.terms.size() <= kMaxTerms && std::all_of(e.terms.begin(), e.terms.end(), [&](const Term &t) {
           return same_shape(shape(t.value), shape(input));
         });
}

PoolSum Needs::pool_sum(uint32_t v) const {
  PoolSum sum;
  if (node(v).op != Op::kAdd && node(v).op != Op::kAffine && node(v).op != Op::kPool) return {};
  const Expression e = expressions_.of(v);
  if (e.terms.size() > kMaxPools || e.has_offset()) return {};
  for (const Term &t : e.terms) {
    if (!t.value || node(t.value).op != Op::kPool || t.scale >= 0) return {};
    if (t.value != v && (t.shared || readers_.count(t.value) != 1)) return {};
    const Node &pool = node(t.value), &first = node(e.terms[0].value);
    if (pool[kKind] != 0 || pool.inputs[0] != first.inputs[0] || pool[kStride] != first[kStride]) return {};
    if (t.factor != e.terms[0].factor || !same_shape(pool.shape, first.shape)) return {};
    sum.pools.push_back(t.value);
  }
  std::stable_sort(sum.pools.begin(), sum.pools.end(),
                   [&](uint32_t a, uint32_t b) { return node(a)[kKernelHeight] < node(b)[kKernelHeight]; });
  sum.input = node(e.terms[0].value).inputs[0];
  sum.factor = e.terms[0].factor;
  return nested(sum.pools, shape(v)) ? sum : PoolSum{};
}

void Needs::windows(const std::vector<uint32_t> &pools, bool height, int outputs, std::vector<int32_t> &begin,
                    std::vector<int32_t> &end) const {
  for (uint32_t v : pools) {
    const Node &n = node(v);
    const Shape &in = shape(n.inputs[0]);
    const int kernel = n[height ? kKernelHeight : kKernelWidth], before = n[height ? kTop : kLeft];
    const int size = height ? in.height : in.width;
    for (int i = 0; i < outputs; ++i) {
      const int first = i * static_cast<int>(n[kStride]) - before;
      begin.push_back(std::max(first, 0));
      end.push_back(std::min(first + kernel, size));
    }
  }
}

bool Needs::is_branch_softmax(uint32_t v) const {
  const Node &n = node(v);
  if (n.op != Op::kSoftmax || n[kGroup] > kMaxTerms || static_cast<uint32_t>(readers_.count(v)) != n[kGroup])
    return false;
  return slices_of(v).size() == n[kGroup];
}

bool Needs::is_branch_softmax_of(uint32_t slice) const {
  const uint32_t v = node(slice).inputs[0];
  return v && node(v).op == Op::kSoftmax && is_branch_softmax(v);
}

std::vector<uint32_t> Needs::slices_of(uint32_t v) const {
  const uint32_t n = node(v)[kGroup];
  std::vector<uint32_t> slices;
  while (slices.size() < n && v + slices.size() + 1 <= graph_.nodes.size()) {
    const auto next = static_cast<uint32_t>(v + slices.size() + 1);
    const Node &slice = node(next);
    if (slice.op != Op::kSlice || slice.inputs[0] != v || slice[kStart] != slices.size() || slice[kStep] != n ||
        slice[kCount] * n != shape(v).channels)
      break;
    slices.push_back(next);
  }
  return slices;
}

ChannelOrder Needs::branch_order(uint32_t v) const {
  const auto n = static_cast<int>(node(v)[kGroup]), channels = static_cast<int>(shape(v).channels);
  return interleaved_order(identity(channels / n), n, channels);
}

bool Needs::nested(const std::vector<uint32_t> &pools, const Shape &out) const {
  for (const bool height : {true, false}) {
    const int outputs = height ? out.height : out.width;
    std::vector<int32_t> begin, end;
    windows(pools, height, outputs, begin, end);
    for (size_t i = outputs; i < begin.size(); ++i) {
      if (begin[i] > begin[i - outputs] || end[i] < end[i - outputs]) return false;
    }
  }
  return true;
}

}  // namespace bimlp
