// Engine: a network, and the threads and workspaces that run it, one call at a time.
#pragma once
#include <memory>
#include <string>

#include "engine_lock.h"
#include "network.h"

namespace bimlp {

// Threads of one process, and a workspace for each image that can be under way.
struct Team {
  Team(const Network &network, int count);

  ThreadPool threads;                                     // share images, or the rows of one image
  std::vector<std::unique_ptr<ThreadPool>> serial_pools;  // pools of one thread
  std::vector<std::unique_ptr<Workspace>> workspaces;
};

}  // namespace bimlp

struct bimlp_engine {
  bimlp_engine(const uint8_t *data, size_t size, int threads);
  ~bimlp_engine();

  // Waits for the turn of this call, which lasts as long as the guard.
  bimlp::EngineLock::Guard enter();
  // Waits for the calls under way.
  void wait();

  // Logits of `count` images, for a call that has its turn. fill(i, numbers) writes image i into a workspace.
  template <class Fill>
  void run(int count, float *logits, Fill fill);
  // bimlp_run_numbers, for a call that has its turn.
  void run_numbers(const float *images, int count, float *logits);

  const bimlp::Description &description() const { return network->description; }

  const std::unique_ptr<bimlp::Network> network;
  const int threads;
  std::unique_ptr<bimlp::Team> team;  // null in a forked process until its first run
  bimlp::EngineLock lock;
  std::vector<float> normalised;  // number of each channel and pixel value
  bimlp::Tracer tracer;           // of the call that has its turn
  std::string text;

 private:
  // For a forked process, which lacks the threads of its parent's team. They cannot be joined, so the team is never
  // destroyed.
  void abandon_team();
};

namespace bimlp {

// Kernels of the instruction set that BIMLP_INSTRUCTION_SET names, else of the processor's best one. Throws Error.
const Kernels *choose_kernels();
// Kernels of an instruction set, or null if the build or the processor lacks it. Throws Error for an unknown name.
const Kernels *kernels_named(const std::string &name);

// Names of the instruction sets of this build and processor, the best first, separated by spaces.
std::string available_names();

// 0 after `call`; or 1 for an exception, with its message as the thread's last error.
int guarded(void (*call)(void *), void *context);

template <class Call>
int guarded(Call call) {
  return guarded([](void *c) { (*static_cast<Call *>(c))(); }, &call);
}

}  // namespace bimlp
