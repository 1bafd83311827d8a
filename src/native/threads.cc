#include "threads.h"

#include <cerrno>

namespace bimlp {
namespace {

constexpr int kIndexBits = 24;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;
constexpr int kSpins = 600;  // about 200 microseconds

template <class Condition>
bool spin_until(Condition condition) {
  for (int i = 0; i < kSpins; ++i) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

bool has_items(uint64_t ticket) { return (ticket & kIndexMask) < (ticket >> kIndexBits & kIndexMask); }

}  // namespace

template <class Condition>
void Sleeper::sleep_until(Condition condition) {
  if (spin_until(condition)) return;
  while (true) {
    asleep_ = true;
    // a thread that made the condition true before it could see asleep_ does not wake this one
    if (condition() && asleep_.exchange(false)) return;
    while (sem_wait(&semaphore_) != 0 && errno == EINTR) {
    }
    if (condition()) return;
  }
}

void Sleeper::wake() {
  if (asleep_ && asleep_.exchange(false)) sem_post(&semaphore_);
}

ThreadPool::ThreadPool(int threads) : sleepers_(threads - 1) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { serve(i); });
  } catch (...) {  // the system has no more threads: those that run must end before their pool does
    end();
    throw;
  }
}

void ThreadPool::end() {
  stop_ = true;
  wake_workers();
  for (auto &worker : workers_) worker.join();
}

void ThreadPool::run_threads(Call call, const void *context) {
  const std::lock_guard<std::mutex> lock(busy_);
  call_ = call;
  context_ = context;
  done_ = 0;
  ++thread_jobs_;
  wake_workers();
  call(context, 0);
  const auto workers = static_cast<int64_t>(workers_.size());
  caller_.sleep_until([&] { return done_ == workers; });
}

void ThreadPool::run_items(int64_t items, Call call, const void *context) {
  const std::lock_guard<std::mutex> lock(busy_);
  call_ = call;
  context_ = context;
  done_ = 0;
  const uint64_t job = (ticket_ >> 2 * kIndexBits) + 1;
  ticket_ = job << 2 * kIndexBits | static_cast<uint64_t>(items) << kIndexBits;
  wake_workers();
  while (take_item()) {
  }
  caller_.sleep_until([&] { return done_ == items; });
}

// Does one item of the present job; false when none is left.
bool ThreadPool::take_item() {
  if (!has_items(ticket_)) return false;
  const uint64_t ticket = ticket_.fetch_add(1);
  if (!has_items(ticket)) return false;
  call_(context_, static_cast<int64_t>(ticket & kIndexMask));
  add_done(static_cast<int64_t>(ticket >> kIndexBits & kIndexMask));
  return true;
}

// One more part of the present job, which has `of` parts, is done. After the last one the caller may begin another job.
void ThreadPool::add_done(int64_t of) {
  if (++done_ == of) caller_.wake();
}

void ThreadPool::wake_workers() {
  for (auto &sleeper : sleepers_) sleeper.wake();
}

void ThreadPool::serve(int thread) {
  uint64_t seen = 0;
  while (true) {
    sleepers_[thread - 1].sleep_until([&] { return stop_ || thread_jobs_ != seen || has_items(ticket_); });
    if (stop_) return;
    if (thread_jobs_ != seen) {
      ++seen;
      call_(context_, thread);
      add_done(static_cast<int64_t>(workers_.size()));
    }
    while (take_item()) {
    }
  }
}

}  // namespace bimlp
