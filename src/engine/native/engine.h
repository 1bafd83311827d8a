// What a bimlp_engine is: a network, a team to run it, and the calls that take turns.
#pragma once
#include <memory>
#include <string>

#include "engine_lock.h"
#include "network.h"

namespace bimlp {

// What the calls of one process work with: threads, and as many workspaces as images can be under way.
struct Team {
  Team(const Network &network, int count);

  ThreadPool threads;                              // over images, or over the rows of one
  std::vector<std::unique_ptr<ThreadPool>> alone;  // one thread each
  std::vector<std::unique_ptr<Workspace>> workspaces;
};

}  // namespace bimlp

struct bimlp_engine {
  bimlp_engine(const uint8_t *data, size_t size, int threads);
  ~bimlp_engine();

  // Waits for this call's turn.
  bimlp::EngineLock::Guard enter();
  // Waits for the end of the calls under way.
  void wait();

  // Of a call that has its turn. fill(image, workspace) puts an image into the workspace
  template <class Fill>
  void run(int count, float *logits, Fill fill);
  // As bimlp_run_numbers
  void run_numbers(const float *images, int count, float *logits);

  const bimlp::Description &description() const { return network->description; }

  const std::unique_ptr<bimlp::Network> network;
  const int threads;
  std::unique_ptr<bimlp::Team> team;  // null in a forked process until its first run
  bimlp::EngineLock lock;
  std::vector<float> normalised;      // per channel and pixel value
  bimlp::Tracer tracer;                 // of the call that has its turn
  std::string text;

 private:
  // In a forked process. Of the parent's team, the threads are not there: they cannot be joined, and their locks may be held.
  void abandon_team();
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
