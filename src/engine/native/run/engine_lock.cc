#include "engine_lock.h"

#include <pthread.h>

namespace bimlp {
namespace {

std::atomic<uint64_t> count{0};
std::mutex mutex;

void before_fork() { mutex.lock(); }
void after_fork() { mutex.unlock(); }
void after_fork_in_child() {
  ++count;
  mutex.unlock();
}

// Registered when the library is loaded, for another thread could fork in the middle of a first call.
[[maybe_unused]] const int registered = pthread_atfork(before_fork, after_fork, after_fork_in_child);

}  // namespace

uint64_t fork_count() { return count; }

std::mutex &fork_mutex() { return mutex; }

}  // namespace bimlp
