// Pictures from files, and cut as the network was trained on them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bimlp {

struct Picture {
  int width, height;
  std::vector<uint8_t> pixels;  // height x width x 3
};

// Whether it begins like a picture that read_pnm reads.
bool is_pnm(const std::vector<uint8_t> &bytes);

// A binary PNM picture: P6 (colour) or P5 (grey) with sides up to 65,536 and values up to 255. Throws Error, naming the file.
Picture read_pnm(const std::vector<uint8_t> &bytes, const std::string &name);

// The middle size x size of the picture whose shorter side is resized to `shorter`: bicubic with antialiasing in 8 bits,
// columns before rows, to the bit what Pillow's resize gives.
std::vector<uint8_t> centre(const Picture &picture, int size, int shorter);

}  // namespace bimlp
