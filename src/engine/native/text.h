// Numbers and characters as text, independent of the process's locale.
#pragma once
#include <string>

namespace bimlp {

// Number with 17 significant digits, which reads as the same double.
std::string exact(double value);
// Number with `digits` digits behind the point, padded with spaces to `width` characters.
std::string fixed(double value, int digits, int width);

// ASCII digits and spaces.
constexpr bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
constexpr bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace bimlp
