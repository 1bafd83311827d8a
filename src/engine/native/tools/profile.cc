#include "profile.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "../error.h"
#include "../file/text.h"
#include "../inspect.h"
#include "../ops/layers.h"

namespace bimlp {
namespace {

constexpr int kWarmUp = 5, kRuns = 50;

// Names of the kinds of operations, in their order.
std::vector<std::string> kind_names() {
  std::vector<std::string> names(1);
  for (const char *c = bimlp_op_kinds(); *c; ++c) {
    if (*c == '\n') {
      names.emplace_back();
    } else {
      names.back() += *c;
    }
  }
  return names;
}

std::string line(const std::string &kind, const std::string &channels, const std::string &milliseconds,
                 const std::string &share) {
  char text[128];
  std::snprintf(text, sizeof text, "%-20s %8s %9s %8s\n", kind.c_str(), channels.c_str(), milliseconds.c_str(),
                share.c_str());
  return text;
}

}  // namespace

std::string profile_table(bimlp_engine &engine) {
  if (engine.threads != 1) throw Error("--profile: expected one thread, got " + std::to_string(engine.threads));
  const size_t size = engine.facts().image_size;
  std::vector<uint8_t> image(3 * size * size);
  std::vector<float> logits(engine.facts().classes);
  std::mt19937 random;
  std::generate(image.begin(), image.end(), [&] { return static_cast<uint8_t>(random()); });
  const auto profile = std::make_unique<Profile>();
  const auto guard = engine.enter();
  for (int run = 0; run < kWarmUp + kRuns; ++run) {
    engine.tracer = run < kWarmUp ? Tracer() : Tracer{profile.get()};
    engine.run_pixels(image.data(), 1, logits.data());
  }
  engine.tracer = {};
  struct Row {
    double seconds;
    int kind, blocks;
  };
  std::vector<Row> rows;
  double total = 0;
  for (int kind = 0; kind < kOpKinds; ++kind) {
    for (int blocks = 0; blocks <= kProfileBlocks; ++blocks) {
      const double seconds = profile->seconds[kind][blocks];
      if (seconds > 0) rows.push_back({seconds, kind, blocks});
      total += seconds;
    }
  }
  if (rows.empty()) throw Error("--profile: expected the plan fused, which BIMLP_PLAN names; plain has no profile");
  std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) { return a.seconds > b.seconds; });
  const std::vector<std::string> names = kind_names();
  std::string text = line("operation", "channels", "ms", "share");
  const auto add = [&](const std::string &kind, const std::string &channels, double seconds) {
    text += line(kind, channels, fixed(1e3 * seconds / kRuns, 3, 0), fixed(100 * seconds / total, 1, 0) + " %");
  };
  for (const Row &row : rows) add(names[row.kind], row.blocks ? std::to_string(kLanes * row.blocks) : "", row.seconds);
  add("all", "", total);
  return text;
}

}  // namespace bimlp
