// Fuzzer of the engine: damages packed files, then opens and runs them. Each must end in success or a named error.
//
//   fuzz_packed COUNT SEED file.packed...    see scripts/run_fuzz.sh
//
// -DBIMLP_LIBFUZZER makes a target for libFuzzer instead: clang++ -fsanitize=fuzzer,address,undefined.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../native/bimlp.h"
#include "../native/engine.h"
#include "../native/file/files.h"
#include "../native/file/packed_file.h"
#include "../native/graph/ops.h"
#include "../native/isa/instruction_sets.h"
#include "damage.h"

namespace {

using namespace bimlp::fuzz;

// Limits of what is run, in multiplications, and of what is opened, in numbers of all maps: a damaged attribute can
// make a small network take minutes or gigabytes.
constexpr uint64_t kMaxWork = 1 << 23, kMaxNumbers = 1 << 22;
constexpr const char *kSets[] = {"scalar", "avx2", "avx512", "amx", "neon", "neon_dot"}, *kPlans[] = {"plain", ""};

struct Size {
  uint64_t work = 0, numbers = 0;
};

// Size of the network in a file; of none for a file that the reader refuses.
Size size_of(const uint8_t *data, size_t size) {
  Size result;
  try {
    const bimlp::PackedFile file = bimlp::read_packed_file(data, size);
    result.numbers = file.graph.image.positions() * 16;
    for (const bimlp::Node &n : file.graph.nodes) {
      uint64_t taps = 1;
      if (bimlp::op_row(n.op).has_filter()) taps = n.filter_size(file.graph.shape_of(n.inputs[0]).channels);
      if (n.op == bimlp::Op::kPool) taps = n[bimlp::kKernelHeight] * n[bimlp::kKernelWidth];
      result.work += n.shape.numbers() * taps;
      result.numbers += n.shape.positions() * (n.shape.channels + 15);
    }
  } catch (const bimlp::Error &) {
  }
  return result;
}

// Way of opening and running a file.
struct Way {
  const char *set, *plan;
  int threads, images;
};

Way way_of(uint64_t number, const std::vector<const char *> &sets) {
  return {sets[number % sets.size()], kPlans[number / 3 % 2], 1 + static_cast<int>(number / 6 % 2),
          1 + static_cast<int>(number / 12 % 3)};
}

// Message of an error, or "" for success.
std::string run(const Bytes &file, const Way &way, uint64_t seed) {
  setenv("BIMLP_INSTRUCTION_SET", way.set, 1);
  setenv("BIMLP_PLAN", way.plan, 1);
  bimlp_engine *opened = nullptr;
  Size size;
  {
    // on the heap with the exact length, and freed before the network runs
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[file.size()]);
    std::copy(file.begin(), file.end(), exact.get());
    size = size_of(exact.get(), file.size());
    if (size.numbers > kMaxNumbers) return "";
    if (bimlp_open_bytes(exact.get(), file.size(), way.threads, &opened)) return bimlp_last_error();
  }
  const std::unique_ptr<bimlp_engine, void (*)(bimlp_engine *)> engine(opened, bimlp_close);
  if (bimlp_describe(opened)[0] != '{' || size.work > kMaxWork) return "";
  Random random(seed);
  const size_t side = engine->facts().image_size, numbers = 3 * side * side * way.images;
  Bytes pixels(numbers);
  std::vector<float> image(numbers), logits(size_t{engine->facts().classes} * way.images);
  for (auto &v : pixels) v = static_cast<uint8_t>(random.next());
  for (auto &v : image) v = static_cast<float>(random.below(4001)) / 1000 - 2;
  if (bimlp_run_pixels(opened, pixels.data(), way.images, logits.data())) return bimlp_last_error();
  if (bimlp_run_numbers(opened, image.data(), way.images, logits.data())) return bimlp_last_error();
  return "";
}

#ifndef BIMLP_LIBFUZZER

// Message without its numbers, for counting.
std::string kind(const std::string &message) {
  std::string out;
  for (const char c : message) {
    if (!std::isdigit(static_cast<unsigned char>(c)))
      out += c;
    else if (out.empty() || out.back() != '#')
      out += '#';
  }
  return out;
}

// Number of the first whole file that is refused or cannot be run, or -1.
int first_refused(const std::vector<Bytes> &files, const std::vector<const char *> &sets, std::string &message) {
  for (size_t f = 0; f < files.size(); ++f) {
    for (uint64_t n = 0; n < 12 * sets.size(); ++n) {
      message = run(files[f], way_of(n, sets), n);
      if (!message.empty()) return static_cast<int>(f);
    }
  }
  return -1;
}

// Runs damaged files and prints what became of them. Returns the exit code.
int fuzz(const std::vector<Bytes> &files, const std::vector<const char *> &sets, int mutations, uint64_t seed) {
  std::vector<Parts> parts;
  for (const Bytes &file : files) parts.emplace_back(file);
  std::map<std::string, int> counts;
  Random random(seed);
  int fitted_ones = 0;
  for (int i = 0; i < mutations; ++i) {
    const Way way = way_of(static_cast<uint64_t>(i) / files.size(), sets);
    Bytes file = damaged(parts[i % parts.size()], random);
    std::string message = run(file, way, i);
    for (int tries = 0; tries < 2 && fit(file, message, random); ++tries) {
      message = run(file, way, i);
      fitted_ones += message.empty();
    }
    ++counts[message.empty() ? "success" : kind(message)];
    // errors of the reader or of the run
    if (message.empty() || message.rfind("packed file: ", 0) == 0 || message.rfind("image ", 0) == 0) continue;
    std::printf("FAULT: mutation %d of seed %llu: %s\n", i, static_cast<unsigned long long>(seed), message.c_str());
    return 1;
  }
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto &[message, n] : counts) sorted.emplace_back(n, message);
  std::sort(sorted.rbegin(), sorted.rend());
  for (const auto &[n, message] : sorted) std::printf("%7d  %s\n", n, message.c_str());
  std::printf("%d of the successes have tensors of other shapes than the whole files'\n", fitted_ones);
  std::printf("%d damaged files, instruction sets:", mutations);
  for (const char *set : sets) std::printf(" %s", set);
  std::printf(": no fault\n");
  return 0;
}

#endif

}  // namespace

#ifdef BIMLP_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Bytes file(data, data + size);
  if (size >= kFields + kChecksum) mend_checksum(file);  // libFuzzer cannot find right checksums
  run(file, {"", "", 1 + static_cast<int>(size % 2), 1}, size);
  return 0;
}

#else

int main(int count, char **arguments) {
  if (count < 4) {
    std::fputs("usage: fuzz_packed COUNT SEED file.packed...\n", stderr);
    return 2;
  }
  std::vector<Bytes> files;
  std::vector<const char *> sets;
  try {
    for (int i = 3; i < count; ++i) files.push_back(bimlp::read_file(arguments[i], bimlp::kMaxFileBytes));
    const std::string available = " " + bimlp::available_names() + " ";
    for (const char *set : kSets) {
      if (available.find(" " + std::string(set) + " ") != std::string::npos) sets.push_back(set);
    }
    std::string message;
    if (const int refused = first_refused(files, sets, message); refused >= 0) {
      std::printf("FAULT: %s as it is: %s\n", arguments[3 + refused], message.c_str());
      return 1;
    }
    return fuzz(files, sets, std::atoi(arguments[1]), std::strtoull(arguments[2], nullptr, 10));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}

#endif
