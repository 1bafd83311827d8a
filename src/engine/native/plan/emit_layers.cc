#include <algorithm>

#include "../ops/tiles.h"
#include "emitter.h"

namespace bimlp {

void Emitter::emit_layer(const Layer &layer) {
  if (layer.kind == LayerKind::kFull) return emit_full(layer);
  if (layer.is_hidden()) return emit_hidden(layer);
  emit_into(layer, {static_cast<int>(layer.value), layer.weight, layer.shift, {}});
}

void Emitter::emit_full(const Layer &layer) {
  const Node &conv = node(layer.conv);
  const uint32_t input = conv.inputs[0];
  Epilogue e = layer.epilogue;
  e.shift_out = layer.shift;
  const ChannelOrder order = identity(conv.shape.channels);
  Action a = action(Level::kStep, fused_.full, OpKind::kConvolutions, static_cast<int>(order.size()) / kLanes);
  Instruction &i = a.instruction;
  i.full = weights_.full(conv, shape(input).channels, e, order);
  steps_.check_memory();
  if (input == 0 && needs_.readers().count(0) == 1) {
    // the image itself has the margins
    const Shape &image = needs_.graph().image;
    const size_t padded_width = image.width + conv[kLeft] + conv[kRight];
    const size_t padded_height = image.height + conv[kTop] + conv[kBottom];
    i.padded_row = padded_width * image.channels;
    values[0] = {static_cast<int>(padded_height), static_cast<int>(padded_width), static_cast<int>(image.channels)};
    program_.layout = {(size_t(conv[kTop]) * padded_width + conv[kLeft]) * image.channels, i.padded_row,
                       image.channels};
    if (fused_.tiles && conv[kGroups] == 1 && conv[kKernelHeight] * conv[kKernelWidth] > 1) {
      i.pixels = weights_.pixels(conv, image, e, order, i.full.affine, normalisation_);
      program_.pixel_layout = program_.layout;
      program_.pixels = padded_height * i.padded_row;
    }
  }
  const int steps = std::max(i.full.digits.steps, i.pixels.digits.steps);
  program_.digits = std::max(program_.digits, size_t(kDigits) * kDigitPositions * kTileInputs * steps);
  i.in = read(a, operand(static_cast<int>(input)));
  i.out = write(a, operand(static_cast<int>(layer.value)));
  i.kernel[0] = static_cast<int>(conv[kKernelHeight]);
  i.kernel[1] = static_cast<int>(conv[kKernelWidth]);
  i.stride = static_cast<int>(conv[kStride]);
  i.top = static_cast<int>(conv[kTop]);
  i.left = static_cast<int>(conv[kLeft]);
  i.height = static_cast<int>(shape(input).height);
  i.width = static_cast<int>(shape(input).width);
  const size_t width = size_t(conv.shape.width - 1) * i.stride + i.kernel[1];
  program_.column = std::max(program_.column, i.kernel[0] * width * shape(input).channels);
  a.step.kind = ProgramStep::Kind::kRows;
  new_group(layer.value).actions.push_back(std::move(a));
}

void Emitter::add_sink(Action &a, const Destination &d, const ChannelOrder &order, Epilogue &e) {
  Sink &sink = a.instruction.sink;
  const bool one = all_are(d.weight, 1.0f);
  if (d.add.empty()) {
    sink.kind = one ? SinkKind::kStore : SinkKind::kScale;
  } else if (d.add.size() == 1) {
    sink.kind = one ? SinkKind::kAdd : SinkKind::kScaleAdd;
  } else {
    sink.kind = SinkKind::kScaleAddTwo;
  }
  const bool scales = sink.kind != SinkKind::kStore && sink.kind != SinkKind::kAdd;
  if (!scales) e.shift_out = d.offset;
  if (scales) sink.weight = weights_.in_slots(d.weight, order);
  if (sink.kind == SinkKind::kScale) sink.offset = weights_.in_slots(d.offset, order);
  if (!d.add.empty()) sink.a = read_in_place(a, operand(d.add[0]));
  if (d.add.size() > 1) sink.b = read_in_place(a, operand(d.add[1]));
  sink.out = write(a, operand(d.out));
}

void Emitter::emit_into(const Layer &layer, const Destination &d) {
  if (layer.kind == LayerKind::kLocal) return emit_local(layer, d);
  if (layer.kind == LayerKind::kWindow) return emit_window(layer, d);
  Group group{values[layer.value].height, values[layer.value].width, {}};
  const ChannelOrder out =
      needs_.order(layer.value).empty() ? identity(shape(layer.value).channels) : needs_.order(layer.value);
  Epilogue e = layer.epilogue;
  Action a = dense_action(layer, out, e, group, nullptr);
  add_sink(a, d, out, e);
  a.instruction.run = fused_.dense[static_cast<int>(a.instruction.sink.kind)];
  finish_dense(layer, out, e, a, group);
}

void Emitter::emit_hidden(const Layer &layer) {
  Group group{values[layer.value].height, values[layer.value].width, {}};
  const ChannelOrder order = hidden_order(layer);
  Epilogue e = layer.epilogue;
  e.shift_out = layer.shift;
  Action a = dense_action(layer, order, e, group, fused_.dense_bits);
  Instruction &i = a.instruction;
  const int blocks = static_cast<int>(order.size()) / kLanes, words = (blocks + 1) / 2;
  const int bits = value_like(layer.value, words);
  hidden_bits_[layer.next_binarize] = bits;
  i.out = write(a, operand(bits));
  i.bits_stride = 2 * words;
  i.sink.out = write(a, operand(static_cast<int>(layer.mean)));
  i.threshold = weights_.threshold(node(layer.next_binarize), 0, order);
  i.group = layer.group;
  finish_dense(layer, order, e, a, group);
}

ChannelOrder Emitter::hidden_order(const Layer &layer) const {
  const auto channels = static_cast<int>(shape(layer.value).channels);
  return interleaved_order(identity(channels / layer.group), layer.group, channels);
}

Action Emitter::dense_action(const Layer &layer, const ChannelOrder &out, const Epilogue &, Group &group,
                             RunInstruction run) {
  Action a = action(Level::kTile, run, OpKind::kDense, static_cast<int>(out.size()) / kLanes);
  if (needs_.hidden_of(layer)) {
    a.instruction.in = read(a, operand(hidden_bits_.at(layer.binarize)));
    return a;
  }
  const Node &binarize = node(layer.binarize);
  const uint32_t input = binarize.inputs[0];
  const ChannelOrder order = identity(shape(input).channels);
  const int planes = binarize.levels() == Levels::kThree ? 2 : 1, words = (static_cast<int>(order.size()) + 31) / 32;
  const int bits = value_like(layer.value, planes * words);
  for (int p = 0; p < planes; ++p) {
    Action pack = action(Level::kTile, fused_.pack, OpKind::kBits, static_cast<int>(order.size()) / kLanes);
    pack.instruction.in = read(pack, operand(static_cast<int>(input)));
    pack.instruction.out = write(pack, operand(bits));
    pack.instruction.threshold = weights_.threshold(binarize, p, order);
    pack.instruction.bits_stride = 2 * planes * words;
    pack.instruction.bits_at = 2 * p * words;
    group.actions.push_back(std::move(pack));
  }
  a.instruction.in = read(a, operand(bits));
  return a;
}

void Emitter::finish_dense(const Layer &layer, const ChannelOrder &out, const Epilogue &e, Action &a, Group &group) {
  std::vector<int32_t> shortcut(out.size() / kLanes, 0);
  if (layer.source != kNone && needs_.hidden_of(layer)) {
    a.instruction.source = read_in_place(a, operand(static_cast<int>(layer.source)));
    for (size_t b = 0; b < shortcut.size(); ++b) shortcut[b] = static_cast<int32_t>(b);
  } else if (layer.source != kNone) {
    a.instruction.source = source(layer, out, shortcut, a, group);
  } else {
    a.instruction.source = constant(zeros(kLanes));
  }
  const Layer *hidden = needs_.hidden_of(layer);
  const Shape &in = shape(node(layer.binarize).inputs[0]);
  const ChannelOrder order = hidden ? hidden_order(*hidden) : identity(in.channels);
  a.instruction.dense = weights_.dense(node(layer.conv), node(layer.binarize).levels(), e, order, out, shortcut);
  steps_.check_memory();
  group.actions.push_back(std::move(a));
  groups.push_back(std::move(group));
}

Operand Emitter::source(const Layer &layer, const ChannelOrder &out, std::vector<int32_t> &shortcut, Action &a,
                        Group &group) {
  const auto [base, channels] = needs_.channel_source(layer.source);
  const int slots = values[base].stride;
  ChannelOrder sources;
  for (int32_t c : out) sources.push_back(c < 0 ? -1 : channels.empty() ? c : channels[c]);
  if (sources == identity(shape(base).channels)) {
    for (size_t b = 0; b < shortcut.size(); ++b) shortcut[b] = static_cast<int32_t>(b);
    return read_in_place(a, operand(static_cast<int>(base)));
  }
  shortcut.clear();
  const auto key = std::make_pair(base, sources);
  auto found = gathered_.find(key);
  if (found == gathered_.end()) {
    Gathered made;
    made.gather = weights_.gather(sources, slots, made.shortcut);
    made.value = value_like(layer.value, kLanes * made.gather.blocks);
    Action gather = action(Level::kTile, fused_.gather, OpKind::kGathers, made.gather.blocks);
    gather.instruction.gather = made.gather;
    gather.instruction.in = read(gather, operand(static_cast<int>(base)));
    gather.instruction.out = write(gather, operand(made.value));
    group.actions.insert(group.actions.begin(), std::move(gather));
    found = gathered_.emplace(key, std::move(made)).first;
  }
  shortcut = found->second.shortcut;
  return read(a, operand(found->second.value));
}

void Emitter::emit_local(const Layer &layer, const Destination &d) {
  const uint32_t v = layer.value;
  Group group{values[v].height, values[v].width, {}};
  const ChannelOrder order = identity(shape(v).channels);
  const int blocks = static_cast<int>(order.size()) / kLanes;
  const Node &binarize = node(layer.binarize);
  const int inputs = static_cast<int>(shape(binarize.inputs[0]).channels / node(layer.conv)[kGroups]);
  std::vector<ChannelOrder> in(inputs);
  for (int32_t c : order) {
    for (int g = 0; g < inputs; ++g) in[g].push_back(c < 0 ? -1 : inputs * c + g);
  }
  Action a = action(Level::kRow, nullptr, OpKind::kLocal, blocks);
  Instruction &i = a.instruction;
  Epilogue e = layer.epilogue;
  bool affine = false;
  if (layer.wave) {
    i.source = read_in_place(a, operand(static_cast<int>(layer.source)));
  } else if (layer.source != kNone) {
    const Expression s = needs_.read(layer.source);
    const uint32_t from = needs_.simple(s, layer) ? s.terms[0].value : layer.source;
    i.source = read_in_place(a, operand(static_cast<int>(from)));
    if (from != layer.source) {
      affine = !all_are(s.terms[0].factor, 1.0f);
      if (affine) i.source_factor = weights_.in_slots(s.terms[0].factor, order);
      e.offset = sum(e.offset, s.offset);
    }
  } else {
    i.source = constant(zeros(values[v].stride));
  }
  add_sink(a, d, order, e);
  const int k = static_cast<int>(i.sink.kind);
  i.run = affine ? fused_.local_affine[k] : fused_.local[k];
  i.local = weights_.local(node(layer.conv), binarize, e, in, order, values[v].height, values[v].width);
  steps_.check_memory();
  const size_t bits = size_t(values[v].width) * order.size();
  program_.slices = std::max(program_.slices, bits / 8);
  i.plane[0] = next_plane_++;
  i.plane[1] = inputs == 2 ? next_plane_++ : i.plane[0];
  if (layer.wave) {
    group.actions.push_back(wave_action(layer, blocks, group));
    group.actions.back().instruction.plane[1] = i.plane[1];
    group.actions.back().instruction.plane[0] = i.plane[0];
    group.actions.back().instruction.local = i.local;
    group.actions.back().instruction.padded_index =
        padded_index(values[v].height, values[v].width, kMargin, kMargin, kMargin);
  } else {
    for (int g = 0; g < inputs; ++g) {
      int from = static_cast<int>(binarize.inputs[0]);
      if (inputs == 2) {
        from = value_like(v, values[v].stride);
        group.actions.push_back(gather_action(binarize.inputs[0], from, in[g]));
      }
      Action pack = action(Level::kTile, fused_.pack_plane, OpKind::kBits, blocks);
      pack.instruction.in = read(pack, operand(from));
      pack.instruction.threshold = i.local.threshold[g];
      pack.instruction.plane[0] = pack.instruction.plane[1] = i.plane[g];
      pack.instruction.padded_index = padded_index(values[v].height, values[v].width, kMargin, kMargin, kMargin);
      group.actions.push_back(std::move(pack));
    }
  }
  group.actions.push_back(std::move(a));
  groups.push_back(std::move(group));
}

Action Emitter::wave_action(const Layer &layer, int blocks, Group &group) {
  Action a = action(Level::kTile, fused_.wave, OpKind::kWaves, blocks);
  a.instruction.in = wave_input(layer.theta, a, group);
  a.instruction.amplitude = wave_input(layer.amplitude, a, group);
  a.instruction.out = write(a, operand(static_cast<int>(layer.source)));
  return a;
}

Operand Emitter::wave_input(uint32_t v, Action &a, Group &group) {
  if (!needs_.order(v).empty()) return read(a, operand(static_cast<int>(v)));
  const int value = value_like(v, values[v].stride);
  group.actions.push_back(gather_action(v, value, Needs::wave_order(shape(v).channels)));
  return read(a, operand(value));
}

}  // namespace bimlp
