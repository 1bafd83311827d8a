// Kernels of AVX2 with FMA.
#include "../ops/kernels.h"
#if defined(__AVX2__) && defined(__FMA__)
#include "../ops/table.h"
#include "lanes_avx2.h"

namespace bimlp {

const OpKernels *avx2_kernels() {
  static const OpKernels table = op_kernels<Avx2>();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const OpKernels *avx2_kernels() { return nullptr; }
}  // namespace bimlp
#endif
