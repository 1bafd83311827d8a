// Decoder of JPEG by libjpeg-turbo, with its defaults, which are Pillow's. Another libjpeg has other pixels: it is not
// used.
#ifdef BIMLP_JPEG
#include <cstdio>

#include <jpeglib.h>  // needs the header before it
#endif

#include "../error.h"
#include "decode.h"

#ifdef LIBJPEG_TURBO_VERSION
#include <jerror.h>

#include <algorithm>
#include <csetjmp>
#include <iterator>

namespace bimlp {
namespace {

constexpr uint8_t kScan[] = {0xff, 0xda};       // marker at the beginning of a scan
constexpr int64_t kMaxWork = 100 * kMaxPixels;  // pixels times scans: each scan passes over all pixels

// Decoder whose errors jump to `back`, with a message.
struct Decoder : jpeg_decompress_struct {
  Decoder() {
    err = jpeg_std_error(&errors);
    errors.error_exit = [](j_common_ptr decoder) { of(decoder)->leave(); };
    errors.emit_message = [](j_common_ptr decoder, int) {  // other damage is overlooked, as by Pillow
      if (decoder->err->msg_code == JWRN_JPEG_EOF) of(decoder)->leave();
    };
    jpeg_create_decompress(this);
  }
  ~Decoder() { jpeg_destroy_decompress(this); }
  Decoder(const Decoder &) = delete;

  static Decoder *of(j_common_ptr decoder) {
    return static_cast<Decoder *>(reinterpret_cast<jpeg_decompress_struct *>(decoder));
  }
  [[noreturn]] void leave() {
    errors.format_message(reinterpret_cast<j_common_ptr>(this), message);
    std::longjmp(back, 1);
  }

  jpeg_error_mgr errors;
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX] = "";
};

// Number of scans of a file.
int64_t scans(const std::vector<uint8_t> &bytes) {
  int64_t count = 0;
  for (auto at = bytes.begin();; at += std::size(kScan), ++count) {
    at = std::search(at, bytes.end(), std::begin(kScan), std::end(kScan));
    if (at == bytes.end()) return count;
  }
}

// Pixel of a line of 1, 3 or 4 components: grey, colours, or inks in the way of Adobe, where 255 is none.
void to_colours(const uint8_t *from, int components, uint8_t *to) {
  for (int c = 0; c < 3; ++c) {
    if (components == 4) {
      const int product = (255 - from[c]) * from[3] + 128;
      to[c] = static_cast<uint8_t>(from[3] - (((product >> 8) + product) >> 8));
    } else {
      to[c] = from[components == 1 ? 0 : c];
    }
  }
}

// Whether the picture could be decoded; else the decoder has a message. An error jumps, and so skips destructors: what
// needs one belongs to the caller.
bool decode(Decoder &decoder, const std::vector<uint8_t> &bytes, const std::string &name, Picture &picture,
            std::vector<uint8_t> &line) {
  if (setjmp(decoder.back)) return false;
  jpeg_mem_src(&decoder, bytes.data(), bytes.size());
  jpeg_read_header(&decoder, TRUE);
  const int width = static_cast<int>(decoder.image_width), height = static_cast<int>(decoder.image_height);
  check_sides(width, height, name);
  if (scans(bytes) * width * height > kMaxWork) {
    throw Error(name + ": expected a JPEG of few scans, got " + std::to_string(scans(bytes)));
  }
  const int components = decoder.num_components;
  decoder.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&decoder);
  picture = {width, height, {}};
  picture.pixels.resize(size_t{3} * width * height);
  line.resize(size_t(width) * components);
  for (uint8_t *to = picture.pixels.data(); decoder.output_scanline < decoder.output_height;) {
    JSAMPROW row = line.data();
    jpeg_read_scanlines(&decoder, &row, 1);
    for (int x = 0; x < width; ++x, to += 3) to_colours(row + x * components, components, to);
  }
  jpeg_finish_decompress(&decoder);
  return true;
}

}  // namespace

Picture read_jpeg(const std::vector<uint8_t> &bytes, const std::string &name) {
  Decoder decoder;
  Picture picture;
  std::vector<uint8_t> line;
  if (!decode(decoder, bytes, name, picture, line)) {
    throw Error(name + ": expected a whole JPEG, got: " + decoder.message);
  }
  return picture;
}

}  // namespace bimlp

#else

namespace bimlp {

Picture read_jpeg(const std::vector<uint8_t> &, const std::string &name) {
  throw Error(name + ": expected another picture than a JPEG: bimlp_run was built without libjpeg-turbo");
}

}  // namespace bimlp
#endif
