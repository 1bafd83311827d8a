// Jobs of every kind on a pool of THREADS threads, from two callers and in a forked child: pool_program THREADS
#include <sys/wait.h>
#include <unistd.h>

#include <cfenv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "../../src/native/threads.h"

namespace {

void expect(bool good, const char *what) {
  if (good) return;
  std::printf("%s\n", what);
  std::fflush(stdout);
  std::_Exit(1);
}

// Every item exactly once. Plain numbers: a sanitizer sees two threads at one of them.
void run_items(bimlp::ThreadPool &pool, int64_t items) {
  std::vector<int> counts(items);
  pool.each(items, [&](int64_t i) { ++counts[i]; });
  for (const int count : counts) expect(count == 1, "each: expected every item once");
}

// Every thread exactly once, each time the same thread for a number, with the floating-point mode of the pool's maker.
void run_threads(bimlp::ThreadPool &pool, std::vector<std::thread::id> &ids) {
  std::vector<int> counts(pool.size());
  pool.each_thread([&](int thread) {
    ++counts[thread];
    if (ids[thread] == std::thread::id()) ids[thread] = std::this_thread::get_id();
    expect(ids[thread] == std::this_thread::get_id(), "each_thread: expected the same thread for a number");
    expect(std::fegetround() == FE_UPWARD, "each_thread: expected the floating-point mode of the pool's maker");
  });
  for (const int count : counts) expect(count == 1, "each_thread: expected every thread once");
}

}  // namespace

int main(int, char **arguments) {
  const int threads = std::atoi(arguments[1]);
  for (int n = 0; n < 20; ++n) bimlp::ThreadPool short_lived(threads);
  std::fesetround(FE_UPWARD);
  bimlp::ThreadPool pool(threads);
  expect(pool.size() == threads, "size: expected the number of threads");
  std::vector<std::thread::id> ids(threads);
  // pauses around the time after which threads sleep, so that some fall asleep while the next job comes
  for (int n = 0; n < 2000; ++n) {
    run_items(pool, n % 40);
    run_threads(pool, ids);
    std::this_thread::sleep_for(std::chrono::microseconds(n % 300));
  }
  for (int n = 0; n < 20000; ++n) run_items(pool, 2);
  std::thread other([&] {
    for (int n = 0; n < 1000; ++n) run_items(pool, 30);
  });
  for (int n = 0; n < 1000; ++n) run_items(pool, 20);
  other.join();
  const pid_t child = fork();
  if (child == 0) {  // without threads: the caller does all
    for (int n = 0; n < 100; ++n) run_items(pool, 20);
    std::_Exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "each: expected a forked child to end");
  std::puts("done");
}
