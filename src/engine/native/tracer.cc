#include "tracer.h"

namespace bimlp {

void Profile::enter(OpKind work) {
  const auto now = std::chrono::steady_clock::now();
  if (started_) seconds[static_cast<int>(work_)] += std::chrono::duration<double>(now - last_).count();
  started_ = true;
  work_ = work;
  last_ = now;
}

}  // namespace bimlp
