// Reading of files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bimlp {

// Content of a file. Throws Error with the path, also if it is no regular file or longer than `max_bytes`.
std::vector<uint8_t> read_file(const std::string &path, size_t max_bytes);

}  // namespace bimlp
