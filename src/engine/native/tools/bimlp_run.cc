// Program bimlp_run: the five most likely classes of pictures, from a packed file, without Python.
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>

#include "../bimlp.h"
#include "../engine.h"
#include "../error.h"
#include "../file/files.h"
#include "../file/text.h"
#include "../inspect.h"
#include "decode.h"
#include "profile.h"

namespace {

constexpr int kShown = 5, kBadInput = 2;
constexpr size_t kMaxImageBytes = size_t{1} << 30;
constexpr const char *kUsage =
    "usage: bimlp_run [--threads N] model.packed image...\n"
    "       bimlp_run [--threads N] --describe model.packed\n"
    "       bimlp_run --profile model.packed\n"
    "       bimlp_run --ops\n"
    "Prints the five most likely classes of each image with their probabilities; or, as JSON, what the network is and\n"
    "which instruction set runs it; or where the time of one image goes, on one thread; or the operations that a\n"
    "packed file can hold.\n"
    "image: PNM (P5, P6), JPEG or PNG of any size; or raw: S x S x 3 bytes, or 3 x S x S floats as\n"
    "the network takes them.\n";

// Text with control characters, which a terminal would obey, as \xNN. Those of two bytes in UTF-8 begin with 0xC2.
std::string printable(const std::string &text) {
  std::string result;
  char escape[5];
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](size_t at) { return static_cast<unsigned char>(at < text.size() ? text[at] : 0); };
    const bool c1 = byte(i) >= 0x80 && byte(i) < 0xA0 && i > 0 && byte(i - 1) == 0xC2;
    const bool before_c1 = byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0;
    if (byte(i) >= 0x20 && byte(i) != 0x7F && !c1 && !before_c1) {
      result += text[i];
    } else {
      std::snprintf(escape, sizeof escape, "\\x%02x", byte(i));
      result += escape;
    }
  }
  return result;
}

int fail(const char *message) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", printable(message).c_str());
  return kBadInput;
}

void check(int failed, const std::string &path) {
  if (failed) throw bimlp::Error(path + ": " + bimlp_last_error());
}

// Number of threads, or 0 if it is not an integer that fits.
int whole_number(const char *digits) {
  long long number = 0;
  for (; bimlp::is_digit(*digits) && number <= INT_MAX; ++digits) number = 10 * number + *digits - '0';
  return *digits || number > INT_MAX ? 0 : static_cast<int>(number);
}

// Logits of one image file.
std::vector<float> logits_of(bimlp_engine *engine, const std::string &path) {
  const bimlp::Facts &d = engine->facts();
  const std::vector<uint8_t> bytes = bimlp::read_file(path, kMaxImageBytes);
  const size_t numbers = size_t(3) * d.image_size * d.image_size;
  std::vector<float> logits(d.classes);
  if (bimlp::is_picture(bytes)) {
    const auto pixels = bimlp::centre(bimlp::read_picture(bytes, path), d.image_size, d.resize);
    check(bimlp_run_pixels(engine, pixels.data(), 1, logits.data()), path);
  } else if (bytes.size() == numbers) {
    check(bimlp_run_pixels(engine, bytes.data(), 1, logits.data()), path);
  } else if (bytes.size() == numbers * sizeof(float)) {
    std::vector<float> image(numbers);
    std::memcpy(image.data(), bytes.data(), bytes.size());
    check(bimlp_run_numbers(engine, image.data(), 1, logits.data()), path);
  } else {
    throw bimlp::Error(path + ": expected a PNM (P5, P6), JPEG or PNG picture, " + std::to_string(numbers) +
                       " bytes or " + std::to_string(numbers) + " floats, got " + std::to_string(bytes.size()) +
                       " other bytes");
  }
  return logits;
}

void show(const std::string &path, const std::vector<float> &logits, const bimlp::Facts &d) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t shown = std::min<size_t>(kShown, order.size());
  std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                    [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  double sum = 0;
  for (float v : logits) sum += std::exp(double{v} - logits[order[0]]);
  std::printf("%s\n", printable(path).c_str());
  for (size_t i = 0; i < shown; ++i) {
    const std::string name = d.class_names.empty() ? std::to_string(order[i]) : d.class_names[order[i]];
    const double share = std::exp(double{logits[order[i]]} - logits[order[0]]) / sum;
    std::printf("  %s  %s\n", bimlp::fixed(share, 4, 7).c_str(), printable(name).c_str());
  }
}

void run(int count, char **arguments) {
  int threads = 1, at = 1;
  bool describe = false, profile = false;
  for (; at < count && arguments[at][0] == '-'; ++at) {
    const std::string option = arguments[at];
    if (option == "--describe" || option == "--profile") {
      (option == "--describe" ? describe : profile) = true;
      continue;
    }
    if (option != "--threads") throw bimlp::Error(option + ": expected --threads, --describe, --profile or no option");
    if (++at == count) throw bimlp::Error("--threads: expected a number");
    threads = whole_number(arguments[at]);
    if (!threads) throw bimlp::Error(std::string("--threads: expected a whole number from 1, got ") + arguments[at]);
  }
  if ((describe || profile) && count - at != 1)
    throw bimlp::Error(std::string(describe ? "--describe" : "--profile") + ": expected one model and no image");
  if (!describe && !profile && count - at < 2)
    throw bimlp::Error("expected a model and an image; bimlp_run --help tells more");
  bimlp_engine *engine = nullptr;
  if (bimlp_open(arguments[at], threads, &engine)) throw bimlp::Error(bimlp_last_error());
  const std::unique_ptr<bimlp_engine, void (*)(bimlp_engine *)> owner(engine, bimlp_close);
  if (describe) std::puts(bimlp_describe(engine));
  if (profile) std::fputs(bimlp::profile_table(*engine).c_str(), stdout);
  for (int i = at + 1; i < count; ++i) show(arguments[i], logits_of(engine, arguments[i]), engine->facts());
}

}  // namespace

int main(int count, char **arguments) {
  if (count < 2 || std::strcmp(arguments[1], "--help") == 0) {
    std::fputs(kUsage, count < 2 ? stderr : stdout);
    return count < 2 ? kBadInput : 0;
  }
  if (count == 2 && std::strcmp(arguments[1], "--ops") == 0) {
    std::fputs(bimlp_ops(), stdout);
    return 0;
  }
  try {
    run(count, arguments);
  } catch (const std::bad_alloc &) {
    return fail("not enough memory");
  } catch (const std::exception &error) {
    return fail(error.what());
  }
  return 0;
}
