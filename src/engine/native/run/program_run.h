// Executor of a program.
#pragma once
#include <memory>
#include <vector>

#include "../../../native/threads.h"
#include "../plan/program.h"

namespace bimlp {

// Memory of one image.
class ProgramRun {
 public:
  ProgramRun(const Program &program, const OpKernels &kernels, int threads);

  // Normalised image, height x width x 16: three channels and padding.
  float *image() { return arena_ + program_.image; }
  const float *run(ThreadPool &threads, const Tracer &tracer);

 private:
  Context context(int thread) const;
  void run_sweep(const Sweep &sweep, ThreadPool &threads, const Tracer &tracer);
  void run_rows(const ProgramStep &step, ThreadPool &threads);
  void run_mean(const ProgramStep &step);
  void run_plain(const PlainStep &step, ThreadPool &threads);

  const Program &program_;
  const OpKernels &kernels_;
  Memory memory_;
  float *arena_;
  std::vector<uint8_t *> planes_;
  std::vector<float *> tiles_;    // by thread
  std::vector<Scratch> scratch_;  // by thread
  std::vector<OpScratch> op_scratch_;
};

}  // namespace bimlp
