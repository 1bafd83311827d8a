// The processor's limits on one thread: multiply-accumulates per second with nothing but registers.
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__AMX_INT8__) && defined(__linux__)
#define HAS_AMX 1
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

// An optimization barrier: the compiler takes the register for changed.
#if defined(__x86_64__)
#define CHANGED(x) asm volatile("" : "+v"(x))
#elif defined(__aarch64__)
#define CHANGED(x) asm volatile("" : "+w"(x))
#endif

constexpr int kOperands = 4;

// --- binary: XOR, popcount, add ---

#if defined(__AVX512VPOPCNTDQ__)
constexpr const char *kPopcountBy = "avx512 vpopcntd";
constexpr int kCounters = 12;
constexpr double kPopcountMacs = 512 * kCounters;

void popcount(int64_t passes) {
  __m512i counters[kCounters] = {}, x[kOperands] = {}, w = _mm512_set1_epi32(0x5a5a5a5a);
  for (int64_t pass = 0; pass < passes; ++pass) {
#pragma GCC unroll 12
    for (int i = 0; i < kCounters; ++i) {
      CHANGED(x[i % kOperands]);
      counters[i] = _mm512_add_epi32(counters[i], _mm512_popcnt_epi32(_mm512_xor_si512(x[i % kOperands], w)));
    }
  }
  for (auto &counter : counters) CHANGED(counter);
}
#elif defined(__AVX2__)
constexpr const char *kPopcountBy = "avx2 nibble table";
constexpr int kCounters = 4, kDeep = 16;  // bytes hold the counts of 31 steps at most
constexpr double kPopcountMacs = 256 * kCounters * kDeep;

void popcount(int64_t passes) {
  const __m256i table = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i low = _mm256_set1_epi8(15), w = _mm256_set1_epi8(0x5a), zero = _mm256_setzero_si256();
  __m256i counters[kCounters] = {}, x = zero;
  for (int64_t pass = 0; pass < passes; ++pass) {
    __m256i bytes[kCounters] = {};
    for (int step = 0; step < kDeep; ++step) {
#pragma GCC unroll 4
      for (int i = 0; i < kCounters; ++i) {
        CHANGED(x);
        const __m256i bits = _mm256_xor_si256(x, w);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bits, 4), low);
        const __m256i counts =
            _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(bits, low)), _mm256_shuffle_epi8(table, high));
        bytes[i] = _mm256_add_epi8(bytes[i], counts);
      }
    }
    for (int i = 0; i < kCounters; ++i) counters[i] = _mm256_add_epi64(counters[i], _mm256_sad_epu8(bytes[i], zero));
  }
  for (auto &counter : counters) CHANGED(counter);
}
#else
constexpr const char *kPopcountBy = "64-bit popcount";
constexpr int kCounters = 8;
constexpr double kPopcountMacs = 64 * kCounters;

void popcount(int64_t passes) {
  uint64_t counters[kCounters] = {}, x = 0;
  for (int64_t pass = 0; pass < passes; ++pass) {
    for (auto &counter : counters) {
      asm volatile("" : "+r"(x));
      counter += __builtin_popcountll(x ^ 0x5a5a5a5a5a5a5a5aull);
    }
  }
  for (auto &counter : counters) asm volatile("" : "+r"(counter));
}
#endif

// --- float: fused multiply-add ---

#if defined(__AVX512F__)
constexpr const char *kFmaBy = "avx512 fma";
constexpr int kBytes = 64;
#elif defined(__FMA__)
constexpr const char *kFmaBy = "avx2 fma";
constexpr int kBytes = 32;
#else
constexpr const char *kFmaBy = "16-byte vectors";
constexpr int kBytes = 16;
#endif
typedef float Lanes __attribute__((vector_size(kBytes)));
constexpr int kSums = 12;
constexpr double kFmaMacs = kBytes / sizeof(float) * kSums;

void fma(int64_t passes) {
  Lanes sums[kSums] = {}, a = Lanes{} + 0.5f, b = a;
  CHANGED(b);
  for (int64_t pass = 0; pass < passes; ++pass) {
#pragma GCC unroll 12
    for (auto &sum : sums) {
      CHANGED(a);  // else the product would be computed once
      sum = a * b + sum;
    }
  }
  for (auto &sum : sums) CHANGED(sum);
}

// --- 8-bit integers in tiles ---

#if defined(HAS_AMX)
constexpr double kTileMacs = 4 * 16 * 16 * 64;

bool tiles_granted() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

void tiles(int64_t passes) {
  struct alignas(64) {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t columns[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } settings;
  asm volatile("" : : "r"(&settings) : "memory");  // compilers take it for read in part only
  _tile_loadconfig(&settings);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t pass = 0; pass < passes; ++pass) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
}
#endif

struct Peak {
  const char *kind, *by;
  double macs;  // of a pass
  void (*run)(int64_t passes);
};

const Peak kPeaks[] = {
    {"popcount", kPopcountBy, kPopcountMacs, popcount},
    {"fma", kFmaBy, kFmaMacs, fma},
#if defined(HAS_AMX)
    {"int8", "amx tdpbssd", kTileMacs, tiles},
#endif
};

}  // namespace

extern "C" {
int peak_count() {
#if defined(HAS_AMX)
  return tiles_granted() ? 3 : 2;
#else
  return 2;
#endif
}
const char *peak_kind(int peak) { return kPeaks[peak].kind; }
const char *peak_by(int peak) { return kPeaks[peak].by; }
double peak_macs(int peak) { return kPeaks[peak].macs; }
void peak_run(int peak, int64_t passes) { kPeaks[peak].run(passes); }
}
