// Kernels of AVX-512 with the matrix unit AMX: binary products of bytes in tiles.
#include "../ops/kernels.h"
#if defined(__AMX_TILE__) && defined(__AMX_INT8__) && defined(__AVX512VPOPCNTDQ__)
#include "../ops/table.h"
#include "lanes_amx.h"

namespace bimlp {

const OpKernels *amx_kernels() {
  static const OpKernels table = op_kernels<Amx>();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const OpKernels *amx_kernels() { return nullptr; }
}  // namespace bimlp
#endif
