// Floating-point mode and flags of the processor. Each thread has its own.
#pragma once
#include <cfenv>

namespace bimlp {

// Scope with the default rounding, denormals and exceptions. Its end restores the mode of the host program.
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

// Whether this thread has made an infinity or NaN of finite numbers since the last call. The processor's flags record
// it, even if the result does not reach the output. Clears the flags.
inline bool test_and_clear_nonfinite() {
  constexpr int kFlags = FE_OVERFLOW | FE_INVALID | FE_DIVBYZERO;
  if (!std::fetestexcept(kFlags)) return false;
  std::feclearexcept(kFlags);
  return true;
}

}  // namespace bimlp
