// Pictures from files, with the resize and crop of the network's evaluation.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bimlp {

struct Picture {
  int width, height;
  std::vector<uint8_t> pixels;  // height x width x 3
};

// Whether the bytes begin like a picture that read_pnm reads.
bool is_pnm(const std::vector<uint8_t> &bytes);

// Binary PNM picture: P6 (colour) or P5 (grey) with sides up to 65,536 and values up to 255. Throws Error with the
// name.
Picture read_pnm(const std::vector<uint8_t> &bytes, const std::string &name);

// Centre crop, size x size, of the picture resized to a shorter side of `shorter`: bicubic with antialiasing in 8 bits,
// columns before rows, the same bits as Pillow's resize.
std::vector<uint8_t> centre(const Picture &picture, int size, int shorter);

}  // namespace bimlp
