// Engine: a model, and the threads and memory that run it, one call at a time.
#pragma once
#include <memory>
#include <string>

#include "run/engine_lock.h"
#include "run/model.h"

namespace bimlp {

// Workers of one process, and a run for each image that can be under way.
struct Team {
  Team(const Model &model, int count, HostLoop host);

  Workers workers;                                // share images, or the rows of one image
  std::vector<std::unique_ptr<Workers>> singles;  // one worker, for each that has an image of its own
  std::vector<std::unique_ptr<Run>> runs;
};

}  // namespace bimlp

struct bimlp_engine {
  bimlp_engine(const uint8_t *data, size_t size, int threads);
  ~bimlp_engine();

  // Waits for the turn of this call, which lasts as long as the guard.
  bimlp::EngineLock::Guard enter();
  // Waits for the calls under way.
  void wait();

  // Logits of `count` images, for a call that has its turn. fill(i, numbers) writes image i into a run's memory.
  template <class Fill>
  void run(int count, float *logits, Fill fill);
  // bimlp_set_parallel, for a call that has its turn.
  void share_by(bimlp::HostLoop loop);
  // bimlp_run_pixels and bimlp_run_numbers, for a call that has its turn.
  void run_pixels(const uint8_t *images, int count, float *logits);
  void run_numbers(const float *images, int count, float *logits);

  const bimlp::Facts &facts() const { return model->facts; }

  const std::unique_ptr<bimlp::Model> model;
  const int threads;
  bimlp::HostLoop host;
  std::unique_ptr<bimlp::Team> team;  // null in a forked process, or for another loop, until the next run
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

// 0 after `call`; or 1 for an exception, with its message as the thread's last error.
int guarded(void (*call)(void *), void *context);

template <class Call>
int guarded(Call call) {
  return guarded([](void *c) { (*static_cast<Call *>(c))(); }, &call);
}

}  // namespace bimlp
