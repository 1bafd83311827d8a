#include "picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "packed.h"

namespace bimlp {
namespace {

constexpr int kColours = 3;
constexpr int kMaxSide = 65536;
constexpr int kBits = 22;         // of the filter's weights behind the point
constexpr double kReach = 2.0;    // of the bicubic filter, in pixels of the coarser picture

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// What one pixel of a resized line is made of.
struct Window {
  int first;
  std::vector<int> weights;
};

std::vector<Window> windows(int from, int to) {
  const double scale = static_cast<double>(from) / to, filter = std::max(scale, 1.0), reach = kReach * filter;
  std::vector<Window> result;
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - reach + 0.5));
    const int last = std::min(from, static_cast<int>(centre + reach + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int x = first; x < last; ++x) {
      weights.push_back(bicubic((x - centre + 0.5) * (1.0 / filter)));
      sum += weights.back();
    }
    Window window = {first, {}};
    for (double w : weights) {
      const double scaled = (sum != 0 ? w / sum : w) * (1 << kBits);
      window.weights.push_back(static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
    result.push_back(std::move(window));
  }
  return result;
}

// `lines` lines of pixels, `step` bytes between pixels and `line_step` between lines, each made of a window's pixels
uint8_t filtered(const Window &window, const uint8_t *from, size_t step) {
  int64_t sum = 1 << (kBits - 1);
  for (size_t k = 0; k < window.weights.size(); ++k) sum += int64_t{from[(window.first + k) * step]} * window.weights[k];
  return static_cast<uint8_t>(std::min<int64_t>(255, std::max<int64_t>(0, sum >> kBits)));
}

// columns [left, left + count) of the picture resized to `width` columns
Picture resized_columns(const Picture &p, int width, int left, int count) {
  Picture out = {count, p.height, std::vector<uint8_t>(size_t(count) * p.height * kColours)};
  const auto columns = windows(p.width, width);
  for (int y = 0; y < p.height; ++y) {
    const uint8_t *line = p.pixels.data() + size_t(y) * p.width * kColours;
    uint8_t *to = out.pixels.data() + size_t(y) * count * kColours;
    for (int x = 0; x < count; ++x) {
      for (int c = 0; c < kColours; ++c) *to++ = filtered(columns[left + x], line + c, kColours);
    }
  }
  return out;
}

// rows [top, top + count) of the picture resized to `height` rows
Picture resized_rows(const Picture &p, int height, int top, int count) {
  const size_t line = size_t(p.width) * kColours;
  Picture out = {p.width, count, std::vector<uint8_t>(line * count)};
  const auto rows = windows(p.height, height);
  for (int y = 0; y < count; ++y) {
    for (size_t i = 0; i < line; ++i) out.pixels[y * line + i] = filtered(rows[top + y], p.pixels.data() + i, line);
  }
  return out;
}

// pixels of a side when the shorter one gets `target`; in single precision, as the training pipeline counts
int resized(int side, int shortest, int target) {
  if (side == shortest) return target;
  return static_cast<int>(static_cast<float>(side) / static_cast<float>(shortest) * static_cast<float>(target));
}

class Header {
 public:
  Header(const std::vector<uint8_t> &bytes, const std::string &name) : bytes_(bytes), name_(name) {}

  // the next whole number, behind spaces and comments
  int number() {
    while (at_ < bytes_.size()) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      } else if (!std::isspace(bytes_[at_])) {
        break;
      } else {
        ++at_;
      }
    }
    int value = 0;
    const size_t begin = at_;
    for (; at_ < bytes_.size() && std::isdigit(bytes_[at_]) && value <= kMaxSide; ++at_) value = 10 * value + bytes_[at_] - '0';
    if (at_ == begin) throw Error(name_ + ": expected a whole PNM header");
    return value;
  }

  size_t at_ = 2;

 private:
  const std::vector<uint8_t> &bytes_;
  const std::string &name_;
};

}  // namespace

Picture read_pnm(const std::vector<uint8_t> &bytes, const std::string &name) {
  if (bytes.size() < 2 || bytes[0] != 'P' || (bytes[1] != '5' && bytes[1] != '6')) {
    throw Error(name + ": expected a binary PNM picture (P5 or P6)");
  }
  Header header(bytes, name);
  Picture picture = {header.number(), header.number(), {}};
  const int most = header.number();
  const int colours = bytes[1] == '6' ? kColours : 1;
  if (picture.width < 1 || picture.height < 1 || picture.width > kMaxSide || picture.height > kMaxSide) {
    throw Error(name + ": expected sides of 1 to " + std::to_string(kMaxSide) + " pixels");
  }
  if (most < 1 || most > 255) throw Error(name + ": expected values up to 255, came up to " + std::to_string(most));
  const size_t begin = header.at_ + 1, count = size_t(picture.width) * picture.height * colours;
  if (bytes.size() < begin + count) throw Error(name + ": expected " + std::to_string(begin + count) + " bytes, came " + std::to_string(bytes.size()));
  picture.pixels.resize(size_t(picture.width) * picture.height * kColours);
  for (size_t i = 0; i < picture.pixels.size(); ++i) {
    const int value = bytes[begin + (colours == 1 ? i / kColours : i)];
    picture.pixels[i] = static_cast<uint8_t>(std::min(255, most == 255 ? value : (value * 255 + most / 2) / most));
  }
  return picture;
}

std::vector<uint8_t> centre(const Picture &picture, int size, int shorter) {
  const int shortest = std::min(picture.width, picture.height);
  const int width = resized(picture.width, shortest, shorter), height = resized(picture.height, shortest, shorter);
  const Picture wide = resized_columns(picture, width, (width - size) / 2, size);
  return resized_rows(wide, height, (height - size) / 2, size).pixels;
}

}  // namespace bimlp
