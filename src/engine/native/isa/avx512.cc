// Kernels of AVX-512: binary products by XOR and VPOPCNTDQ.
#include "../ops/kernels.h"
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VPOPCNTDQ__)
#include "../ops/table.h"
#include "lanes_avx512.h"

namespace bimlp {

const OpKernels *avx512_kernels() {
  static const OpKernels table = op_kernels<Avx512>();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const OpKernels *avx512_kernels() { return nullptr; }
}  // namespace bimlp
#endif
