#include "emitter.h"

namespace bimlp {

void Emitter::emit_bits(uint32_t v) {
  for (const Layer *layer : needs_.window_layers_on(v)) {
    const Node &conv = node(layer->conv), &binarize = node(layer->binarize);
    const Shape &in = shape(v);
    const ChannelOrder order = identity(in.channels);
    const WindowSigns signs = window_signs(conv, order, binarize.levels());
    const int words = signs.words / signs.planes;  // of a plane
    const int above = static_cast<int>(conv[kTop]), below = static_cast<int>(conv[kBottom]);
    const int before = static_cast<int>(conv[kLeft]), behind = static_cast<int>(conv[kRight]);
    const int height = static_cast<int>(in.height), width = static_cast<int>(in.width), row = before + width + behind;
    const int bits = new_value(above + height + below, 1, row * signs.words, false);
    values[bits].is_whole = true;
    window_bits_[layer->conv] = bits;
    const uint32_t *outside = weights_.outside_signs(conv, binarize.levels(), order, signs);
    for (int p = 0; p < signs.planes; ++p) {
      Action pack = action(Level::kTile, fused_.pack_rows, OpKind::kBits, static_cast<int>(order.size()) / kLanes);
      Instruction &i = pack.instruction;
      i.in = read(pack, operand(static_cast<int>(v)));
      i.out = write(pack, operand(bits));
      i.threshold = weights_.threshold(binarize, p, order);
      if (binarize.levels() == Levels::kThree && signs.planes == 1) i.second = weights_.threshold(binarize, 1, order);
      if (signs.bytes) i.low = weights_.levels_of(order, binarize.levels() == Levels::kZeroOne ? 0 : -1);
      i.padded_index = padded_index(height, width, above, before, behind);
      i.rows_of_bits = {signs.words, p * words, words,  height * width,      above * row,
                        below * row, before,    behind, outside + p * words, signs.paired};
      new_group(v).actions.push_back(std::move(pack));
    }
  }
}

WindowSigns Emitter::window_signs(const Node &conv, const ChannelOrder &order, Levels levels) const {
  const int slots = static_cast<int>(order.size()), words = (slots + 31) / 32;
  if (fused_.tiles && conv[kGroups] == 1) return {1, slots / 4, true, false};
  const int planes = levels == Levels::kThree ? 2 : 1;
  return {planes, planes * words, false, fused_.paired && words / conv[kGroups] % 2 == 0};
}

void Emitter::emit_window(const Layer &layer, const Destination &d) {
  const Node &conv = node(layer.conv);
  const Shape &in = shape(layer.binarize);
  Group group{values[layer.value].height, values[layer.value].width, {}};
  const ChannelOrder out = identity(shape(layer.value).channels);
  Epilogue e = layer.epilogue;
  Action a = action(Level::kTile, nullptr, OpKind::kWindows, static_cast<int>(out.size()) / kLanes);
  Instruction &i = a.instruction;
  add_sink(a, d, out, e);
  i.run = fused_.window[static_cast<int>(i.sink.kind)];
  i.in = read(a, operand(window_bits_.at(layer.conv)));
  std::vector<int32_t> shortcut(out.size() / kLanes, 0);
  i.source = layer.source == kNone ? constant(zeros(kLanes)) : source(layer, out, shortcut, a, group);
  const ChannelOrder order = identity(in.channels);
  const Levels levels = node(layer.binarize).levels();
  i.window = weights_.window(conv, levels, in, e, order, out, window_signs(conv, order, levels));
  i.window.shortcut = weights_.copy(shortcut);
  steps_.check_memory();
  group.actions.push_back(std::move(a));
  groups.push_back(std::move(group));
}

}  // namespace bimlp
