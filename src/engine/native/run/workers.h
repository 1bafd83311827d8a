// Workers of an engine: threads of its own, or those of the host program.
#pragma once
#include <atomic>

#include "../../../native/threads.h"
#include "../bimlp.h"
#include "floating_point.h"

namespace bimlp {

// A loop of the host program, with its first argument; null: none.
struct HostLoop {
  bimlp_parallel *run = nullptr;
  void *pool = nullptr;
};

// A fixed number of workers, each with its part of a job and its own memory. Jobs must not throw.
class Workers {
 public:
  explicit Workers(int count, HostLoop host = {}) : count_(count), host_(host), threads_(host.run ? 1 : count) {}

  int size() const { return count_; }

  // job(worker) once for every worker; returns when all have ended.
  template <class Job>
  void each(const Job &job) {
    if (!host_.run) return threads_.each_thread(job);
    HostJob<Job> shared{job, nonfinite_};
    host_.run(host_.pool, count_, HostJob<Job>::run, &shared);
  }

  // First of the rows that belong to a worker, if `rows` are shared out evenly.
  int begin(int rows, int worker) const { return static_cast<int>(static_cast<int64_t>(rows) * worker / count_); }

  // Whether the caller or a worker has made a number that is not finite since the last call.
  bool test_and_clear_nonfinite() {
    std::atomic<bool> found{nonfinite_.exchange(false)};
    threads_.each_thread([&](int) {
      if (bimlp::test_and_clear_nonfinite()) found = true;
    });
    return found;
  }

 private:
  // Part of a job on a thread of the host, which has flags and a mode of its own.
  template <class Job>
  struct HostJob {
    const Job &job;
    std::atomic<bool> &nonfinite;

    static void run(void *context, int worker) {
      auto *shared = static_cast<HostJob *>(context);
      const DefaultFloats mode;
      shared->job(worker);
      if (bimlp::test_and_clear_nonfinite()) shared->nonfinite = true;
    }
  };

  const int count_;
  const HostLoop host_;
  std::atomic<bool> nonfinite_{false};  // by a thread of the host
  ThreadPool threads_;
};

}  // namespace bimlp
