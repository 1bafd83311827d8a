// The processor's floating-point mode and flags, which every thread has of its own.
#pragma once
#include <cfenv>

namespace bimlp {

// Rounding, small numbers and exceptions as in a new process while this lives, then again as the host program has them.
class DefaultFloats {
 public:
  DefaultFloats() {
    std::fegetenv(&kept_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloats() { std::fesetenv(&kept_); }
  DefaultFloats(const DefaultFloats &) = delete;

 private:
  std::fenv_t kept_;
};

// Whether finite numbers have led to one that is not since the last question: the processor takes note of an infinity and of
// a NaN when it makes them, whatever then becomes of them.
inline bool test_and_clear_nonfinite() {
  constexpr int kFlags = FE_OVERFLOW | FE_INVALID | FE_DIVBYZERO;
  if (!std::fetestexcept(kFlags)) return false;
  std::feclearexcept(kFlags);
  return true;
}

}  // namespace bimlp
