// Where a network's time goes.
#pragma once
#include <string>

#include "../engine.h"

namespace bimlp {

// Table of the milliseconds of one image on one thread by kind of operation and by its output channels, in the order of
// their time. The image is noise: no time depends on it. Throws Error for an engine of several threads.
std::string profile_table(bimlp_engine &engine);

}  // namespace bimlp
