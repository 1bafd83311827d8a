// Reader of packed files, which checks them as FORMAT.md says. Its memory grows with the file alone.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace bimlp {

constexpr size_t kMaxBytes = size_t{1} << 31;  // of a packed file

// Error with a message of one line.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Description {
  std::string variant;
  uint32_t image_size, resize;  // pixels: H = W of the input; shorter side of a picture before the centre crop
  uint32_t stem_kernel, stem_stride, stem_padding;
  std::vector<uint32_t> widths, depths;  // per stage
  std::array<uint32_t, 4> branches;      // S1, C1, S2, C2
  uint32_t classes;
  std::vector<std::string> class_names;  // none, or one per class
  std::array<double, 3> mean, std;       // of pixels in [0, 1]
  std::vector<uint32_t> sizes;           // H = W of each stage's maps, derived from the other fields
};

// Views of numbers and bits in the file.
struct Floats {
  const float *data;
  size_t size;
};
struct Bits {
  const uint32_t *data;  // rows x words
  uint32_t rows, columns, words;
};

struct PackedBinary {  // Channel or Spatial Binary FC
  Floats shift;        // RSign, per input
  Bits weight;         // out x in; of a local FC (input of the group, tap) x out
  Floats factor, offset, slope, shift_out;
};
struct PackedFull {
  Floats weight;  // out x inputs
  Floats factor, offset, slope, shift_out;
};
struct PackedNorm {
  Floats factor, offset;
};
struct PackedSpatialMLP {
  PackedBinary phase, amplitude, mix;
};
struct PackedMLP {
  PackedBinary first, second;
};
struct PackedBlock {
  PackedNorm norm1;
  std::vector<PackedSpatialMLP> spatial1;
  std::vector<PackedBinary> channel1;
  PackedMLP reweight;
  PackedBinary projection;
  PackedNorm norm2;
  std::vector<PackedBinary> spatial2;
  std::vector<PackedMLP> channel2;
  Floats merge;
};
struct Packed {
  Description description;
  PackedFull stem;
  std::vector<std::vector<PackedBlock>> stages;
  std::vector<PackedFull> downsamples;
  PackedNorm norm;
  Floats head_weight, head_bias;
};

// Network in `size` bytes at `data`, 4-byte aligned. The result points into them. Throws Error.
Packed read_packed(const uint8_t *data, size_t size);

}  // namespace bimlp
