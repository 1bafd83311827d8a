// Whole files.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bimlp {

// Throws Error, naming the file.
std::vector<uint8_t> read_file(const std::string &path);

}  // namespace bimlp
