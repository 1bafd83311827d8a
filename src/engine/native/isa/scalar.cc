// Kernels in plain C++.
#include "../ops/table.h"
#include "lanes_scalar.h"

namespace bimlp {

const OpKernels *scalar_kernels() {
  static const OpKernels table = op_kernels<Scalar>();
  return &table;
}

}  // namespace bimlp
