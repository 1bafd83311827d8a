// Numbers and characters as text, independent of the process's locale.
#pragma once
#include <string>
#include <type_traits>

namespace bimlp {

// Number with 17 significant digits, which reads as the same double.
std::string exact(double value);
// Numbers as a JSON list.
template <class List>
std::string listed(const List &values) {
  std::string out;
  for (const auto v : values) {
    const auto number = [](auto n) {
      if constexpr (std::is_integral_v<decltype(n)>) return std::to_string(n);
      return exact(n);
    };
    out += (out.empty() ? "" : ", ") + number(v);
  }
  return "[" + out + "]";
}
// Number with `digits` digits behind the point, padded with spaces to `width` characters.
std::string fixed(double value, int digits, int width);

// ASCII digits and spaces.
constexpr bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
constexpr bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace bimlp
