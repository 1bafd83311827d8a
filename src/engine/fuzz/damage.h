// Random damages of packed files, for fuzz_packed.cc.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bimlp::fuzz {

using Bytes = std::vector<uint8_t>;

constexpr size_t kFields = 96, kChecksum = 4;  // bytes of the header's fields and of the checksum

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint32_t next() {  // upper bits of splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return static_cast<uint32_t>((z ^ z >> 31) >> 32);
  }
  size_t below(size_t n) { return n ? next() % n : 0; }
  bool one_in(size_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

// Node of a file: its words, of which some are inputs, and the bytes of its tensors.
struct NodePart {
  std::vector<uint32_t> words;
  size_t inputs_begin, inputs_end;
  Bytes tensors;
};

// Parts of a packed file of version 3, which can be changed and put together again.
struct Parts {
  // Throws Error for a file that the reader refuses.
  explicit Parts(const Bytes &file);
  // File with the lengths and the checksum that fit.
  Bytes file() const;

  Bytes fields, texts;
  std::vector<NodePart> nodes;
};

// Damaged file: mostly a word, a node, a tensor or a field, and mostly with lengths and a checksum that fit.
Bytes damaged(const Parts &whole, Random &random);

// Gives a file tensors of the length that its nodes take, if `message` of the reader says that it has others.
bool fit(Bytes &file, const std::string &message, Random &random);

void mend_checksum(Bytes &file);

}  // namespace bimlp::fuzz
