#include "picture.h"

#include <algorithm>
#include <cmath>

#include "../error.h"
#include "../file/text.h"

namespace bimlp {
namespace {

constexpr int kColours = 3;
constexpr int kMaxSide = 65536;
constexpr int kBits = 22;       // fractional bits of the filter's weights
constexpr double kReach = 2.0;  // radius of the bicubic filter, in pixels of the coarser picture

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// Pixels and weights of the sum that gives one pixel of a resized line.
struct Window {
  int first;
  std::vector<int> weights;
};

// Windows of pixels [begin, begin + count) of a line that is resized from `from` pixels to `to`.
std::vector<Window> windows(int from, int to, int begin, int count) {
  const double scale = static_cast<double>(from) / to, filter = std::max(scale, 1.0), reach = kReach * filter;
  std::vector<Window> result;
  for (int i = begin; i < begin + count; ++i) {
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

// Weighted sum of a window's pixels, which are `step` bytes apart, into three bytes.
void filter(const Window &window, const uint8_t *from, size_t step, uint8_t *to) {
  int64_t sum[kColours] = {1 << (kBits - 1), 1 << (kBits - 1), 1 << (kBits - 1)};
  from += window.first * step;
  for (const int64_t weight : window.weights) {
    for (int c = 0; c < kColours; ++c) sum[c] += from[c] * weight;
    from += step;
  }
  for (int c = 0; c < kColours; ++c)
    to[c] = static_cast<uint8_t>(std::min<int64_t>(255, std::max<int64_t>(0, sum[c] >> kBits)));
}

// Length of a side after the shorter one is resized to `target`, in single precision as in the training pipeline.
int resized(int side, int shortest, int target) {
  if (side == shortest) return target;
  return static_cast<int>(static_cast<float>(side) / static_cast<float>(shortest) * static_cast<float>(target));
}

// Header of a PNM file.
class Header {
 public:
  Header(const std::vector<uint8_t> &bytes, const std::string &name) : bytes_(bytes), name_(name) {}

  // Next integer, behind spaces and comments.
  int number() {
    const size_t before = at_;
    while (at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#')
        at_ = std::find(bytes_.begin() + at_, bytes_.end(), '\n') - bytes_.begin();
      else
        ++at_;
    }
    int value = 0;
    const size_t begin = at_;
    // limited, against overflow
    for (; at_ < bytes_.size() && is_digit(bytes_[at_]); ++at_)
      value = std::min(10 * value + bytes_[at_] - '0', kMaxSide + 1);
    if (at_ == begin || begin == before) throw Error(name_ + ": expected a whole PNM header");
    return value;
  }

  // Index of the first pixel, one space behind the last number.
  size_t end() const {
    if (at_ == bytes_.size() || !is_space(bytes_[at_])) throw Error(name_ + ": expected a whole PNM header");
    return at_ + 1;
  }

 private:
  const std::vector<uint8_t> &bytes_;
  const std::string &name_;
  size_t at_ = 2;
};

}  // namespace

bool is_pnm(const std::vector<uint8_t> &bytes) {
  return bytes.size() > 3 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6') && is_space(bytes[2]) &&
         (is_space(bytes[3]) || is_digit(bytes[3]) || bytes[3] == '#');
}

Picture read_pnm(const std::vector<uint8_t> &bytes, const std::string &name) {
  if (!is_pnm(bytes)) throw Error(name + ": expected a binary PNM picture (P5 or P6)");
  Header header(bytes, name);
  Picture picture = {header.number(), header.number(), {}};
  if (picture.width < 1 || picture.height < 1 || picture.width > kMaxSide || picture.height > kMaxSide) {
    throw Error(name + ": expected sides of 1 to " + std::to_string(kMaxSide) + " pixels");
  }
  const int max_value = header.number();
  if (max_value < 1 || max_value > 255)
    throw Error(name + ": expected values up to 255, got up to " + std::to_string(max_value));
  const size_t begin = header.end();
  const uint64_t pixels = uint64_t(picture.width) * picture.height, bytes_per_pixel = bytes[1] == '6' ? kColours : 1;
  const uint64_t end = begin + pixels * bytes_per_pixel;  // may be more than a 32-bit machine can address
  if (bytes.size() < end)
    throw Error(name + ": expected " + std::to_string(end) + " bytes, got " + std::to_string(bytes.size()));
  uint8_t values[256];
  for (int v = 0; v < 256; ++v)
    values[v] = static_cast<uint8_t>(std::nearbyint(std::min(v, max_value) / static_cast<double>(max_value) * 255));
  picture.pixels.resize(pixels * kColours);
  for (size_t i = 0; i < picture.pixels.size(); ++i) {
    picture.pixels[i] = values[bytes[begin + (bytes_per_pixel == 1 ? i / kColours : i)]];
  }
  return picture;
}

std::vector<uint8_t> centre(const Picture &picture, int size, int shorter) {
  const int shortest = std::min(picture.width, picture.height);
  const int width = resized(picture.width, shortest, shorter), height = resized(picture.height, shortest, shorter);
  const auto columns = windows(picture.width, width, (width - size) / 2, size);
  const auto rows = windows(picture.height, height, (height - size) / 2, size);
  // columns first, only of the rows that are needed, then rows
  const int top = rows.front().first, bottom = rows.back().first + static_cast<int>(rows.back().weights.size());
  const size_t line = size_t(picture.width) * kColours, narrow = size_t(size) * kColours;
  std::vector<uint8_t> between(narrow * (bottom - top)), out(narrow * size);
  for (int y = top; y < bottom; ++y) {
    for (int x = 0; x < size; ++x) {
      filter(columns[x], picture.pixels.data() + y * line, kColours,
             between.data() + (y - top) * narrow + kColours * x);
    }
  }
  for (int y = 0; y < size; ++y) {
    const Window window = {rows[y].first - top, rows[y].weights};
    for (int x = 0; x < size; ++x)
      filter(window, between.data() + kColours * x, narrow, out.data() + y * narrow + kColours * x);
  }
  return out;
}

}  // namespace bimlp
