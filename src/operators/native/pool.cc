#include "pool.h"

#include <sched.h>

namespace bimlp {
namespace {

// Number of processors that the process may use.
int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return 1;
}

}  // namespace

ThreadPool &thread_pool() {
  // never destroyed: at exit its threads cannot be joined
  static ThreadPool *pool = new ThreadPool(processors());
  return *pool;
}

}  // namespace bimlp
