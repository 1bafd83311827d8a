// Numbers and characters as text, the same whatever the process's locale is.
#pragma once
#include <string>

namespace bimlp {

// With 17 significant digits, so that it reads as the same number.
std::string exact(double value);
// With `digits` digits behind the point, filled with spaces to `width` characters.
std::string fixed(double value, int digits, int width);

// Of ASCII alone.
constexpr bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
constexpr bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace bimlp
