#include <cstdlib>

#include "engine.h"

namespace bimlp {
namespace {

#if defined(__x86_64__) || defined(__i386__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vpopcntdq");
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
#endif

struct Row {
  const char *name;
  const Kernels *(*kernels)();
  bool (*supported)();
};

// Instruction sets, the best first.
constexpr Row kRows[] = {
    {"avx512", avx512_kernels, has_avx512},
    {"avx2", avx2_kernels, has_avx2},
    {"scalar", scalar_kernels, [] { return true; }},
};

}  // namespace

const Kernels *kernels_named(const std::string &name) {
  std::string known;
  for (const Row &row : kRows) {
    if (row.name == name) return row.supported() ? row.kernels() : nullptr;
    known += known.empty() ? row.name : std::string(", ") + row.name;
  }
  throw Error("instruction set: expected one of " + known + ", got " + name);
}

std::string available_names() {
  std::string names;
  for (const Row &row : kRows) {
    if (row.supported() && row.kernels()) names += (names.empty() ? "" : " ") + std::string(row.name);
  }
  return names;
}

const Kernels *choose_kernels() {
  if (const char *wanted = std::getenv("BIMLP_INSTRUCTION_SET"); wanted && *wanted) {
    const Kernels *kernels = kernels_named(wanted);
    if (!kernels) throw Error(std::string("BIMLP_INSTRUCTION_SET: this processor or this build has no ") + wanted);
    return kernels;
  }
  for (const Row &row : kRows) {
    if (row.supported() && row.kernels()) return row.kernels();
  }
  throw Error("no instruction set");  // unreachable: every build has scalar
}

}  // namespace bimlp
