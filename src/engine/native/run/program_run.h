// Executor of a program.
#pragma once
#include <memory>
#include <vector>

#include "../plan/program.h"
#include "workers.h"

namespace bimlp {

// Memory of one image.
class ProgramRun {
 public:
  ProgramRun(const Program &program, const OpKernels &kernels, int threads);

  // Normalised image, height x width x 16: three channels and padding.
  float *image() {
    of_pixels_ = false;
    return arena_ + program_.image;
  }
  // The image in pixels, 128 less, or null.
  int8_t *pixels() {
    of_pixels_ = pixels_ != nullptr;
    return pixels_;
  }
  const float *run(Workers &workers, const Tracer &tracer);

 private:
  Context context(int worker) const;
  void run_sweep(const Sweep &sweep, Workers &workers, const Tracer &tracer);
  void run_rows(const ProgramStep &step, Workers &workers);
  void run_mean(const ProgramStep &step);
  void run_plain(const PlainStep &step, Workers &workers);

  const Program &program_;
  const OpKernels &kernels_;
  Memory memory_;
  float *arena_;
  int8_t *pixels_ = nullptr;
  bool of_pixels_ = false;
  std::vector<uint8_t *> planes_;
  std::vector<float *> tiles_;    // by worker
  std::vector<Scratch> scratch_;  // by worker
  std::vector<OpScratch> op_scratch_;
};

}  // namespace bimlp
