// Sum of maps: the gradient of a map that several layers read.
#include "pool.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {
namespace {
constexpr int64_t kChunk = 4096;  // numbers in one work item of a thread
}

// Inputs: g_1 .. g_n of one shape. Output: their sum.
OPERATOR(sum_of) {
  const int inputs = t.count() - 1;
  const int64_t size = t.size(0);
  float *out = t.get(inputs);
  thread_pool().each((size + kChunk - 1) / kChunk, [&](int64_t chunk) {
    const int64_t start = chunk * kChunk;
    for_vectors(std::min(kChunk, size - start), [&](auto tag, int64_t i) {
      using T = decltype(tag);
      T sum = load<T>(t.get(0) + start + i);
      for (int k = 1; k < inputs; ++k) sum += load<T>(t.get(k) + start + i);
      store(out + start + i, sum);
    });
  });
}

}  // namespace bimlp
