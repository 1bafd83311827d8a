#include "inspect.h"

#include <numeric>

#include "engine.h"
#include "error.h"
#include "graph/ops.h"
#include "isa/instruction_sets.h"

namespace {

using namespace bimlp;

// Scope in which an engine's call has a tracer.
class ScopedTracer {
 public:
  ScopedTracer(bimlp_engine &engine, const Tracer &tracer) : engine_(engine) { engine.tracer = tracer; }
  ~ScopedTracer() { engine_.tracer = {}; }

 private:
  bimlp_engine &engine_;
};

}  // namespace

extern "C" {

const char *bimlp_instruction_sets(void) {
  static const std::string names = available_names();
  return names.c_str();
}

const char *bimlp_ops(void) {
  static const std::string lines = list_of_ops();
  return lines.c_str();
}

int bimlp_profile(bimlp_engine *engine, const float *images, int count, double *seconds) {
  return guarded([&] {
    if (engine->threads != 1)
      throw Error("profile: expected an engine of one thread, got " + std::to_string(engine->threads));
    Profile profile;
    std::vector<float> logits(static_cast<size_t>(count) * engine->facts().classes);
    const auto guard = engine->enter();
    const ScopedTracer scoped(*engine, {&profile});
    engine->run_numbers(images, count, logits.data());
    for (int kind = 0; kind < kOpKinds; ++kind)
      seconds[kind] = std::accumulate(std::begin(profile.seconds[kind]), std::end(profile.seconds[kind]), 0.0);
  });
}

const char *bimlp_op_kinds(void) {
  static const std::string names = [] {
    std::string all;
    for (const char *name : kFusedKindNames) all += (all.empty() ? "" : "\n") + std::string(name);
    for (uint32_t op = 1; op <= kOps; ++op) all += std::string("\nplain ") + op_row(op).name;
    return all;
  }();
  return names.c_str();
}

}  // extern "C"
