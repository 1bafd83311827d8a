#include "scratch.h"

#include <cstdlib>
#include <new>
#include <vector>

namespace bimlp {

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

}  // namespace bimlp
