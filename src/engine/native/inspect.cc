#include "inspect.h"

#include <algorithm>

#include "engine.h"
#include "floating_point.h"
#include "layer_builder.h"

namespace {

using namespace bimlp;

// Function that a run calls, and its argument.
struct TraceCallback {
  bimlp_trace_function function;
  void *user;
};

// Calls the function of a TraceCallback, whose floating-point flags do not reach the network's.
void call_isolated(void *callback, int layer, int token, int count, const uint32_t *bits, const uint32_t *odd) {
  const DefaultFloats mode;
  const auto *to = static_cast<const TraceCallback *>(callback);
  to->function(to->user, layer, token, count, bits, odd);
}

// Scope in which an engine's call has a tracer.
class ScopedTracer {
 public:
  ScopedTracer(bimlp_engine &engine, const Tracer &tracer) : engine_(engine) { engine.tracer = tracer; }
  ~ScopedTracer() { engine_.tracer = {}; }

 private:
  bimlp_engine &engine_;
};

const Kernels &available(const char *name) {
  const Kernels *kernels = kernels_named(name);
  if (!kernels) throw Error(std::string("instruction set: this processor or this build has no ") + name);
  return *kernels;
}

PackedBinary packed(const bimlp_layer &layer, uint32_t inputs, uint32_t outputs, uint32_t rows, uint32_t columns) {
  const auto floats = [](const float *data, size_t count) { return Floats{data, count}; };
  return {floats(layer.shift, inputs),   {layer.weight, rows, columns, (columns + 31) / 32},
          floats(layer.factor, outputs), floats(layer.offset, outputs),
          floats(layer.slope, outputs),  floats(layer.shift_out, outputs)};
}

// Rows of channels as rows of slots.
float *to_slots(Memory &memory, const float *rows, size_t count, size_t channels, const ChannelOrder &order) {
  float *to = memory.get<float>(count * order.size());
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] >= 0) to[r * order.size() + i] = rows[r * channels + order[i]];
    }
  }
  return to;
}

// Rows of slots as rows of channels, in `out`.
void from_slots(const float *rows, size_t count, size_t channels, const ChannelOrder &order, float *out) {
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] >= 0) out[r * channels + order[i]] = rows[r * order.size() + i];
    }
  }
}

void channel_layer(const Kernels &k, const bimlp_layer &layer, int inputs, int outputs, int tokens, const float *x,
                   const float *shortcut, float *out) {
  Memory memory;
  LayerBuilder build(memory);
  const ChannelOrder in = identity_order(inputs, 2 * kLanes), to = identity_order(outputs, 2 * kLanes);
  const int slots_in = static_cast<int>(in.size()), slots_out = static_cast<int>(to.size());
  ChannelOrder blocks;
  for (int b = 0; b < slots_out / kLanes; ++b) blocks.push_back(b);
  const BinaryFC fc = build.binary_fc(packed(layer, inputs, outputs, outputs, inputs), in, to, build.copy(blocks));
  auto *bits = memory.get<uint32_t>(static_cast<size_t>(tokens) * slots_in / 32);
  k.pack_signs(to_slots(memory, x, tokens, inputs, in), tokens, slots_in, fc.threshold, bits, nullptr);
  float *result = memory.get<float>(static_cast<size_t>(tokens) * slots_out);
  k.single_fc(fc, bits, tokens, to_slots(memory, shortcut, tokens, outputs, to), slots_out, result);
  from_slots(result, tokens, outputs, to, out);
}

void local_layer(const Kernels &k, const bimlp_layer &layer, int groups, int channels, int size, bool height,
                 const float *x, const float *shortcut, float *out) {
  Memory memory;
  LayerBuilder build(memory);
  const ChannelOrder to = identity_order(channels, 2 * kLanes);
  const int slots = static_cast<int>(to.size()), side = size + 2 * kMargin, tokens = size * size;
  std::vector<ChannelOrder> in = {to};
  if (groups == 2) in = {wave_input_order(to, 0), wave_input_order(to, 1)};
  const LocalFC fc =
      build.local_fc(packed(layer, groups * channels, channels, groups * kTaps, channels), in, to, height, size);
  ChannelOrder padded_index;
  for (int t = 0; t < tokens; ++t) padded_index.push_back((t / size + kMargin) * side + t % size + kMargin);
  uint8_t *planes[2];
  for (int g = 0; g < groups; ++g) {
    planes[g] = memory.get<uint8_t>(static_cast<size_t>(side) * side * slots / 8);
    k.pack_signs(to_slots(memory, x, tokens, groups * channels, in[g]), tokens, slots, fc.threshold[g],
                 reinterpret_cast<uint32_t *>(planes[g]), padded_index.data());
  }
  Scratch scratch = {};
  for (auto &slice : scratch.slices) slice = memory.get<uint8_t>(static_cast<size_t>(size) * slots / 8);
  scratch.counts = memory.get<uint8_t>(static_cast<size_t>(size) * slots);
  const float *source = to_slots(memory, shortcut, tokens, channels, to);
  float *result = memory.get<float>(static_cast<size_t>(tokens) * slots);
  for (int y = 0; y < size; ++y)
    k.single_local(fc, planes, size, y, scratch, source + y * size * slots, result + y * size * slots);
  from_slots(result, tokens, channels, to, out);
}

}  // namespace

extern "C" {

const char *bimlp_instruction_sets(void) {
  static const std::string names = available_names();
  return names.c_str();
}

int bimlp_profile(bimlp_engine *engine, const float *images, int count, double *seconds) {
  return guarded([&] {
    if (engine->threads != 1)
      throw Error("profile: expected an engine of one thread, got " + std::to_string(engine->threads));
    Profile profile;
    std::vector<float> logits(static_cast<size_t>(count) * engine->description().classes);
    const auto guard = engine->enter();
    const ScopedTracer scoped(*engine, {&profile, nullptr, nullptr});
    engine->run_numbers(images, count, logits.data());
    std::copy(std::begin(profile.seconds), std::end(profile.seconds), seconds);
  });
}

const char *bimlp_op_kinds(void) {
  static const std::string names = [] {
    std::string all;
    for (const char *name : kOpKindNames) all += (all.empty() ? "" : "\n") + std::string(name);
    return all;
  }();
  return names.c_str();
}

int bimlp_trace(bimlp_engine *engine, const float *image, bimlp_trace_function trace, void *user, float *logits) {
  return guarded([&] {
    const auto guard = engine->enter();
    TraceCallback callback = {trace, user};
    const ScopedTracer scoped(*engine, {nullptr, call_isolated, &callback});
    engine->run_numbers(image, 1, logits);
  });
}

int bimlp_layer_order(const bimlp_engine *engine, int layer, int group, const int32_t **order, int *slots) {
  return guarded([&] {
    const ChannelOrder &found = engine->network->layers.at(layer).at(group);
    *order = found.data();
    *slots = static_cast<int>(found.size());
  });
}

int bimlp_channel_layer(const char *instruction_set, const bimlp_layer *layer, int inputs, int outputs, int tokens,
                        const float *x, const float *shortcut, float *out) {
  return guarded([&] { channel_layer(available(instruction_set), *layer, inputs, outputs, tokens, x, shortcut, out); });
}

int bimlp_local_layer(const char *instruction_set, const bimlp_layer *layer, int groups, int channels, int size,
                      int height, const float *x, const float *shortcut, float *out) {
  return guarded(
      [&] { local_layer(available(instruction_set), *layer, groups, channels, size, height, x, shortcut, out); });
}

}  // extern "C"
