// What a bimlp_engine is: a network and as many workspaces as images can be under way.
#pragma once
#include <memory>
#include <string>

#include "network.h"

struct bimlp_engine {
  bimlp_engine(const uint8_t *data, size_t size, int threads);

  // fill(image, workspace) puts an image into the workspace
  template <class Fill>
  void run(int count, float *logits, Fill fill);

  const bimlp::Description &description() const { return network->description; }

  std::unique_ptr<bimlp::Network> network;
  bimlp::Threads threads;                            // over images, or over the rows of one
  std::vector<std::unique_ptr<bimlp::Threads>> alone;  // one thread each
  std::vector<std::unique_ptr<bimlp::Workspace>> workspaces;
  std::vector<float> normalised;                     // per channel and pixel value
  bimlp::Watch watch;                                // of runs by one thread
  std::string text;
};

namespace bimlp {

// The kernels to be used, by BIMLP_INSTRUCTION_SET or the processor. Throws Error.
const Kernels *choose_kernels();
// By name; null where the build or the processor lacks them. Throws Error for an unknown name.
const Kernels *kernels_named(const std::string &name);

// Those that there are, the best first, with spaces between them.
std::string available_names();

// Runs `call` and turns what it throws into 1 and a last error.
int guarded(void (*call)(void *), void *context);

template <class Call>
int guarded(Call call) {
  return guarded([](void *c) { (*static_cast<Call *>(c))(); }, &call);
}

}  // namespace bimlp
