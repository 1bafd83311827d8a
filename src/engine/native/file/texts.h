// Texts of a packed file.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bimlp {

// Whether the bytes are UTF-8 without control characters except line feeds.
bool is_text(const uint8_t *at, const uint8_t *end);

// Text of one line. Throws Error for other bytes.
std::string read_line(const uint8_t *at, const uint8_t *end);

// Lines, each with a line feed behind it: none, or `count` of them. Throws Error for others.
std::vector<std::string> read_lines(const uint8_t *at, const uint8_t *end, uint64_t count);

}  // namespace bimlp
