#include "files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "packed.h"

namespace bimlp {
namespace {

struct Closer {
  void operator()(std::FILE *file) const { std::fclose(file); }
};

[[noreturn]] void fail(const std::string &path) { throw Error(path + ": expected a file, came: " + std::strerror(errno)); }

}  // namespace

std::vector<uint8_t> read_file(const std::string &path, size_t most) {
  std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rb"));
  if (!file) fail(path);
  std::vector<uint8_t> bytes;
  uint8_t chunk[1 << 16];
  while (const size_t n = std::fread(chunk, 1, sizeof chunk, file.get())) {
    if (n > most - bytes.size()) throw Error(path + ": expected at most " + std::to_string(most) + " bytes, came more");
    bytes.insert(bytes.end(), chunk, chunk + n);
  }
  if (std::ferror(file.get())) fail(path);
  return bytes;
}

}  // namespace bimlp
