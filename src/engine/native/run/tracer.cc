#include "tracer.h"

namespace bimlp {

void Profile::enter(OpKind kind) {
  const auto now = std::chrono::steady_clock::now();
  if (started_) seconds[static_cast<int>(kind_)] += std::chrono::duration<double>(now - last_).count();
  started_ = true;
  kind_ = kind;
  last_ = now;
}

}  // namespace bimlp
