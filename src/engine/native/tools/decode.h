// Decoders of picture files. JPEG and PNG are read by the system's libraries, where the build has found them.
#pragma once
#include "picture.h"

namespace bimlp {

constexpr int64_t kMaxPixels = 89478485;  // of a JPEG or PNG: a quarter GiB

// Whether the bytes begin like a PNM, JPEG or PNG picture.
bool is_picture(const std::vector<uint8_t> &bytes);

// Picture of a file of any of these kinds, the same pixels as those of Python's evaluation (src/data/images.py). Throws
// Error with the name.
Picture read_picture(const std::vector<uint8_t> &bytes, const std::string &name);

// Picture of a file that is known to be a JPEG or a PNG. Throw Error with the name, also for a library that is not
// there.
Picture read_jpeg(const std::vector<uint8_t> &bytes, const std::string &name);
Picture read_png(const std::vector<uint8_t> &bytes, const std::string &name);

// Throws Error for sides of more than 65,535 pixels, or more than kMaxPixels in all.
void check_sides(int64_t width, int64_t height, const std::string &name);

}  // namespace bimlp
