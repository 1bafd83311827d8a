// decode_picture PICTURE: its pixels as the engine's program reads them, as a PNM picture to the standard output.
#include <cstdio>

#include "file/files.h"
#include "tools/decode.h"

int main(int, char **arguments) {
  try {
    const auto picture = bimlp::read_picture(bimlp::read_file(arguments[1], size_t{1} << 30), arguments[1]);
    std::printf("P6 %d %d 255\n", picture.width, picture.height);
    return std::fwrite(picture.pixels.data(), 1, picture.pixels.size(), stdout) != picture.pixels.size();
  } catch (const std::exception &error) {
    std::fputs(error.what(), stderr);
    return 2;
  }
}
