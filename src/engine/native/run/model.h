// Network of a packed file, ready to run.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tracer.h"
#include "workers.h"

namespace bimlp {

struct Facts {
  std::string variant;
  uint32_t image_size, resize, classes;  // pixels: H = W of the input; shorter side of a picture before the centre crop
  std::array<double, 3> mean, std;       // of pixels in [0, 1]
  std::vector<std::string> class_names;  // none, or one per class
  std::string more;                      // further fields of bimlp_describe, as JSON
};

// Numbers of pixels: (pixel - mean) / std by colour.
struct Normalisation {
  std::array<float, 3> mean, std;
  explicit Normalisation(const Facts &f) {
    for (int c = 0; c < 3; ++c)
      mean[c] = static_cast<float>(f.mean[c] * 255), std[c] = static_cast<float>(f.std[c] * 255);
  }
};

// Places of a run's image in floats or bytes: of the first pixel, and steps from row to row and from pixel to pixel.
struct ImageLayout {
  size_t begin, row, pixel;
};

// Memory of one image that is under way.
class Run {
 public:
  virtual ~Run() = default;
  // Place of the image in numbers, or in pixels, 128 less; null where pixels are not taken. What was asked for last is
  // what the next logits are of.
  virtual float *image() = 0;
  virtual int8_t *pixels() { return nullptr; }
  // Logits of the image, valid until the next call.
  virtual const float *logits(Workers &workers, const Tracer &tracer) = 0;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const char *instruction_set() const = 0;
  // A run whose image `threads` threads share.
  virtual std::unique_ptr<Run> run(int threads) const = 0;

  Facts facts;
  ImageLayout layout = {}, pixel_layout = {};
};

// Model of a packed file's bytes, which it does not refer to afterwards. Throws Error.
std::unique_ptr<Model> open_model(const uint8_t *data, size_t size);

}  // namespace bimlp
