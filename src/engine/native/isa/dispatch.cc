#include <cstdlib>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

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

// Whether there is a matrix unit, and the system lets this process use it.
bool has_amx() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr unsigned kTileAndBytes = 1u << 24 | 1u << 25;     // of EDX
  constexpr unsigned kBytePermutations = 1u << 1;             // of ECX: AVX-512 VBMI
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a, b, c, d;
  if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(c & kBytePermutations) ||
      (d & kTileAndBytes) != kTileAndBytes)
    return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// AArch64 has NEON; the dot product is an extension.
#if defined(__aarch64__)
bool has_neon() { return true; }
#else
bool has_neon() { return false; }
#endif
bool has_neon_dot() {
#if defined(__aarch64__) && defined(__linux__)
  return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#else
  return false;
#endif
}

// Instruction sets, the best first.
constexpr InstructionSet kSets[] = {
    {"amx", amx_kernels, has_amx},    {"avx512", avx512_kernels, has_avx512},
    {"avx2", avx2_kernels, has_avx2}, {"neon_dot", neon_dot_kernels, has_neon_dot},
    {"neon", neon_kernels, has_neon}, {"scalar", scalar_kernels, [] { return true; }},
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
