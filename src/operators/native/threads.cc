#include "threads.h"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

namespace {

constexpr int INDEX_BITS = 24;
constexpr uint64_t INDEX_MASK = (uint64_t{1} << INDEX_BITS) - 1;
constexpr int SPINS = 4000;  // some tens of microseconds: the gap between two operators, not longer

inline void pause_thread() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return 1;
}

}  // namespace

Pool &Pool::instance() {
  // never destroyed: at exit its threads may not be joined any more
  static Pool *pool = new Pool(processors());
  return *pool;
}

Pool::Pool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
}

Pool::~Pool() {
  end_ = true;
  ++wake_;
  wake_.notify_all();
  for (auto &worker : workers_) worker.join();
}

void Pool::run(int64_t items, Call call, const void *context) {
  std::lock_guard<std::mutex> lock(busy_);
  call_ = call;
  context_ = context;
  done_.store(0, std::memory_order_relaxed);
  job_ = (job_ + 1) & 0xffff;
  ticket_.store(job_ << (2 * INDEX_BITS) | static_cast<uint64_t>(items) << INDEX_BITS, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();
  while (work()) {
  }
  while (done_.load(std::memory_order_acquire) < items) pause_thread();
}

// Does one item of the current job; false when none is left.
bool Pool::work() {
  uint64_t seen = ticket_.load(std::memory_order_relaxed);
  if ((seen & INDEX_MASK) >= ((seen >> INDEX_BITS) & INDEX_MASK)) return false;
  uint64_t ticket = ticket_.fetch_add(1, std::memory_order_acquire);
  int64_t index = ticket & INDEX_MASK;
  if (index >= static_cast<int64_t>((ticket >> INDEX_BITS) & INDEX_MASK)) return false;
  call_(context_, index);
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void Pool::serve() {
  while (!end_) {
    uint32_t before = wake_.load(std::memory_order_acquire);
    for (int spins = 0; spins < SPINS; ++spins) {
      if (work()) {
        spins = 0;
        before = wake_.load(std::memory_order_acquire);
      }
      pause_thread();
    }
    if (!work()) wake_.wait(before);
  }
}

void *Scratch::bytes(int slot, int64_t size) {
  struct Block {
    void *data = nullptr;
    int64_t size = 0;
    ~Block() { std::free(data); }
  };
  static thread_local std::vector<Block> blocks(16);
  Block &block = blocks[slot];
  if (block.size < size) {
    std::free(block.data);
    block.size = (size + 4095) / 4096 * 4096;
    block.data = std::aligned_alloc(4096, block.size);
    if (block.data == nullptr) throw std::bad_alloc();
  }
  return block.data;
}
