// Fuzzer of the engine: damages packed files, then opens and runs them. Each must end in success or a named error.
//
//   fuzz_packed COUNT SEED file.packed...    see scripts/run_fuzz.sh
//
// -DBIMLP_LIBFUZZER makes a target for libFuzzer instead: clang++ -fsanitize=fuzzer,address,undefined.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../native/bimlp.h"
#include "../native/crc32.h"
#include "../native/engine.h"
#include "../native/files.h"

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kFields = 192, kChecksum = 4, kHeaderAt = 12, kSizeAt = 16, kMaxFile = 1 << 20;
// Limit of a forward pass, in operations: a damaged header can make a small network take minutes.
constexpr uint64_t kMaxWork = 1 << 22;
constexpr const char *kSets[] = {"scalar", "avx2", "avx512"};

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint32_t next() {  // upper bits of splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return static_cast<uint32_t>((z ^ z >> 31) >> 32);
  }
  size_t below(size_t n) { return n ? next() % n : 0; }
  bool one_in(size_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

uint64_t work_of(const bimlp::Description &d) {
  uint64_t work = uint64_t{d.image_size} * d.image_size * d.stem_kernel * d.stem_kernel;
  for (size_t s = 0; s < d.widths.size(); ++s) {
    uint64_t branches = 2;
    for (const uint32_t count : d.branches) branches += count;
    work += uint64_t{d.sizes[s]} * d.sizes[s] * d.depths[s] * (d.widths[s] + 32) * branches;
  }
  return work;
}

// Message of an error, or "" for success.
std::string run(const Bytes &file, const char *set, uint64_t seed) {
  setenv("BIMLP_INSTRUCTION_SET", set, 1);
  bimlp_engine *opened = nullptr;
  {
    // on the heap with the exact length, and freed before the network runs
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[file.size()]);
    std::copy(file.begin(), file.end(), exact.get());
    if (bimlp_open_bytes(exact.get(), file.size(), 1 + static_cast<int>(seed % 2), &opened)) return bimlp_last_error();
  }
  const std::unique_ptr<bimlp_engine, void (*)(bimlp_engine *)> engine(opened, bimlp_close);
  if (bimlp_describe(opened)[0] != '{') return "";
  const bimlp::Description &d = engine->description();
  if (work_of(d) > kMaxWork) return "";
  Random random(seed);
  const int count = 1 + static_cast<int>(seed % 3);
  const size_t numbers = size_t{3} * d.image_size * d.image_size * count;
  Bytes pixels(numbers);
  std::vector<float> image(numbers), logits(size_t{d.classes} * count);
  for (auto &v : pixels) v = static_cast<uint8_t>(random.next());
  for (auto &v : image) v = static_cast<float>(random.below(4001)) / 1000 - 2;
  if (bimlp_run_pixels(opened, pixels.data(), count, logits.data())) return bimlp_last_error();
  if (bimlp_run_numbers(opened, image.data(), count, logits.data())) return bimlp_last_error();
  return "";
}

#ifndef BIMLP_LIBFUZZER

void put(Bytes &file, size_t at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes && at + i < file.size(); ++i) file[at + i] = static_cast<uint8_t>(value >> 8 * i);
}

uint32_t interesting(Random &random) {
  constexpr uint32_t values[] = {
      0,    1,    2,    3,     4,          5,          6,          7,          8,          12,
      16,   20,   31,   32,    33,         64,         65,         127,        128,        255,
      1000, 2048, 4096, 16384, 0x7f800000, 0x7fc00000, 0x7f7fffff, 0xff7fffff, 0x7fffffff, 0x80000000,
      10,   36,   48,   96,    1000000,    0x00800000, 0xfffffff0, 0xfffffffc, 0xfffffffe, 0xffffffff};
  return random.one_in(8) ? random.next() : values[random.below(std::size(values))];
}

// Changes one field of the header, 4 bytes.
void change_field(Bytes &file, Random &random) {
  const size_t at = 8 + 4 * random.below((kFields - 8) / 4);
  uint32_t value;
  std::memcpy(&value, file.data() + at, sizeof value);
  switch (random.below(4)) {
    case 0: value += 1; break;
    case 1: value -= 1; break;
    case 2: value = value * 2 + static_cast<uint32_t>(random.below(2)); break;
    default: value = interesting(random);
  }
  put(file, at, value, sizeof value);
}

void damage(Bytes &file, Random &random) {
  if (file.size() < kFields + kChecksum) return;
  const size_t at = random.below(file.size());
  switch (random.below(10)) {
    case 0: file[at] ^= static_cast<uint8_t>(1 << random.below(8)); break;
    case 1: file[at] = static_cast<uint8_t>(random.next()); break;
    case 2: file.resize(random.one_in(2) ? at : file.size() - random.below(64)); break;
    case 3:
      file.insert(file.begin() + at, 1 + random.below(64), static_cast<uint8_t>(random.one_in(2) ? 0 : random.next()));
      break;
    case 4: put(file, at / 4 * 4, interesting(random), 4); break;
    case 5: {  // swaps two chunks
      const size_t length = 1 + random.below(64), other = random.below(file.size());
      for (size_t i = 0; i < length && std::max(at, other) + i < file.size(); ++i)
        std::swap(file[at + i], file[other + i]);
      break;
    }
    case 6:  // huge, finite
      put(file, kFields + random.below(file.size() - kFields) / 4 * 4, 0x7f000000 | random.next() >> 9, 4);
      break;
    case 7: put(file, kFields + random.below(128), interesting(random), 1); break;  // texts
    default: change_field(file, random);
  }
}

// Damaged file. Half of the files get a right checksum, half of those a right length.
Bytes damaged(const Bytes &seed, Random &random) {
  Bytes file = seed;
  for (size_t i = 0, times = 1 + random.below(3); i < times; ++i) damage(file, random);
  if (file.size() < kFields + kChecksum || random.one_in(2)) return file;
  if (random.one_in(2)) put(file, kSizeAt, file.size(), 8);
  const size_t end = file.size() - kChecksum;
  put(file, end, bimlp::crc32(file.data(), end), kChecksum);
  return file;
}

// File with the length that its description needs, as `message` says, and tensors of zeros; or empty.
Bytes fitted(const Bytes &file, const std::string &message) {
  const std::string before = "packed file: size: expected ";
  if (message.rfind(before, 0) != 0 || message.find("as its description says") == std::string::npos) return {};
  const uint64_t wanted = std::strtoull(message.c_str() + before.size(), nullptr, 10);
  uint32_t header;
  std::memcpy(&header, file.data() + kHeaderAt, sizeof header);
  if (wanted > kMaxFile || header > file.size()) return {};
  Bytes out(file.begin(), file.begin() + header);
  out.resize(wanted);
  put(out, kSizeAt, wanted, 8);
  put(out, wanted - kChecksum, bimlp::crc32(out.data(), wanted - kChecksum), kChecksum);
  return out;
}

// Message without its numbers, for counting.
std::string kind(const std::string &message) {
  std::string out;
  for (const char c : message) {
    if (!std::isdigit(static_cast<unsigned char>(c)))
      out += c;
    else if (out.empty() || out.back() != '#')
      out += '#';
  }
  return out;
}

#endif

}  // namespace

#ifdef BIMLP_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Bytes file(data, data + size);
  if (size >= kFields + kChecksum) {  // libFuzzer cannot find right checksums
    const uint32_t checksum = bimlp::crc32(data, size - kChecksum);
    std::memcpy(file.data() + size - kChecksum, &checksum, sizeof checksum);
  }
  run(file, "", size);
  return 0;
}

#else

int main(int count, char **arguments) {
  if (count < 4) {
    std::fputs("usage: fuzz_packed COUNT SEED file.packed...\n", stderr);
    return 2;
  }
  const int mutations = std::atoi(arguments[1]);
  const uint64_t seed = std::strtoull(arguments[2], nullptr, 10);
  std::vector<Bytes> files;
  std::vector<const char *> sets;
  try {
    for (int i = 3; i < count; ++i) files.push_back(bimlp::read_file(arguments[i], bimlp::kMaxBytes));
    for (const char *set : kSets) {
      if (bimlp::kernels_named(set)) sets.push_back(set);
    }
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  for (size_t f = 0; f < files.size(); ++f) {
    for (const char *set : sets) {
      for (uint64_t n = 0; n < 6; ++n) {
        const std::string message = run(files[f], set, n);
        if (message.empty()) continue;
        std::printf("FAULT: %s as it is, %s: %s\n", arguments[3 + f], set, message.c_str());
        return 1;
      }
    }
  }
  std::map<std::string, int> counts;
  Random random(seed);
  int others = 0;
  for (int i = 0; i < mutations; ++i) {
    const char *set = sets[i / files.size() % sets.size()];
    const Bytes file = damaged(files[i % files.size()], random);
    std::string message = run(file, set, static_cast<uint64_t>(i) / 7);
    if (const Bytes other = fitted(file, message); !other.empty()) {
      message = run(other, set, static_cast<uint64_t>(i) / 7);
      others += message.empty();
    }
    ++counts[message.empty() ? "success" : kind(message)];
    // errors of the reader or of the run
    if (message.empty() || message.rfind("packed file: ", 0) == 0 || message.rfind("image ", 0) == 0) continue;
    std::printf("FAULT: mutation %d of seed %llu: %s\n", i, static_cast<unsigned long long>(seed), message.c_str());
    return 1;
  }
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto &[message, n] : counts) sorted.emplace_back(n, message);
  std::sort(sorted.rbegin(), sorted.rend());
  for (const auto &[n, message] : sorted) std::printf("%7d  %s\n", n, message.c_str());
  std::printf("%d of the successes are networks of another shape than the seeds'\n", others);
  std::printf("%d damaged files, instruction sets:", mutations);
  for (const char *set : sets) std::printf(" %s", set);
  std::printf(": no fault\n");
  return 0;
}

#endif
