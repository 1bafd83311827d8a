// Lock of an engine: one call at a time, in the process that opened it and in forked ones.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <shared_mutex>

namespace bimlp {

// Number of forks between the process that loaded the library and this one.
uint64_t fork_count();
// Mutex that a thread holds while it forks, so that the child finds what it guards in order.
std::mutex &fork_mutex();

class EngineLock {
 public:
  // Turn of one call. The constructor waits for it; EngineLock::wait waits for all that have begun.
  class Guard {
   public:
    explicit Guard(EngineLock &lock) : inside_(lock.locks_.inside), turn_(lock.locks_.turn) {}

   private:
    std::shared_lock<std::shared_mutex> inside_;
    std::lock_guard<std::mutex> turn_;
  };

  // First step of every call. In a forked process it makes new locks, for threads of the parent may have held the old
  // ones, and runs on_fork, which must not throw.
  template <class OnFork>
  void renew_after_fork(OnFork on_fork) {
    if (process_ == fork_count()) return;
    std::lock_guard<std::mutex> one(fork_mutex());
    if (process_ == fork_count()) return;
    new (&locks_) Locks;
    on_fork();
    process_ = fork_count();
  }

  // Waits for all calls that have begun.
  void wait() { std::unique_lock<std::shared_mutex> last(locks_.inside); }

 private:
  struct Locks {
    std::shared_mutex inside;
    std::mutex turn;
  };
  Locks locks_;
  std::atomic<uint64_t> process_{fork_count()};
};

}  // namespace bimlp
