// Kernels of NEON with the dot product of bytes.
#include "../ops/kernels.h"
#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include "../ops/table.h"
#include "lanes_neon.h"

namespace bimlp {

const OpKernels *neon_dot_kernels() {
  static const OpKernels table = op_kernels<NeonDot>();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const OpKernels *neon_dot_kernels() { return nullptr; }
}  // namespace bimlp
#endif
