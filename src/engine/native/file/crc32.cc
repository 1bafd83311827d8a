#include "crc32.h"

#include <array>

namespace bimlp {
namespace {

constexpr int kBytes = 8;  // bytes of a step
using Tables = std::array<std::array<uint32_t, 256>, kBytes>;

// Tables of the remainder: tables[k][b] is the effect of byte b after k more bytes.
Tables make_tables() {
  Tables tables;
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t v = b;
    for (int i = 0; i < 8; ++i) v = v & 1 ? v >> 1 ^ 0xedb88320u : v >> 1;
    tables[0][b] = v;
  }
  for (int k = 1; k < kBytes; ++k) {
    for (uint32_t b = 0; b < 256; ++b) tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xff];
  }
  return tables;
}

}  // namespace

uint32_t crc32(const uint8_t *data, size_t size) {
  static const Tables tables = make_tables();
  uint32_t v = ~0u;
  for (; size >= kBytes; data += kBytes, size -= kBytes) {
    uint32_t next = 0;
    for (int i = 0; i < kBytes; ++i) {
      const uint8_t byte = i < 4 ? data[i] ^ (v >> 8 * i & 0xff) : data[i];
      next ^= tables[kBytes - 1 - i][byte];
    }
    v = next;
  }
  for (; size; ++data, --size) v = v >> 8 ^ tables[0][(v ^ *data) & 0xff];
  return ~v;
}

}  // namespace bimlp
