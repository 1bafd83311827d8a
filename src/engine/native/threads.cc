#include "threads.h"

namespace bimlp {

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
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [this] { return running_ == 0; });
}

void Threads::work(int thread) {
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    start_.wait(lock, [&] { return stop_ || generation_ != seen; });
    if (stop_) return;
    seen = generation_;
    const auto *job = job_;
    lock.unlock();
    (*job)(thread);
    lock.lock();
    if (--running_ == 0) done_.notify_one();
  }
}

}  // namespace bimlp
