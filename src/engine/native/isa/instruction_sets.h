// Instruction sets of this build, and the choice among them.
#pragma once
#include <string>

#include "../ops/kernels.h"

namespace bimlp {

struct InstructionSet {
  const char *name;
  const OpKernels *(*kernels)();  // null if not compiled
  bool (*supported)();

  bool available() const { return supported() && kernels(); }
};

// Kernels of the instruction set that BIMLP_INSTRUCTION_SET names, else of the processor's best one. Throws Error.
const OpKernels &choose_kernels();

// Names of the instruction sets of this build and processor, the best first, separated by spaces.
std::string available_names();

}  // namespace bimlp
