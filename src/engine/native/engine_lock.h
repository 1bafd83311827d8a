// Who is inside an engine: one call at a time, in the process that opened it and in those that are forked from it.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <shared_mutex>

namespace bimlp {

// Forks between the process that loaded the library and this one.
uint64_t fork_count();
// Held by the thread that forks, so that what it guards is whole in the child.
std::mutex &fork_mutex();

class EngineLock {
 public:
  // A call's stay: it waits for its turn, and `wait` for the end of all that have begun.
  class Guard {
   public:
    explicit Guard(EngineLock &lock) : inside_(lock.locks_.inside), turn_(lock.locks_.turn) {}

   private:
    std::shared_lock<std::shared_mutex> inside_;
    std::lock_guard<std::mutex> turn_;
  };

  // To be called before anything else: in a process other than the last one, makes the locks anew, which threads of the
  // parent may have held, and runs `leave`, which must not throw.
  template <class OnFork>
  void renew_after_fork(OnFork on_fork) {
    if (process_ == fork_count()) return;
    std::lock_guard<std::mutex> one(fork_mutex());
    if (process_ == fork_count()) return;
    new (&locks_) Locks;
    on_fork();
    process_ = fork_count();
  }

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
