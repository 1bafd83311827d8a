// Tensor that a layer's forward pass saves for its backward pass: the parameters and the statistics that it used.
//
// The backward pass reads no parameter, so the framework need not guard parameters against the update that follows.
#pragma once
#include <cstdint>

namespace bimlp {

struct Saved {
  Saved(float *data, int64_t weights, int64_t in, int64_t out)
      : w(data),
        b(w + weights),
        gamma(b + in),
        beta(gamma + out),
        b1(beta + out),
        slope(b1 + out),
        mean(slope + out),
        variance(mean + out) {}

  void set(int64_t c, float g, float be, float shift, float slope_, float m, float v) const {
    gamma[c] = g;
    beta[c] = be;
    b1[c] = shift;
    slope[c] = slope_;
    mean[c] = m;
    variance[c] = v;
  }

  float *w, *b, *gamma, *beta, *b1, *slope, *mean, *variance;
};

}  // namespace bimlp
