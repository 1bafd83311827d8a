// Kernels of NEON on AArch64.
#include "../ops/kernels.h"
#if defined(__aarch64__)
#include "../ops/table.h"
#include "lanes_neon.h"

namespace bimlp {

const OpKernels *neon_kernels() {
  static const OpKernels table = op_kernels<Neon>();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const OpKernels *neon_kernels() { return nullptr; }
}  // namespace bimlp
#endif
