#include "packed.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "crc32.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed files are read where they lie, in little-endian order"
#endif

namespace bimlp {
namespace {

constexpr uint8_t kMagic[8] = {0x89, 'B', 'i', 'M', 'L', 'P', '\r', '\n'};
constexpr uint32_t kVersion = 1, kMaxStages = 8, kMaxWidth = 16384, kMaxDepth = 1000, kMaxClasses = 1000000;
constexpr uint32_t kMaxImage = 2048, kMaxKernel = 64, kMaxBranches = 64, kMaxName = 64;
constexpr uint64_t kMaxNumbers = 1 << 26;  // limit of a stage's maps, and of all rows of local FCs: 256 MiB each
constexpr double kMaxColour = 1000, kMinStd = 0.001;
constexpr size_t kFixed = 192, kAlignment = 16, kChecksum = 4;
constexpr uint32_t kTaps = 7, kRatio = 4;

std::string text(uint64_t v) { return std::to_string(v); }

[[noreturn]] void fail(const std::string &message) { throw Error("packed file: " + message); }

void expect(bool good, const char *name, const std::string &wanted, uint64_t got) {
  if (!good) fail(std::string(name) + ": expected " + wanted + ", got " + text(got));
}

// Walk through the tensors in the file's order, which gives them, or only counts their bytes.
class Walker {
 public:
  Walker(const uint8_t *data, size_t at, size_t end) : data_(data), at_(at), end_(end) {}

  Floats floats(uint64_t count) {
    const auto *from = static_cast<const float *>(take(count * sizeof(float)));
    if (from) {
      for (uint64_t i = 0; i < count; ++i) {
        if (!std::isfinite(from[i]))
          fail("expected finite numbers, got one that is not, at byte " + text(at_ - (count - i) * 4));
      }
    }
    return {from, static_cast<size_t>(count)};
  }

  Bits bits(uint32_t rows, uint32_t columns) {
    const uint32_t words = (columns + 31) / 32;
    const auto *from = static_cast<const uint32_t *>(take(uint64_t{rows} * words * sizeof(uint32_t)));
    if (from && columns % 32) {
      for (uint32_t r = 0; r < rows; ++r) {
        if (from[size_t{r} * words + words - 1] >> columns % 32)
          fail("expected zeros behind the last bit of a row, got ones");
      }
    }
    return {from, rows, columns, words};
  }

  uint64_t at() const { return at_; }

 private:
  // Null while only counting.
  const void *take(uint64_t bytes) {
    const uint64_t from = at_;
    at_ += bytes;
    if (!data_) return nullptr;
    if (at_ > end_) fail("expected more bytes");  // unreachable: the size was compared before
    return data_ + from;
  }

  const uint8_t *data_;
  uint64_t at_, end_;
};

PackedNorm norm(Walker &w, uint32_t channels) { return {w.floats(channels), w.floats(channels)}; }

PackedBinary binary(Walker &w, uint32_t in, uint32_t out, uint32_t rows, uint32_t columns) {
  PackedBinary layer;
  layer.shift = w.floats(in);
  layer.weight = w.bits(rows, columns);
  layer.factor = w.floats(out);
  layer.offset = w.floats(out);
  layer.slope = w.floats(out);
  layer.shift_out = w.floats(out);
  return layer;
}

PackedBinary channel_fc(Walker &w, uint32_t in, uint32_t out) { return binary(w, in, out, out, in); }

PackedBinary spatial_fc(Walker &w, uint32_t groups, uint32_t out) {
  return binary(w, groups * out, out, groups * kTaps, out);
}

PackedMLP channel_mlp(Walker &w, uint32_t in, uint32_t hidden, uint32_t out) {
  PackedMLP mlp;
  mlp.first = channel_fc(w, in, hidden);
  mlp.second = channel_fc(w, hidden, out);
  return mlp;
}

PackedFull full(Walker &w, uint32_t in, uint32_t out) {
  PackedFull layer;
  layer.weight = w.floats(uint64_t{in} * out);
  layer.factor = w.floats(out);
  layer.offset = w.floats(out);
  layer.slope = w.floats(out);
  layer.shift_out = w.floats(out);
  return layer;
}

PackedBlock block(Walker &w, uint32_t c, const std::array<uint32_t, 4> &branches) {
  PackedBlock b;
  b.norm1 = norm(w, c);
  for (uint32_t i = 0; i < branches[0]; ++i) {
    PackedSpatialMLP mlp;
    mlp.phase = channel_fc(w, c, c);
    mlp.amplitude = channel_fc(w, c, c);
    mlp.mix = spatial_fc(w, 2, c);
    b.spatial1.push_back(mlp);
  }
  for (uint32_t i = 0; i < branches[1]; ++i) b.channel1.push_back(channel_fc(w, c, c));
  b.reweight = channel_mlp(w, c, c / kRatio, (branches[0] + branches[1]) * c);
  b.projection = channel_fc(w, c, c);
  b.norm2 = norm(w, c);
  for (uint32_t i = 0; i < branches[2]; ++i) b.spatial2.push_back(spatial_fc(w, 1, c));
  for (uint32_t i = 0; i < branches[3]; ++i) b.channel2.push_back(channel_mlp(w, c, kRatio * c, c));
  b.merge = w.floats(branches[2] + branches[3] - 1);
  return b;
}

Packed tensors(Walker &w, const Description &d) {
  Packed p;
  p.stem = full(w, 3 * d.stem_kernel * d.stem_kernel, d.widths[0]);
  for (size_t s = 0; s < d.widths.size(); ++s) {
    if (s) p.downsamples.push_back(full(w, d.widths[s - 1], d.widths[s]));
    p.stages.emplace_back();
    for (uint32_t i = 0; i < d.depths[s]; ++i) p.stages.back().push_back(block(w, d.widths[s], d.branches));
  }
  p.norm = norm(w, d.widths.back());
  p.head_weight = w.floats(uint64_t{d.classes} * d.widths.back());
  p.head_bias = w.floats(d.classes);
  return p;
}

uint64_t bytes_of_block(uint32_t width, const std::array<uint32_t, 4> &branches) {
  Walker counter(nullptr, 0, 0);
  block(counter, width, branches);
  return counter.at();
}

// End of the tensors in bytes. Does not allocate by the depth of the network.
uint64_t end_of_tensors(const Description &d, uint64_t begin) {
  Description shallow = d;
  for (auto &depth : shallow.depths) depth = 0;
  Walker counter(nullptr, begin, 0);
  tensors(counter, shallow);
  uint64_t end = counter.at();
  for (size_t s = 0; s < d.widths.size(); ++s) end += d.depths[s] * bytes_of_block(d.widths[s], d.branches);
  return end;
}

// Numbers of the header, one after the other.
class Fields {
 public:
  explicit Fields(const uint8_t *at) : at_(at) {}
  uint32_t u32() { return take<uint32_t>(); }
  uint64_t u64() { return take<uint64_t>(); }
  double f64() { return take<double>(); }

 private:
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  const uint8_t *at_;
};

// Throws Error for a field out of its range.
void check(const Description &d) {
  expect(d.image_size >= 1 && d.image_size <= kMaxImage, "image size", "1 to " + text(kMaxImage) + " pixels",
         d.image_size);
  expect(d.resize >= d.image_size && d.resize <= 2 * kMaxImage, "resize", "at least the image size", d.resize);
  expect(d.stem_kernel >= 1 && d.stem_kernel <= kMaxKernel, "stem kernel", "1 to " + text(kMaxKernel), d.stem_kernel);
  expect(d.stem_stride >= 1 && d.stem_stride <= kMaxKernel, "stem stride", "1 to " + text(kMaxKernel), d.stem_stride);
  expect(d.stem_padding < d.stem_kernel, "stem padding", "less than the kernel", d.stem_padding);
  expect(d.image_size + 2 * d.stem_padding >= d.stem_kernel, "image size", "at least the stem's kernel", d.image_size);
  for (uint32_t width : d.widths) {
    expect(width >= kRatio && width <= kMaxWidth && width % kRatio == 0, "width",
           "a multiple of 4 up to " + text(kMaxWidth), width);
  }
  for (uint32_t depth : d.depths) expect(depth >= 1 && depth <= kMaxDepth, "depth", "1 to " + text(kMaxDepth), depth);
  for (uint32_t count : d.branches) expect(count <= kMaxBranches, "branches", "at most " + text(kMaxBranches), count);
  expect(d.branches[0] % 2 == 0 && d.branches[2] % 2 == 0, "branches", "even spatial counts",
         d.branches[0] % 2 ? d.branches[0] : d.branches[2]);
  expect(d.branches[0] + d.branches[1] >= 1 && d.branches[2] + d.branches[3] >= 1, "branches", "one or more per block",
         0);
  expect(d.classes >= 1 && d.classes <= kMaxClasses, "classes", "1 to " + text(kMaxClasses), d.classes);
  for (int i = 0; i < 3; ++i) {
    if (!(std::fabs(d.mean[i]) <= kMaxColour)) fail("mean: expected at most 1000 either way");
    if (!(d.std[i] >= kMinStd && d.std[i] <= kMaxColour)) fail("std: expected 0.001 to 1000");
  }
}

// H = W of each stage's maps. Limits the memory that a small file can ask for with large images in its header.
std::vector<uint32_t> sizes_of(const Description &d) {
  std::vector<uint32_t> sizes;
  uint64_t side = (d.image_size + 2 * d.stem_padding - d.stem_kernel) / d.stem_stride + 1, rows = 0;
  for (size_t s = 0; s < d.widths.size(); ++s, side = (side + 1) / 2) {
    const uint64_t row = side * (d.widths[s] + 32),
                   wider = std::max(d.widths[s], d.widths[std::min(s + 1, d.widths.size() - 1)]);
    const uint64_t maps = side * side * (wider + 32) * (std::max(d.branches[0], d.branches[2]) + d.branches[1] + 2);
    expect(maps <= kMaxNumbers, "maps of a stage", "at most " + text(kMaxNumbers) + " numbers", maps);
    rows += d.depths[s] * (2 * d.branches[0] + d.branches[2]) * row;
    sizes.push_back(static_cast<uint32_t>(side));
  }
  expect(rows <= kMaxNumbers, "rows of local FCs", "at most " + text(kMaxNumbers) + " numbers", rows);
  return sizes;
}

// Whether the bytes are UTF-8 without control characters except line feeds.
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
    // overlong, surrogates, beyond the last code
    if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) || (code >= 0xd800 && code < 0xe000) ||
        code > 0x10ffff) {
      return false;
    }
  }
  return true;
}

// Reads the variant's name and the class names.
void read_texts(const uint8_t *from, uint32_t name_bytes, uint32_t names_bytes, Description &d) {
  const uint8_t *names = from + name_bytes, *end = names + names_bytes;
  if (!is_text(from, names) || !is_text(names, end))
    fail("texts: expected UTF-8 without control characters, got other bytes");
  d.variant.assign(from, names);
  expect(d.variant.find('\n') == std::string::npos, "variant's name", "one line", 2);
  // counted before they are stored: a string takes more memory than its line feed in the file
  const auto count = static_cast<uint64_t>(std::count(names, end, '\n'));
  expect(count == 0 || count == d.classes, "class names", "none or " + text(d.classes), count);
  expect(names == end || end[-1] == '\n', "class names", "a line feed behind the last one, code 10",
         names == end ? 0 : end[-1]);
  while (names != end) {
    const uint8_t *next = std::find(names, end, '\n');
    d.class_names.emplace_back(names, next);
    names = next + 1;
  }
}

}  // namespace

Packed read_packed(const uint8_t *data, size_t size) {
  if (size < kFixed + kChecksum) fail("expected at least " + text(kFixed + kChecksum) + " bytes, got " + text(size));
  expect(size <= kMaxBytes, "size", "at most " + text(kMaxBytes) + " bytes", size);
  if (std::memcmp(data, kMagic, sizeof kMagic) != 0) fail("expected the signature of a packed BiMLP, got other bytes");
  Fields f(data + sizeof kMagic);
  const uint32_t version = f.u32(), header = f.u32();
  expect(version == kVersion, "version", text(kVersion), version);
  const uint64_t bytes = f.u64();
  expect(bytes == size, "size", text(bytes) + " bytes, as its header says", size);
  Description d;
  d.image_size = f.u32();
  d.resize = f.u32();
  d.stem_kernel = f.u32();
  d.stem_stride = f.u32();
  d.stem_padding = f.u32();
  d.classes = f.u32();
  for (auto &v : d.mean) v = f.f64();
  for (auto &v : d.std) v = f.f64();
  for (auto &v : d.branches) v = f.u32();
  const uint32_t stages = f.u32(), name_bytes = f.u32(), names_bytes = f.u32(), reserved = f.u32();
  expect(stages >= 1 && stages <= kMaxStages, "stages", "1 to " + text(kMaxStages), stages);
  expect(reserved == 0, "reserved field", "0", reserved);
  std::array<uint32_t, kMaxStages> widths, depths;
  for (auto &v : widths) v = f.u32();
  for (auto &v : depths) v = f.u32();
  for (uint32_t s = stages; s < kMaxStages; ++s)
    expect(!widths[s] && !depths[s], "unused stage", "zeros", widths[s] | depths[s]);
  d.widths.assign(widths.begin(), widths.begin() + stages);
  d.depths.assign(depths.begin(), depths.begin() + stages);
  check(d);
  expect(name_bytes <= kMaxName, "variant's name", "at most " + text(kMaxName) + " bytes", name_bytes);
  const uint64_t texts = kFixed + uint64_t{name_bytes} + names_bytes;
  expect(header == (texts + kAlignment - 1) / kAlignment * kAlignment && header <= size, "header",
         "what its texts take", header);
  d.sizes = sizes_of(d);
  const uint64_t end = end_of_tensors(d, header);
  expect(end + kChecksum == size, "size", text(end + kChecksum) + " bytes, as its description says", size);
  uint32_t checksum;
  std::memcpy(&checksum, data + end, sizeof checksum);
  if (crc32(data, end) != checksum) fail("its checksum does not match: the file is damaged");

  read_texts(data + kFixed, name_bytes, names_bytes, d);
  for (uint64_t i = texts; i < header; ++i) expect(data[i] == 0, "filling", "zeros", data[i]);

  Walker walker(data, header, end);
  Packed packed = tensors(walker, d);
  packed.description = std::move(d);
  return packed;
}

}  // namespace bimlp
