#include "decode.h"

#include "../error.h"

namespace bimlp {
namespace {

constexpr int kMaxSide = 65535;

bool begins(const std::vector<uint8_t> &bytes, const std::string &with) {
  return bytes.size() >= with.size() &&
         std::equal(with.begin(), with.end(), reinterpret_cast<const char *>(bytes.data()));
}

bool is_jpeg(const std::vector<uint8_t> &bytes) { return begins(bytes, "\xff\xd8\xff"); }
bool is_png(const std::vector<uint8_t> &bytes) { return begins(bytes, "\x89PNG\r\n\x1a\n"); }

}  // namespace

bool is_picture(const std::vector<uint8_t> &bytes) { return is_pnm(bytes) || is_jpeg(bytes) || is_png(bytes); }

Picture read_picture(const std::vector<uint8_t> &bytes, const std::string &name) {
  if (is_jpeg(bytes)) return read_jpeg(bytes, name);
  if (is_png(bytes)) return read_png(bytes, name);
  return read_pnm(bytes, name);
}

void check_sides(int64_t width, int64_t height, const std::string &name) {
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels) {
    throw Error(name + ": expected sides of at most " + std::to_string(kMaxSide) + " and at most " +
                std::to_string(kMaxPixels) + " pixels, got " + std::to_string(width) + "x" + std::to_string(height));
  }
}

}  // namespace bimlp
