#include "emitter.h"

namespace bimlp {

Emitter::Emitter(const Needs &needs, const Normalisation &normalisation, size_t bytes, const Instructions &instructions,
                 Program &program)
    : needs_(needs),
      normalisation_(normalisation),
      fused_(instructions),
      program_(program),
      steps_(needs.graph(), bytes, program.memory),
      weights_(program.memory, instructions.tiles) {
  for (uint32_t v = 0; v <= needs.graph().nodes.size(); ++v) {
    const MapShape s = map_shape(shape(v));
    const ChannelOrder &order = needs.order(v);
    values.push_back({s.height, s.width, order.empty() ? s.slots : static_cast<int>(order.size())});
  }
  program_.layout = {0, size_t(values[0].width) * values[0].stride, size_t(values[0].stride)};
}

int Emitter::new_value(int height, int width, int stride, bool is_width) {
  values.push_back({height, width, stride, is_width});
  return static_cast<int>(values.size()) - 1;
}

int Emitter::value_like(uint32_t v, int stride, bool is_width) {
  return new_value(values[v].height, values[v].width, stride, is_width);
}

Operand Emitter::operand(int value) const {
  return Operand::at(Where::kMap, values[value].stride, static_cast<size_t>(value));
}

Operand Emitter::constant(const float *numbers) const {
  Operand o;
  o.constant = numbers;
  return o;
}

const float *Emitter::zeros(int slots) {
  if (!zeros_ || slots > zeros_size_) {
    zeros_ = program_.memory.get<float>(slots);
    zeros_size_ = slots;
  }
  return zeros_;
}

Action Emitter::action(Level level, RunInstruction run, OpKind kind, int blocks) {
  Action a{level, {}, {}, {}, {}, {}};
  a.instruction.run = run;
  a.instruction.kind = kind;
  a.instruction.blocks = blocks;
  return a;
}

Operand Emitter::read(Action &a, Operand o) {
  if (o.where != Where::kConstant) a.reads.push_back(static_cast<int>(o.place));
  return o;
}

Operand Emitter::read_in_place(Action &a, Operand o) {
  if (o.where != Where::kConstant) a.in_place.push_back(static_cast<int>(o.place));
  return read(a, o);
}

Operand Emitter::write(Action &a, Operand o) {
  a.writes.push_back(static_cast<int>(o.place));
  return o;
}

Group &Emitter::new_group(uint32_t v) {
  groups.push_back({values[v].height, values[v].width, {}});
  return groups.back();
}

const int32_t *Emitter::padded_index(int height, int width, int above, int before, int behind) {
  auto [at, is_new] = indices_.emplace(std::vector<int>{height, width, above, before, behind}, nullptr);
  if (is_new) {
    std::vector<int32_t> index;
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) index.push_back((y + above) * (before + width + behind) + before + x);
    }
    at->second = weights_.copy(index);
  }
  return at->second;
}

}  // namespace bimlp
