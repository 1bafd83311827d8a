// Number of set bits of 32-bit words, in plain arithmetic.
#pragma once
#include "inline.h"

namespace bimlp {

// Set bits of a word. Word: uint32_t, or a vector of them, lane by lane.
template <class Word>
static BIMLP_INLINE Word popcount(Word v) {
  v -= v >> 1 & 0x55555555u;
  v = (v & 0x33333333u) + (v >> 2 & 0x33333333u);
  return ((v + (v >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
}

}  // namespace bimlp
