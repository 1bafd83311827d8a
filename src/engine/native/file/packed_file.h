// Reader of packed files of version 3, which checks them as FORMAT.md says. Its memory grows with the file alone.
#pragma once
#include <array>

#include "../error.h"
#include "../graph/graph.h"

namespace bimlp {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 31;

struct Header {
  std::string variant;
  uint32_t image_size, resize;           // pixels: H = W of the input; shorter side of a picture before the centre crop
  std::array<double, 3> mean, std;       // of pixels in [0, 1]
  std::vector<std::string> class_names;  // none, or one per class
};

struct PackedFile {
  Header header;
  Graph graph;
};

// Network in `size` bytes at `data`, 4-byte aligned. The result points into them. Throws Error.
PackedFile read_packed_file(const uint8_t *data, size_t size);

}  // namespace bimlp
