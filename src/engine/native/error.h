// Errors with a message of one line.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace bimlp {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws Error "name: expected .., got .." unless `good`.
inline void expect(bool good, const char *name, const std::string &expected, uint64_t got) {
  if (!good) throw Error(std::string(name) + ": expected " + expected + ", got " + std::to_string(got));
}

}  // namespace bimlp
