// Whole files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bimlp {

// Throws Error, naming the file, also for what is no regular file and for more than `max_bytes` bytes.
std::vector<uint8_t> read_file(const std::string &path, size_t max_bytes);

}  // namespace bimlp
