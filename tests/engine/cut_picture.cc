// cut_picture PICTURE SIZE SHORTER: the middle of a PNM picture as the engine cuts it, to the standard output.
#include <cstdio>
#include <cstdlib>

#include "file/files.h"
#include "tools/picture.h"

int main(int, char **arguments) {
  const auto picture = bimlp::read_pnm(bimlp::read_file(arguments[1], size_t{1} << 30), arguments[1]);
  const auto pixels = bimlp::centre(picture, std::atoi(arguments[2]), std::atoi(arguments[3]));
  return std::fwrite(pixels.data(), 1, pixels.size(), stdout) != pixels.size();
}
