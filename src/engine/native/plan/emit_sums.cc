#include <algorithm>

#include "emitter.h"

namespace bimlp {

void Emitter::emit(uint32_t v) {
  if (const Layer *layer = needs_.layer(v)) return emit_layer(*layer);
  const PoolSum pools = needs_.pool_sum(v);
  if (!pools.pools.empty()) return emit_pools(v, pools);
  const Expression e = needs_.expression(v);
  if (needs_.is_sum(v, e)) return emit_sum(v, e);
  if (node(v).op == Op::kGlobalMean && needs_.is_mean(v)) return emit_mean(v, needs_.read(node(v).inputs[0]));
  const Op op = node(v).op;
  if (op == Op::kSoftmax && needs_.is_branch_softmax(v)) return emit_softmax(v);
  if (op == Op::kSlice && needs_.is_branch_softmax_of(v)) return;
  if (op == Op::kSlice || op == Op::kPermute) return emit_gather(v);
  if (op == Op::kGroupMean) return emit_group_mean(v);
  emit_plain(v);
}

Action Emitter::gather_action(uint32_t from, int to, const ChannelOrder &sources) {
  Action a = action(Level::kTile, fused_.gather, OpKind::kGathers, 0);
  a.instruction.gather = weights_.gather_all(sources, values[from].stride);
  a.instruction.blocks = a.instruction.gather.blocks;
  a.instruction.in = read(a, operand(static_cast<int>(from)));
  a.instruction.out = write(a, operand(to));
  return a;
}

void Emitter::emit_gather(uint32_t v) {
  const Node &n = node(v);
  ChannelOrder sources(values[v].stride, -1);
  for (uint32_t c = 0; c < n.shape.channels; ++c)
    sources[c] = static_cast<int32_t>(n.op == Op::kSlice ? n[kStart] + c * n[kStep] : n.order[c]);
  new_group(v).actions.push_back(gather_action(n.inputs[0], static_cast<int>(v), sources));
}

void Emitter::emit_group_mean(uint32_t v) {
  const Node &n = node(v);
  const auto group = static_cast<int>(n[kGroup]);
  const ChannelOrder sources =
      interleaved_order(identity(n.shape.channels), group, static_cast<int>(shape(n.inputs[0]).channels));
  Action a = gather_action(n.inputs[0], static_cast<int>(v), sources);
  a.instruction.run = fused_.group_mean;
  a.instruction.blocks /= group;
  a.instruction.group = group;
  new_group(v).actions.push_back(std::move(a));
}

void Emitter::emit_softmax(uint32_t v) {
  const uint32_t input = node(v).inputs[0];
  const std::vector<uint32_t> slices = needs_.slices_of(v);
  Group &group = new_group(slices[0]);
  int from = static_cast<int>(input);
  if (needs_.order(input).empty()) {
    const ChannelOrder sources = needs_.branch_order(v);
    from = value_like(v, static_cast<int>(sources.size()), true);
    group.actions.push_back(gather_action(input, from, sources));
  }
  Action a = action(Level::kTile, fused_.softmax, OpKind::kSums, values[slices[0]].stride / kLanes);
  a.instruction.in = read(a, operand(from));
  a.instruction.terms.count = static_cast<int>(slices.size());
  for (size_t k = 0; k < slices.size(); ++k)
    a.instruction.terms.value[k] = write(a, operand(static_cast<int>(slices[k])));
  group.actions.push_back(std::move(a));
}

void Emitter::emit_plain(uint32_t v) {
  Action a = action(Level::kStep, nullptr, OpKind::kSums, 0);
  program_.shapes.emplace_back();
  for (uint32_t input : node(v).inputs) {
    program_.shapes.back().push_back(map_shape(shape(input)));
    a.step.plain.in.push_back(input);
    a.reads.push_back(static_cast<int>(input));
  }
  a.step.kind = ProgramStep::Kind::kPlain;
  a.step.plain.step = steps_.step(node(v), program_.shapes.back());
  program_.bits = steps_.bits();
  a.step.plain.out = v;
  a.writes.push_back(static_cast<int>(v));
  new_group(v).actions.push_back(std::move(a));
}

void Emitter::add_terms(Action &a, const std::vector<Term> &terms, const Numbers &offset, const ChannelOrder &order) {
  Terms &t = a.instruction.terms;
  t.count = static_cast<int>(terms.size());
  for (int k = 0; k < t.count; ++k) {
    const Term &term = terms[k];
    t.value[k] = read_in_place(a, operand(static_cast<int>(term.value)));
    if (!all_are(term.factor, 1.0f)) t.factor[k] = weights_.in_slots(term.factor, order);
    t.scaled[k] = term.scale >= 0;
    if (t.scaled[k]) t.scale[k] = read(a, operand(static_cast<int>(term.scale)));
  }
  if (!all_are(offset, 0.0f)) t.offset = weights_.in_slots(offset, order);
}

void Emitter::emit_terms(uint32_t like, int out, const std::vector<Term> &terms, const Numbers &offset) {
  const ChannelOrder order = identity(shape(like).channels);
  size_t done = 0;
  while (done < terms.size()) {
    std::vector<Term> some;
    if (done) some.push_back({static_cast<uint32_t>(out), {1.0f}});
    while (done < terms.size() && some.size() < kMaxTerms) some.push_back(terms[done++]);
    Action a = action(Level::kTile, fused_.sum, OpKind::kSums, static_cast<int>(order.size()) / kLanes);
    add_terms(a, some, some.front().value == static_cast<uint32_t>(out) ? Numbers{0.0f} : offset, order);
    a.instruction.out = write(a, operand(out));
    new_group(like).actions.push_back(std::move(a));
  }
}

void Emitter::emit_sum(uint32_t v, const Expression &e) {
  const std::vector<size_t> layers = needs_.absorbed_terms(v, e);
  std::vector<Term> rest;
  for (size_t k = 0; k < e.terms.size(); ++k) {
    if (std::find(layers.begin(), layers.end(), k) == layers.end()) rest.push_back(e.terms[k]);
  }
  if (layers.empty()) return emit_terms(v, static_cast<int>(v), rest, e.offset);
  Numbers offset = e.offset;
  std::vector<Numbers> weight;
  for (size_t k : layers) {
    const Layer &layer = *needs_.layer(e.terms[k].value);
    offset = sum(offset, product(e.terms[k].factor, layer.shift));
    weight.push_back(product(e.terms[k].factor, layer.weight));
  }
  const bool one = layers.size() == 1 && all_are(weight[0], 1.0f);
  const bool ends = rest.empty() || (rest.size() == 1 && rest[0].is_plain() && !is_vector(shape(rest[0].value)) &&
                                     (one || layers.size() > 1));
  int so_far = -1;
  for (size_t n = 0; n < layers.size(); ++n) {
    const Layer &layer = *needs_.layer(e.terms[layers[n]].value);
    const bool last = ends && n + 1 == layers.size();
    const int out = last ? static_cast<int>(v) : value_like(v, values[v].stride, true);
    Destination d;
    d.out = out;
    d.weight = weight[n];
    d.offset = n == 0 ? offset : Numbers{0.0f};
    if (so_far >= 0) d.add.push_back(so_far);
    if (last && !rest.empty()) d.add.push_back(static_cast<int>(rest[0].value));
    emit_into(layer, d);
    so_far = out;
  }
  if (ends) return;
  rest.push_back({static_cast<uint32_t>(so_far), {1.0f}});
  emit_terms(v, static_cast<int>(v), rest, {0.0f});
}

void Emitter::emit_mean(uint32_t v, const Expression &e) {
  const uint32_t like = e.terms[0].value;
  const ChannelOrder order = identity(shape(v).channels);
  const int slots = static_cast<int>(order.size());
  const int sums = new_value(values[like].height, 1, slots, false);
  Action a = action(Level::kRow, fused_.sum_of_rows, OpKind::kSums, slots / kLanes);
  add_terms(a, e.terms, e.offset, order);
  a.in_place.clear();
  a.instruction.out = write(a, operand(sums));
  new_group(like).actions.push_back(std::move(a));
  Action mean = action(Level::kStep, nullptr, OpKind::kSums, 0);
  mean.reads.push_back(sums);
  mean.writes.push_back(static_cast<int>(v));
  mean.step.kind = ProgramStep::Kind::kMean;
  mean.step.from = sums;
  mean.step.to = v;
  mean.step.count = values[like].height;
  mean.step.slots = slots;
  mean.step.positions = values[like].height * values[like].width;
  new_group(v).actions.push_back(std::move(mean));
}

void Emitter::emit_pools(uint32_t v, const PoolSum &sum) {
  const Shape &in = shape(sum.input), &out = shape(v);
  const ChannelOrder order = identity(out.channels);
  Action a = action(Level::kStep, fused_.pools, OpKind::kPools, static_cast<int>(order.size()) / kLanes);
  Instruction &i = a.instruction;
  i.in = read(a, operand(static_cast<int>(sum.input)));
  i.out = write(a, operand(static_cast<int>(v)));
  i.pools = static_cast<int>(sum.pools.size());
  i.height = static_cast<int>(in.height);
  i.width = static_cast<int>(in.width);
  i.kernel[0] = static_cast<int>(out.height);
  i.kernel[1] = 2;  // no kernel of one position: rows are shared out
  i.terms.factor[0] = weights_.in_slots(sum.factor, order);
  for (const bool height : {true, false}) {
    std::vector<int32_t> begin, end;
    needs_.windows(sum.pools, height, static_cast<int>(height ? out.height : out.width), begin, end);
    (height ? i.rows : i.columns) = {weights_.copy(begin), weights_.copy(end)};
  }
  a.step.kind = ProgramStep::Kind::kRows;
  program_.column = std::max(program_.column, size_t(i.pools) * i.width * order.size());
  new_group(v).actions.push_back(std::move(a));
}

}  // namespace bimlp
