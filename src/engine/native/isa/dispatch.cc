#include <cstdlib>

#include "../error.h"
#include "instruction_sets.h"

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

// Instruction sets, the best first.
constexpr InstructionSet kSets[] = {
    {"avx512", avx512_kernels, has_avx512},
    {"avx2", avx2_kernels, has_avx2},
    {"scalar", scalar_kernels, [] { return true; }},
};

const InstructionSet &set_named(const std::string &name) {
  std::string known;
  for (const InstructionSet &set : kSets) {
    if (set.name == name) return set;
    known += known.empty() ? set.name : std::string(", ") + set.name;
  }
  throw Error("instruction set: expected one of " + known + ", got " + name);
}

}  // namespace

std::string available_names() {
  std::string names;
  for (const InstructionSet &set : kSets) {
    if (set.available()) names += (names.empty() ? "" : " ") + std::string(set.name);
  }
  return names;
}

const OpKernels &choose_kernels() {
  if (const char *wanted = std::getenv("BIMLP_INSTRUCTION_SET"); wanted && *wanted) {
    const InstructionSet &set = set_named(wanted);
    if (!set.available())
      throw Error(std::string("BIMLP_INSTRUCTION_SET: this processor or this build has no ") + wanted);
    return *set.kernels();
  }
  for (const InstructionSet &set : kSets) {
    if (set.available()) return *set.kernels();
  }
  throw Error("no instruction set");  // unreachable: every build has scalar
}

}  // namespace bimlp
