#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "../error.h"

namespace bimlp {
namespace {

struct Closer {
  void operator()(std::FILE *file) const { std::fclose(file); }
};

[[noreturn]] void fail(const std::string &path) {
  throw Error(path + ": expected a file, got: " + std::strerror(errno));
}

// Throws Error unless the path is a regular file: reading a pipe or a device may never end. The check precedes the
// opening, which can act on a device, and follows it, for the file may have changed.
void require_regular(const struct stat &status, const std::string &path) {
  if (S_ISREG(status.st_mode)) return;
  throw Error(path + ": expected a file, got: " + (S_ISDIR(status.st_mode) ? "Is a directory" : "Not a regular file"));
}

std::unique_ptr<std::FILE, Closer> open_regular(const std::string &path) {
  struct stat status;
  if (::stat(path.c_str(), &status)) fail(path);
  require_regular(status, path);
  const int handle = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (handle < 0) fail(path);
  std::unique_ptr<std::FILE, Closer> file(::fdopen(handle, "rb"));
  if (!file) {
    ::close(handle);
    fail(path);
  }
  if (::fstat(handle, &status)) fail(path);
  require_regular(status, path);
  return file;
}

}  // namespace

std::vector<uint8_t> read_file(const std::string &path, size_t max_bytes) {
  const auto file = open_regular(path);
  std::vector<uint8_t> bytes;
  uint8_t chunk[1 << 16];
  while (const size_t n = std::fread(chunk, 1, sizeof chunk, file.get())) {
    if (n > max_bytes - bytes.size())
      throw Error(path + ": expected at most " + std::to_string(max_bytes) + " bytes, got more");
    bytes.insert(bytes.end(), chunk, chunk + n);
  }
  if (std::ferror(file.get())) fail(path);
  return bytes;
}

}  // namespace bimlp
