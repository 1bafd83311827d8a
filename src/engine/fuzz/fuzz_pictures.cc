// fuzz_pictures COUNT SEED picture...: reads damaged JPEG, PNG and PNM pictures, which must give pixels or an error
// that names the picture. To be compiled with the sanitizers.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "damage.h"
#include "error.h"
#include "file/crc32.h"
#include "file/files.h"
#include "tools/decode.h"

namespace {

using namespace bimlp::fuzz;

constexpr size_t kPngSignature = 8, kMostBytes = size_t{1} << 20;
const std::string kName = "picture";

// Bytes with some that are changed, left out, repeated or cut off.
Bytes damaged(Bytes file, Random &random) {
  for (size_t n = 1 + random.below(4); n && !file.empty(); --n) {
    const size_t at = random.below(file.size()), count = 1 + random.below(16);
    const auto begin = file.begin() + static_cast<ptrdiff_t>(at);
    const auto end = begin + static_cast<ptrdiff_t>(std::min(count, file.size() - at));
    switch (random.below(6)) {
      case 0: file[at] ^= static_cast<uint8_t>(1u << random.below(8)); break;
      case 1: file[at] = static_cast<uint8_t>(random.next()); break;
      case 2: std::fill(begin, end, static_cast<uint8_t>(random.one_in(2) ? 0 : 255)); break;
      case 3: file.erase(begin, end); break;
      case 4: {
        const Bytes again(begin, end);
        file.insert(begin, again.begin(), again.end());
        break;
      }
      default:
        if (random.one_in(4)) file.resize(at);
    }
  }
  return file;
}

uint32_t big_endian(const Bytes &file, size_t at) {
  return uint32_t{file[at]} << 24 | uint32_t{file[at + 1]} << 16 | uint32_t{file[at + 2]} << 8 | file[at + 3];
}

// Gives the chunks of a PNG checksums that fit, so that what is in them is read.
void mend_checksums(Bytes &file) {
  if (file.empty() || file[0] != 0x89) return;
  for (size_t at = kPngSignature; at + 12 <= file.size();) {
    const size_t length = big_endian(file, at);
    if (length > file.size() - at - 12) return;
    const uint32_t sum = bimlp::crc32(file.data() + at + 4, length + 4);
    for (int i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
    at += length + 12;
  }
}

// Message of an error, or "" for pixels.
std::string read(const Bytes &file) {
  try {
    const bimlp::Picture picture = bimlp::read_picture(file, kName);
    if (picture.pixels.size() != size_t(picture.width) * picture.height * 3) return "pixels of another size";
    if (picture.pixels.size() < kMostBytes) bimlp::centre(picture, 24, 27);
    return "";
  } catch (const bimlp::Error &error) {
    return error.what();
  }
}

// Message without its numbers, for counting.
std::string kind(std::string message) {
  for (char &c : message) c = std::isdigit(static_cast<unsigned char>(c)) ? '#' : c;
  message.erase(std::unique(message.begin(), message.end(), [](char a, char b) { return a == '#' && b == '#'; }),
                message.end());
  return message;
}

int fuzz(const std::vector<Bytes> &files, int mutations, uint64_t seed) {
  std::map<std::string, int> counts;
  Random random(seed);
  for (int i = 0; i < mutations; ++i) {
    Bytes file = damaged(files[i % files.size()], random);
    if (!random.one_in(8)) mend_checksums(file);
    const std::string message = read(file);
    ++counts[message.empty() ? "success" : kind(message)];
    if (message.empty() || message.rfind(kName + ": ", 0) == 0) continue;
    std::printf("FAULT: mutation %d of seed %llu: %s\n", i, static_cast<unsigned long long>(seed), message.c_str());
    return 1;
  }
  for (const auto &[message, n] : counts) std::printf("%7d  %s\n", n, message.c_str());
  std::printf("%d damaged pictures: no fault\n", mutations);
  return 0;
}

}  // namespace

int main(int count, char **arguments) {
  if (count < 4) {
    std::fputs("usage: fuzz_pictures COUNT SEED picture...\n", stderr);
    return 2;
  }
  try {
    std::vector<Bytes> files;
    for (int i = 3; i < count; ++i) {
      files.push_back(bimlp::read_file(arguments[i], kMostBytes));
      if (const std::string message = read(files.back()); !message.empty()) {
        std::printf("FAULT: %s as it is: %s\n", arguments[i], message.c_str());
        return 1;
      }
    }
    return fuzz(files, std::atoi(arguments[1]), std::strtoull(arguments[2], nullptr, 10));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
