// Thread pool of the engine and of the fused operators.
#pragma once
#include <semaphore.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace bimlp {

// Sleep of one thread until another one makes a condition true. The thread looks for some time before it sleeps, for
// the next job often follows within microseconds, and waking a thread takes tens of them.
class Sleeper {
 public:
  Sleeper() { sem_init(&semaphore_, 0, 0); }
  ~Sleeper() { sem_destroy(&semaphore_); }
  Sleeper(const Sleeper &) = delete;

  // The condition must read sequentially consistent atomics.
  template <class Condition>
  void sleep_until(Condition condition);

  // Wakes the thread if it sleeps. To be called after the condition has become true.
  void wake();

 private:
  std::atomic<bool> asleep_{false};
  sem_t semaphore_;
};

// A fixed number of threads, of which the calling thread is number 0.
//
// Two ways to share out a job: each_thread, where every thread has its own part and memory, and each, where any thread
// takes the next item. Jobs must not throw and must not start jobs of the same pool. Jobs of several callers wait for
// each other.
//
// Threads 1 and up have the floating-point mode of the thread that made the pool. The engine makes its pools in default
// mode; threads of MindSpore may flush denormals.
// After a fork the child has no threads: `each` still runs, on the caller alone; each_thread must not.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool() { end(); }
  ThreadPool(const ThreadPool &) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // job(thread) once on every thread; returns when all have ended.
  template <class Job>
  void each_thread(const Job &job) {
    if (workers_.empty()) return job(0);
    run_threads(
        [](const void *context, int64_t thread) { (*static_cast<const Job *>(context))(static_cast<int>(thread)); },
        &job);
  }

  // f(i) for every i in [0, items), in any order and on any thread; returns when all are done. The result of f(i) must
  // not depend on the thread: then results do not depend on the number of threads.
  template <class F>
  void each(int64_t items, const F &f) {
    if (workers_.empty() || items < 2) {
      for (int64_t i = 0; i < items; ++i) f(i);
      return;
    }
    run_items(items, [](const void *context, int64_t i) { (*static_cast<const F *>(context))(i); }, &f);
  }

 private:
  using Call = void (*)(const void *, int64_t);

  void run_threads(Call call, const void *context);
  void run_items(int64_t items, Call call, const void *context);
  bool take_item();
  void add_done(int64_t of);
  void wake_workers();
  void serve(int thread);
  void end();

  // Number of the job (16 bits), its items (24), the next item (24). One fetch_add takes them together, so that a late
  // thread sees from the ticket alone that nothing is left for it.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<uint64_t> thread_jobs_{0};  // number of the last job of each_thread
  std::atomic<int64_t> done_{0};          // items, or threads, of the present job
  std::atomic<bool> stop_{false};
  Call call_ = nullptr;
  const void *context_ = nullptr;
  std::mutex busy_;
  Sleeper caller_;
  std::vector<Sleeper> sleepers_;
  std::vector<std::thread> workers_;
};

}  // namespace bimlp
