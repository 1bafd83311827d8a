// Arrays aligned to cache lines, freed with their owner.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace bimlp {

constexpr size_t kLine = 64;

class Memory {
 public:
  // `count` zeros, with a spare line behind them, for passes read and write whole lines.
  template <class T>
  T *get(size_t count) {
    const size_t bytes = (count * sizeof(T) + 2 * kLine - 1) / kLine * kLine;
    void *p = std::aligned_alloc(kLine, bytes);
    if (!p) throw std::bad_alloc();
    std::memset(p, 0, bytes);
    blocks_.emplace_back(p, &std::free);  // &: the sanitizer takes a reference to Thumb code for misaligned
    total_ += bytes;
    return static_cast<T *>(p);
  }
  size_t total() const { return total_; }

 private:
  std::vector<std::unique_ptr<void, void (*)(void *)>> blocks_;
  size_t total_ = 0;
};

}  // namespace bimlp
