// A fixed team of threads that share the rows of a job.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bimlp {

class Threads {
 public:
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads &) = delete;

  int count() const { return count_; }

  // job(thread) on every thread, the caller being thread 0; returns when all have ended. Jobs must not throw.
  void run(const std::function<void(int)> &job);

  // first row of a thread's share of `rows`
  int begin(int rows, int thread) const { return static_cast<int>(static_cast<int64_t>(rows) * thread / count_); }

 private:
  void work(int thread);
  void end();

  int count_;
  std::atomic<int> running_{0};
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> stop_{false};
  const std::function<void(int)> *job_ = nullptr;
  std::mutex mutex_;
  std::condition_variable start_, done_;
  std::vector<std::thread> threads_;
};

}  // namespace bimlp
