#include "threads.h"

#include <cfenv>

namespace bimlp {

namespace {

// One job of an image follows the other within microseconds, while waking a thread takes tens of them.
constexpr int kLooks = 300;

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < kLooks; ++i) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace

Threads::Threads(int count) : count_(count) {
  try {
    for (int i = 1; i < count; ++i) threads_.emplace_back([this, i] { work(i); });
  } catch (...) {  // the system has no more threads: those that run must end before their team does
    end();
    throw;
  }
}

Threads::~Threads() { end(); }

void Threads::end() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  start_.notify_all();
  for (auto &thread : threads_) thread.join();
}

void Threads::run(const std::function<void(int)> &job) {
  if (count_ == 1) return job(0);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    job_ = &job;
    running_ = count_ - 1;
    ++generation_;
  }
  start_.notify_all();
  job(0);
  const auto done = [this] { return running_ == 0; };
  if (soon(done)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, done);
}

void Threads::work(int thread) {
  std::fesetenv(FE_DFL_ENV);  // a new thread has the mode of the one that made it
  uint64_t seen = 0;
  const auto called = [&] { return stop_ || generation_ != seen; };
  while (true) {
    if (!soon(called)) {
      std::unique_lock<std::mutex> lock(mutex_);
      start_.wait(lock, called);
    }
    if (stop_) return;
    seen = generation_;
    (*job_)(thread);
    if (--running_ == 0) {
      std::lock_guard<std::mutex> lock(mutex_);  // the caller is not between its look and its sleep
      done_.notify_one();
    }
  }
}

}  // namespace bimlp
