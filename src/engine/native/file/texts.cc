#include "texts.h"

#include <algorithm>

#include "../error.h"

namespace bimlp {

bool is_text(const uint8_t *at, const uint8_t *end) {
  while (at < end) {
    const uint32_t first = *at++;
    if (first < 0x80) {
      if ((first < 0x20 && first != '\n') || first == 0x7f) return false;
      continue;
    }
    const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || end - at < more) return false;
    uint32_t code = first & (0x3f >> more);
    for (int i = 0; i < more; ++i) {
      if ((*at & 0xc0) != 0x80) return false;
      code = code << 6 | (*at++ & 0x3f);
    }
    const bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    if (overlong || surrogate || code > 0x10ffff) return false;
  }
  return true;
}

std::string read_line(const uint8_t *at, const uint8_t *end) {
  if (!is_text(at, end) || std::find(at, end, '\n') != end)
    throw Error("texts: expected UTF-8 without control characters, got other bytes");
  return std::string(at, end);
}

std::vector<std::string> read_lines(const uint8_t *at, const uint8_t *end, uint64_t count) {
  if (!is_text(at, end)) throw Error("texts: expected UTF-8 without control characters, got other bytes");
  // counted before they are stored: a string takes more memory than its line feed in the file
  const auto found = static_cast<uint64_t>(std::count(at, end, '\n'));
  expect(found == 0 || found == count, "class names", "none or " + std::to_string(count), found);
  if (at != end && end[-1] != '\n') throw Error("class names: expected a line feed behind the last one");
  std::vector<std::string> lines;
  while (at != end) {
    const uint8_t *next = std::find(at, end, '\n');
    lines.emplace_back(at, next);
    at = next + 1;
  }
  return lines;
}

}  // namespace bimlp
