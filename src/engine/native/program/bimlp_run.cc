// bimlp_run: the five most likely classes of pictures by a packed file, without Python.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "../bimlp.h"
#include "../engine.h"
#include "../files.h"
#include "../picture.h"

namespace {

constexpr int kShown = 5, kBadInput = 2;
constexpr const char *kUsage =
    "usage: bimlp_run [--threads N] model.packed image...\n"
    "Prints the five most likely classes of each image with their probabilities.\n"
    "image: PNM (P5, P6) of any size; or raw: S x S x 3 bytes, or 3 x S x S floats as the network takes them.\n";

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  std::exit(kBadInput);
}

void check(int failed) {
  if (failed) fail(bimlp_last_error());
}

// the logits of one image file
std::vector<float> logits_of(bimlp_engine *engine, const std::string &path) {
  const bimlp::Description &d = engine->description();
  const std::vector<uint8_t> bytes = bimlp::read_file(path);
  const size_t numbers = size_t(3) * d.image_size * d.image_size;
  std::vector<float> logits(d.classes);
  if (bytes.size() == numbers * sizeof(float)) {
    std::vector<float> image(numbers);
    std::memcpy(image.data(), bytes.data(), bytes.size());
    check(bimlp_run_numbers(engine, image.data(), 1, logits.data()));
  } else if (bytes.size() == numbers) {
    check(bimlp_run_pixels(engine, bytes.data(), 1, logits.data()));
  } else {
    const auto pixels = bimlp::centre(bimlp::read_pnm(bytes, path), d.image_size, d.resize);
    check(bimlp_run_pixels(engine, pixels.data(), 1, logits.data()));
  }
  return logits;
}

void show(const std::string &path, const std::vector<float> &logits, const bimlp::Description &d) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t shown = std::min<size_t>(kShown, order.size());
  std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                    [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  double sum = 0;
  for (float v : logits) sum += std::exp(double{v} - logits[order[0]]);
  std::printf("%s\n", path.c_str());
  for (size_t i = 0; i < shown; ++i) {
    const std::string name = d.class_names.empty() ? std::to_string(order[i]) : d.class_names[order[i]];
    std::printf("  %7.4f  %s\n", std::exp(double{logits[order[i]]} - logits[order[0]]) / sum, name.c_str());
  }
}

}  // namespace

int main(int count, char **arguments) {
  int threads = 1, at = 1;
  if (at + 1 < count && std::strcmp(arguments[at], "--threads") == 0) {
    threads = std::atoi(arguments[at + 1]);
    at += 2;
  }
  if (count - at < 2 || arguments[at][0] == '-') {
    std::fputs(kUsage, stderr);
    return kBadInput;
  }
  bimlp_engine *engine = nullptr;
  check(bimlp_open(arguments[at], threads, &engine));
  try {
    for (int i = at + 1; i < count; ++i) show(arguments[i], logits_of(engine, arguments[i]), engine->description());
  } catch (const std::exception &error) {
    fail(error.what());
  }
  bimlp_close(engine);
  return 0;
}
