#include <cstdlib>

#include "../file/packed_file.h"
#include "../file/text.h"
#include "../isa/instruction_sets.h"
#include "../plan/planner.h"
#include "plain_run.h"
#include "program_run.h"

namespace bimlp {
namespace {

class PlainRun : public Run {
 public:
  PlainRun(const PlainNetwork &network, int threads) : workspace_(network, threads) {}
  float *image() override { return workspace_.image(); }
  const float *logits(Workers &workers, const Tracer &) override { return workspace_.run(workers); }

 private:
  PlainWorkspace workspace_;
};

class PlannedRun : public Run {
 public:
  PlannedRun(const Program &program, const OpKernels &kernels, int threads) : run_(program, kernels, threads) {}
  float *image() override { return run_.image(); }
  int8_t *pixels() override { return run_.pixels(); }
  const float *logits(Workers &workers, const Tracer &tracer) override { return run_.run(workers, tracer); }

 private:
  ProgramRun run_;
};

// Model of a graph: planned, or run by the plain executor if BIMLP_PLAN is "plain".
class GraphModel : public Model {
 public:
  GraphModel(const PackedFile &file, size_t bytes, const OpKernels &kernels) : kernels_(kernels) {
    const Header &h = file.header;
    facts = {h.variant, h.image_size, h.resize,      file.graph.classes(),
             h.mean,    h.std,        h.class_names, ", \"nodes\": " + std::to_string(file.graph.nodes.size())};
    layout = {0, size_t{h.image_size} * kLanes, kLanes};
    const char *wanted = std::getenv("BIMLP_PLAN");
    const std::string plan_name = wanted && *wanted ? wanted : "fused";
    if (plan_name != "plain" && plan_name != "fused")
      throw Error("BIMLP_PLAN: expected plain or fused, got " + plan_name);
    if (plan_name == "plain") {
      plain_ = std::make_unique<PlainNetwork>(file.graph, bytes, &kernels);
    } else {
      program_ = plan(file.graph, Normalisation(facts), bytes, kernels);
      layout = program_->layout;
      pixel_layout = program_->pixel_layout;
    }
  }
  const char *instruction_set() const override { return kernels_.name; }
  std::unique_ptr<Run> run(int threads) const override {
    if (plain_) return std::make_unique<PlainRun>(*plain_, threads);
    return std::make_unique<PlannedRun>(*program_, kernels_, threads);
  }

 private:
  const OpKernels &kernels_;
  std::unique_ptr<PlainNetwork> plain_;
  std::unique_ptr<Program> program_;
};

}  // namespace

std::unique_ptr<Model> open_model(const uint8_t *data, size_t size) {
  const PackedFile file = read_packed_file(data, size);
  return std::make_unique<GraphModel>(file, size, choose_kernels());
}

}  // namespace bimlp
