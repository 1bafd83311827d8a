// A pool of threads that share the items of one loop; the caller takes part.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

class Pool {
 public:
  // As many threads as the process may have processors; made at first use.
  static Pool &instance();

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // f(i) for every i in [0, items), in any order and on any thread; returns when all are done.
  // What f(i) computes must not depend on the thread: then results do not depend on their number.
  template <class F>
  void each(int64_t items, const F &f) {
    if (workers_.empty() || items < 2) {
      for (int64_t i = 0; i < items; ++i) f(i);
      return;
    }
    run(items, [](const void *context, int64_t i) { (*static_cast<const F *>(context))(i); }, &f);
  }

 private:
  using Call = void (*)(const void *, int64_t);

  explicit Pool(int threads);
  ~Pool();
  void run(int64_t items, Call call, const void *context);
  bool work();
  void serve();

  // job number (16 bits), its items (24), the next item (24): taken together by one fetch_add, so that a
  // late thread sees from the ticket alone that there is nothing left for it.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int64_t> done_{0};
  std::atomic<uint32_t> wake_{0};
  std::atomic<bool> end_{false};
  Call call_ = nullptr;
  const void *context_ = nullptr;
  uint64_t job_ = 0;
  std::mutex busy_;
  std::vector<std::thread> workers_;
};

// Memory of the calling thread that lasts until the next request for the same slot; grows, never shrinks.
class Scratch {
 public:
  template <class T>
  static T *get(int slot, int64_t count) {
    return static_cast<T *>(bytes(slot, count * static_cast<int64_t>(sizeof(T))));
  }

 private:
  static void *bytes(int slot, int64_t size);
};
