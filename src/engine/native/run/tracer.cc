#include "tracer.h"

#include <algorithm>

namespace bimlp {

void Profile::enter(OpKind kind, int blocks) {
  const auto now = std::chrono::steady_clock::now();
  if (started_) seconds[static_cast<int>(kind_)][blocks_] += std::chrono::duration<double>(now - last_).count();
  started_ = true;
  kind_ = kind;
  blocks_ = std::min(blocks, kProfileBlocks);
  last_ = now;
}

}  // namespace bimlp
