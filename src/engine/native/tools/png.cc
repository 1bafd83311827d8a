// Decoder of PNG by libpng.
#include "../error.h"
#include "decode.h"

#ifdef BIMLP_PNG
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

namespace bimlp {
namespace {

// Decoder whose errors jump to `back`, with a message.
class Decoder {
 public:
  explicit Decoder(const std::vector<uint8_t> &bytes) : bytes_(bytes) {
    file = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, leave, [](png_structp, png_const_charp) {});
    if (file) info = png_create_info_struct(file);
    if (!info) throw std::bad_alloc();
    png_set_read_fn(file, this, read);
  }
  ~Decoder() { png_destroy_read_struct(&file, &info, nullptr); }
  Decoder(const Decoder &) = delete;

  png_structp file = nullptr;
  png_infop info = nullptr;
  std::jmp_buf back;
  char message[200] = "";

 private:
  [[noreturn]] static void leave(png_structp file, png_const_charp message) {
    auto *decoder = static_cast<Decoder *>(png_get_error_ptr(file));
    std::snprintf(decoder->message, sizeof decoder->message, "%s", message);
    std::longjmp(decoder->back, 1);
  }
  static void read(png_structp file, png_bytep to, size_t count) {
    auto *decoder = static_cast<Decoder *>(png_get_io_ptr(file));
    if (count > decoder->bytes_.size() - decoder->at_) png_error(file, "the file is cut off");
    std::memcpy(to, decoder->bytes_.data() + decoder->at_, count);
    decoder->at_ += count;
  }

  const std::vector<uint8_t> &bytes_;
  size_t at_ = 0;
};

// Whether the picture could be decoded; else the decoder has a message. An error jumps, and so skips destructors: what
// needs one belongs to the caller.
bool decode(Decoder &decoder, const std::string &name, Picture &picture) {
  if (setjmp(decoder.back)) return false;
  png_structp file = decoder.file;
  png_read_info(file, decoder.info);
  const int64_t width = png_get_image_width(file, decoder.info), height = png_get_image_height(file, decoder.info);
  check_sides(width, height, name);
  png_set_expand(file);    // palettes to colours, grey of few bits to 8
  png_set_strip_16(file);  // the eight highest bits
  png_set_strip_alpha(file);
  png_set_gray_to_rgb(file);
  const int passes = png_set_interlace_handling(file);
  png_read_update_info(file, decoder.info);
  picture = {static_cast<int>(width), static_cast<int>(height), {}};
  picture.pixels.resize(png_get_rowbytes(file, decoder.info) * height);
  for (int pass = 0; pass < passes; ++pass) {
    for (int64_t y = 0; y < height; ++y) png_read_row(file, picture.pixels.data() + 3 * width * y, nullptr);
  }
  png_read_end(file, nullptr);
  return true;
}

}  // namespace

Picture read_png(const std::vector<uint8_t> &bytes, const std::string &name) {
  Decoder decoder(bytes);
  Picture picture;
  if (!decode(decoder, name, picture)) throw Error(name + ": expected a whole PNG, got: " + decoder.message);
  return picture;
}

}  // namespace bimlp

#else

namespace bimlp {

Picture read_png(const std::vector<uint8_t> &, const std::string &name) {
  throw Error(name + ": expected another picture than a PNG: bimlp_run was built without libpng");
}

}  // namespace bimlp
#endif
