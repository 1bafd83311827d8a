// Thread pool of all operators.
#pragma once
#include "../../native/threads.h"

namespace bimlp {

// Pool of the process, made at first use, with a thread per processor that the process may use.
ThreadPool &thread_pool();

}  // namespace bimlp
