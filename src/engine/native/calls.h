// Who is inside an engine: one call at a time, in the process that opened it and in those that are forked from it.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <shared_mutex>

namespace bimlp {

// Forks between the process that loaded the library and this one.
uint64_t forks();
// Held by the thread that forks, so that what it guards is whole in the child.
std::mutex &fork_mutex();

class Calls {
 public:
  // A call's stay: it waits for its turn, and `wait` for the end of all that have begun.
  class Stay {
   public:
    explicit Stay(Calls &calls) : inside_(calls.locks_.inside), turn_(calls.locks_.turn) {}

   private:
    std::shared_lock<std::shared_mutex> inside_;
    std::lock_guard<std::mutex> turn_;
  };

  // To be called before anything else: in a process other than the last one, makes the locks anew, which threads of the
  // parent may have held, and runs `leave`, which must not throw.
  template <class Leave>
  void enter_process(Leave leave) {
    if (process_ == forks()) return;
    std::lock_guard<std::mutex> one(fork_mutex());
    if (process_ == forks()) return;
    new (&locks_) Locks;
    leave();
    process_ = forks();
  }

  void wait() { std::unique_lock<std::shared_mutex> last(locks_.inside); }

 private:
  struct Locks {
    std::shared_mutex inside;
    std::mutex turn;
  };
  Locks locks_;
  std::atomic<uint64_t> process_{forks()};
};

}  // namespace bimlp
