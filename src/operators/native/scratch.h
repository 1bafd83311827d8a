// Scratch memory of the calling thread.
#pragma once
#include <cstdint>

namespace bimlp {

// Memory that lasts until the thread's next request for the same slot. It grows and never shrinks.
class Scratch {
 public:
  template <class T>
  static T *get(int slot, int64_t count) {
    return static_cast<T *>(bytes(slot, count * static_cast<int64_t>(sizeof(T))));
  }

 private:
  static void *bytes(int slot, int64_t size);
};

}  // namespace bimlp
