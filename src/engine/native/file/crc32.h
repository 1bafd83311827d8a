// CRC-32 as in zip, PNG and Python's zlib.crc32.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bimlp {

// Checksum of `size` bytes.
uint32_t crc32(const uint8_t *data, size_t size);

}  // namespace bimlp
